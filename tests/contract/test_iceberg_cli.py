"""The real CLI's write modes into Iceberg tables, on a real S3 server."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import pyarrow as pa
import pytest
from pyiceberg.catalog import load_catalog

import cloudquery_cli as cli
from iceberg_engines import by_duckdb, spark
from lake import in_bucket
from rest_catalog_server import rest_catalog
from s3_servers import moto  # noqa: F401 -- a fixture
from waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from pyiceberg.table import Table

    from s3_servers import Bucket, S3Server
    from trino_server import Trino

pytestmark = pytest.mark.cli

Row: TypeAlias = tuple[str, int, str]
"""Source, number and value."""

STALE = {"write_mode": "overwrite-delete-stale"}
KEYED = pa.schema(
    [
        pa.field("n", pa.int64(), nullable=False, metadata={"cq:extension:primary_key": "true"}),
        pa.field("v", pa.string()),
    ],
    metadata={"cq:table_name": "t"},
)


class Lake:
    """A bucket, a catalogue, and syncs into both: an object has two rows at most.

    Where the catalogue is a server, Trino is a reader, too, or else DuckDB and Spark.
    """

    def __init__(
        self,
        bucket: Bucket,
        folder: Path,
        *,
        url: str = "",
        by_spark: Callable[[str, str], list[list[Any]]] | None = None,
        trino: Trino | None = None,
    ) -> None:
        self.bucket = bucket
        self.folder = folder
        self.url = url
        self.by_spark = by_spark
        self.trino = trino
        in_a_file = {"type": "sql", "uri": f"sqlite:///{folder}/catalog.db", "warehouse": f"s3://{bucket.name}/lake"}
        self.catalog = {"type": "rest", "uri": url} if url else in_a_file
        self.spec = in_bucket(bucket, iceberg={"catalog": self.catalog}, batch_size=2)

    def sync(
        self,
        source: str,
        numbers: Sequence[int],
        *,
        value: str = "",
        end: str = "",
        before_end: Callable[[], Any] = lambda: None,
        **options: Any,
    ) -> cli.Result:
        """One sync of one source; `end` is why the source breaks off."""
        folder = self.folder / source
        folder.mkdir(exist_ok=True)
        with self._source(numbers, value, end, before_end) as address:
            return cli.run(
                "sync", cli.source(address, name=source), cli.destination(self.spec, **options), folder=folder
            )

    def killed(self, source: str, numbers: Sequence[int], part_of_key: str, **options: Any) -> None:
        """One sync of one source, whose plugin is killed once there is a new object with this in its key."""
        before = self.bucket.etags().keys()

        def has_come() -> bool:
            return any(part_of_key in key for key in self.bucket.etags().keys() - before)

        with cli.plugin_process() as (process, plugin):

            def kill() -> None:
                assert eventually(has_come, within_s=60)
                process.kill()
                process.wait()

            killer = threading.Thread(target=kill)
            killer.start()
            waits = killer.join if part_of_key.startswith("data/") else lambda: None
            done = self.sync(source, numbers, before_end=waits, registry="grpc", path=plugin, **options)
            killer.join()
        assert done.status == 1, done.output

    def rows(self) -> list[Row]:
        """What a reader sees: the same, whatever reads."""
        table = self._table()
        found = table.scan().to_arrow().to_pylist()
        rows = sorted((row["_cq_source_name"], row["n"], row["v"]) for row in found)
        columns = "_cq_source_name, n, v"
        if self.trino is not None:
            name = f"{self.trino.iceberg(self.bucket.server, self.url)}.cloudquery.t"
            assert self.trino.rows(f"SELECT {columns} FROM {name} ORDER BY 1, 2, 3") == rows
        if self.by_spark is not None:
            assert [tuple(row) for row in by_duckdb(self.bucket, table, columns)] == rows
            assert [tuple(row) for row in self.by_spark("cloudquery.t", columns)] == rows
        return rows

    def _table(self) -> Table:
        server = self.bucket.server
        endpoint = {"s3.endpoint": server.endpoint, "s3.region": "us-east-1"}
        keys = {"s3.access-key-id": server.access_key, "s3.secret-access-key": server.secret_key}
        return load_catalog("cloudquery", **{**self.catalog, **endpoint, **keys}).load_table("cloudquery.t")

    @contextmanager
    def _source(self, numbers: Sequence[int], value: str, end: str, before_end: Callable[[], Any]) -> Iterator[str]:
        def script() -> Iterator[tuple[str, Any]]:
            yield "migrate", KEYED
            for number in numbers:
                yield "insert", pa.RecordBatch.from_pylist([{"n": number, "v": value}], schema=KEYED)
            before_end()
            if end:
                yield "abort", end

        with cli.scripted_source(script, [KEYED]) as address:
            yield address


@pytest.fixture(params=["file", *(pytest.param(name, marks=pytest.mark.slow) for name in ("server", "trino"))])
def lake(request: pytest.FixtureRequest, moto: S3Server, tmp_path: Path) -> Iterator[Lake]:  # noqa: F811 -- the fixture's name
    """An empty lake, whose catalogue is in a file or a server, read by DuckDB and Spark or by Trino."""
    trino = request.getfixturevalue("trino") if request.param == "trino" else None
    bucket = moto.new_bucket()
    if request.param == "file":
        yield Lake(bucket, tmp_path)
        return
    with ExitStack() as stack:
        url = stack.enter_context(rest_catalog(f"s3://{bucket.name}/lake"))
        by_spark = None if trino is not None else stack.enter_context(spark(bucket, url))
        yield Lake(bucket, tmp_path, url=url, by_spark=by_spark, trino=trino)


def of(source: str, *numbers: int, value: str = "") -> list[Row]:
    """Rows of one source."""
    return [(source, number, value) for number in numbers]


def test_overwrite_delete_stale(lake: Lake) -> None:
    """The CLI's default write mode: of each source the rows of its last whole sync, whatever others do in between."""
    steps = [
        ("one", [1, 2, 3], "", of("one", 1, 2, 3)),
        ("two", [10, 11], "", of("one", 1, 2, 3) + of("two", 10, 11)),
        ("one", [5], "the source broke off", of("one", 1, 2, 3) + of("two", 10, 11)),
        ("one", [5, 6, 7], "killed", of("one", 1, 2, 3) + of("two", 10, 11)),
        ("one", [2, 4], "", of("one", 2, 4) + of("two", 10, 11)),
        ("two", [12], "", of("one", 2, 4) + of("two", 12)),
    ]
    for source, numbers, end, expected in steps:
        if end == "killed":
            lake.killed(source, numbers, "data/t/", **STALE)
        else:
            done = lake.sync(source, numbers, end=end, **STALE)
            assert (done.status == 0) == (not end), done.output
        assert lake.rows() == expected


