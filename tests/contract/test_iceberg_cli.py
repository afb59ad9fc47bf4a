"""The real CLI's write modes into Iceberg tables, on a real S3 server."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from pyiceberg.catalog import load_catalog

import cloudquery_cli as cli
from lake import in_bucket
from s3_servers import moto  # noqa: F401 -- a fixture

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from s3_servers import Bucket, S3Server

pytestmark = pytest.mark.cli

KEYED = pa.schema(
    [
        pa.field("n", pa.int64(), nullable=False, metadata={"cq:extension:primary_key": "true"}),
        pa.field("v", pa.string()),
    ],
    metadata={"cq:table_name": "t"},
)


class Lake:
    """A bucket, a catalogue in SQLite, and syncs into both."""

    def __init__(self, bucket: Bucket, folder: Path) -> None:
        self.folder = folder
        self.catalog = {"type": "sql", "uri": f"sqlite:///{folder}/catalog.db", "warehouse": f"s3://{bucket.name}/lake"}
        self.spec = in_bucket(bucket, iceberg={"catalog": self.catalog})
        self.server = bucket.server

    def sync(self, source: str, numbers: list[int], *, value: str = "", end: str = "", **options: Any) -> cli.Result:
        """One sync of one source; `end` is why the source breaks off."""
        with self._source(numbers, value, end) as address:
            return cli.run("sync", cli.source(address, name=source), self._destination(options), folder=self.folder)

    def rows(self) -> list[tuple[str, int, str]]:
        """Source, number and value of each row that a reader sees."""
        endpoint = {"s3.endpoint": self.server.endpoint, "s3.region": "us-east-1"}
        keys = {"s3.access-key-id": self.server.access_key, "s3.secret-access-key": self.server.secret_key}
        table = load_catalog("cloudquery", **{**self.catalog, **endpoint, **keys}).load_table("cloudquery.t")
        found = table.scan().to_arrow().to_pylist()
        return sorted((row["_cq_source_name"], row["n"], row["v"]) for row in found)

    def _destination(self, options: dict[str, Any]) -> dict[str, Any]:
        return cli.destination(self.spec, **options)

    @contextmanager
    def _source(self, numbers: list[int], value: str, end: str) -> Iterator[str]:
        def script() -> Iterator[tuple[str, Any]]:
            yield "migrate", KEYED
            for number in numbers:
                yield "insert", pa.RecordBatch.from_pylist([{"n": number, "v": value}], schema=KEYED)
            if end:
                yield "abort", end

        with cli.scripted_source(script, [KEYED]) as address:
            yield address


@pytest.fixture
def lake(moto: S3Server, tmp_path: Path) -> Lake:  # noqa: F811 -- the fixture's name
    """An empty lake."""
    return Lake(moto.new_bucket(), tmp_path)


def test_overwrite_delete_stale(lake: Lake) -> None:
    """The CLI's default write mode: of each source the rows of its last whole sync, whatever others do in between."""
    mode = {"write_mode": "overwrite-delete-stale"}
    steps = [
        ("one", [1, 2, 3], "", [("one", 1), ("one", 2), ("one", 3)]),
        ("two", [10, 11], "", [("one", 1), ("one", 2), ("one", 3), ("two", 10), ("two", 11)]),
        ("one", [5], "the source broke off", [("one", 1), ("one", 2), ("one", 3), ("two", 10), ("two", 11)]),
        ("one", [2, 4], "", [("one", 2), ("one", 4), ("two", 10), ("two", 11)]),
        ("two", [12], "", [("one", 2), ("one", 4), ("two", 12)]),
    ]
    for source, numbers, end, expected in steps:
        done = lake.sync(source, numbers, end=end, **mode)
        assert (done.status == 0) == (not end), done.output
        assert [(name, number) for name, number, _ in lake.rows()] == expected


def test_append_keeps_all(lake: Lake) -> None:
    """With `write_mode: append` every sync's rows stay."""
    for value in ("a", "b"):
        done = lake.sync("one", [1, 2], value=value)
        assert done.status == 0, done.output
    assert lake.rows() == [("one", 1, "a"), ("one", 1, "b"), ("one", 2, "a"), ("one", 2, "b")]


def test_overwrite(lake: Lake) -> None:
    """With `write_mode: overwrite` a row replaces that of its primary key, and others stay."""
    for numbers, value in (([1, 2], "a"), ([2, 3], "b")):
        done = lake.sync("one", numbers, value=value, write_mode="overwrite")
        assert done.status == 0, done.output
    assert lake.rows() == [("one", 1, "a"), ("one", 2, "b"), ("one", 3, "b")]


def test_deletes_without_iceberg(lake: Lake) -> None:
    """Without tables the CLI's default write mode is refused as before, and every row is delivered."""
    del lake.spec["iceberg"]
    done = lake.sync("one", [1], write_mode="overwrite-delete-stale")
    assert done.status == 1
    assert any("write_mode: append" in message for message in done.messages("error"))