@pytest.mark.parametrize("lake", ["file"], indirect=True)
def test_killed_while_it_commits(lake: Lake) -> None:
    """A plugin that is killed while it commits leaves the rows of the sync before, or those of its own: all of them."""
    assert lake.sync("one", [1, 2, 3], **STALE).status == 0
    lake.killed("one", [4, 5], ".avro", **STALE)
    assert lake.rows() in (of("one", 1, 2, 3), of("one", 4, 5))
    assert lake.sync("one", [6], **STALE).status == 0
    assert lake.rows() == of("one", 6)


@pytest.mark.parametrize("options", [{}, STALE, {"write_mode": "overwrite"}], ids=["append", "stale", "overwrite"])
@pytest.mark.parametrize("present", [False, True], ids=["new table", "table"])
def test_two_syncs_at_the_same_time(lake: Lake, options: dict[str, str], present: bool) -> None:
    """Of two syncs into one table that end at the same time both are there, and neither is lost."""
    if present:
        assert lake.sync("one", [1], **options).status == 0
    meeting = threading.Barrier(2, timeout=60)

    def sync(source: str, numbers: Sequence[int]) -> cli.Result:
        return lake.sync(source, numbers, before_end=meeting.wait, **options)

    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(sync, "one", [2, 3, 4]), pool.submit(sync, "two", [10, 11, 12])]
        for done in both:
            assert done.result().status == 0, done.result().output
    old = of("one", 1) if present and options != STALE else []
    assert lake.rows() == sorted(old + of("one", 2, 3, 4) + of("two", 10, 11, 12))


def test_append_keeps_all(lake: Lake) -> None:
    """With `write_mode: append` every sync's rows stay, but those of a sync that was killed."""
    assert lake.sync("one", [1, 2], value="a").status == 0
    lake.killed("one", [3, 4, 5], "data/t/")
    assert lake.sync("one", [1, 2], value="b").status == 0
    assert lake.rows() == sorted(of("one", 1, 2, value="a") + of("one", 1, 2, value="b"))


def test_overwrite(lake: Lake) -> None:
    """With `write_mode: overwrite` a row replaces that of its primary key, and others stay."""
    for numbers, value in (([1, 2], "a"), ([2, 3], "b")):
        done = lake.sync("one", numbers, value=value, write_mode="overwrite")
        assert done.status == 0, done.output
    assert lake.rows() == [("one", 1, "a"), ("one", 2, "b"), ("one", 3, "b")]


@pytest.mark.parametrize("lake", ["file"], indirect=True)
def test_deletes_without_iceberg(lake: Lake) -> None:
    """Without tables the CLI's default write mode is refused as before, and every row is delivered."""
    del lake.spec["iceberg"]
    done = lake.sync("one", [1], **STALE)
    assert done.status == 1
    assert any("write_mode: append" in message for message in done.messages("error"))
