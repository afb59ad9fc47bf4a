"""Values of partitions come back from keys by their readers' own parsers."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pyarrow import dataset as ds

from cloudquery_s3.object_key import NULL_PARTITION, escaped_value
from s3_servers import real_server  # noqa: F401 -- a fixture
from spark_session import spark_session

if TYPE_CHECKING:
    from collections.abc import Iterable

    from s3_servers import S3Server
    from trino_server import Trino

ODD = [
    "a/b",
    "a=b",
    "100%",
    "a%2Fb",
    "%",
    "+",
    " x ",
    ".",
    "..",
    "NULL",
    "007",
    "1e5",
    "2026-11-26",
    "é",
    "\t",
    "#",
    "'",
]
"""Values that readers may take for something else, or for another type."""

VALUES = st.one_of(st.sampled_from(ODD), st.text(min_size=1, max_size=60)).filter(lambda value: value != NULL_PARTITION)
"""What a file system can hold as a folder; NULL's name is NULL wherever it comes from."""

SCHEMA = pa.schema([("r", pa.string())])


def lay_out(values: Iterable[str | None], folder: Path) -> list[str | None]:
    """Write an object for each value, whose row `n` is the value's number, and return the values by number."""
    distinct = list(dict.fromkeys(values))
    for number, value in enumerate(distinct):
        file = folder / f"r={escaped_value(value)}" / "1.parquet"
        file.parent.mkdir()
        pq.write_table(pa.table({"n": [number]}), file)
    return distinct


@given(VALUES)
def test_pyarrow(value: str) -> None:
    """Pyarrow's parser of Hive's folders gives the value back, as the text that it was."""
    parsed = ds.partitioning(SCHEMA, flavor="hive").parse(f"/r={escaped_value(value)}/1.parquet")
    assert parsed.equals(ds.field("r") == value)


def test_pyarrow_null() -> None:
    """NULL and the empty text are NULL to pyarrow."""
    parsed = ds.partitioning(SCHEMA, flavor="hive").parse(f"/r={escaped_value('')}/1.parquet")
    assert parsed.equals(ds.field("r").is_null())
    assert escaped_value(None) == escaped_value("")


@settings(max_examples=30)
@given(st.lists(st.one_of(st.none(), VALUES), min_size=1, max_size=20))
@example([*ODD, None])
def test_duckdb(values: list[str | None]) -> None:
    """DuckDB gives the values back."""
    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as connection:
        written = lay_out(values, Path(folder))
        query = "FROM read_parquet(?, hive_partitioning = true, hive_types_autocast = false) ORDER BY n"
        assert connection.execute(query, [f"{folder}/*/*.parquet"]).fetchall() == list(enumerate(written))


@settings(max_examples=30)
@given(st.lists(st.one_of(st.none(), VALUES), min_size=1, max_size=20))
@example([*ODD, None])
def test_polars(values: list[str | None]) -> None:
    """Polars gives the values back."""
    polars = pytest.importorskip("polars")
    with tempfile.TemporaryDirectory() as folder:
        written = lay_out(values, Path(folder))
        frame = polars.scan_parquet(f"{folder}/*/*.parquet", hive_schema={"r": polars.String}, hive_partitioning=True)
        assert frame.sort("n").collect().rows() == list(enumerate(written))


def many_values() -> list[str]:
    """Each character below U+0180, some others, and texts of all of them."""
    dice = random.Random(15)  # noqa: S311 -- no secret
    characters = [chr(number) for number in range(1, 0x180)]
    characters += [chr(number) for number in (0x200B, 0x2028, 0xFFFD, 0x1D11E, 0x10FFFF)]
    return [*ODD, *characters, *("".join(dice.choices(characters, k=dice.randint(1, 40))) for _ in range(300))]


@pytest.mark.slow
def test_spark(tmp_path: Path) -> None:
    """Spark gives many values back, and Hive's own code escapes and unescapes them as we do."""
    folder = tmp_path / "t"
    folder.mkdir()
    written = lay_out([*many_values(), "\ufffe", None], folder)
    settings = {"spark.sql.sources.partitionColumnTypeInference.enabled": "false"}
    with spark_session(tmp_path, **settings) as spark:
        found = spark.read.schema("n long, r string").parquet(f"file:{folder}").orderBy("n").collect()
        hive = spark._jvm.org.apache.hadoop.hive.common.FileUtils
        escaped = [hive.escapePathName(value) for value in written]
        unescaped = [hive.unescapePathName(escaped_value(value)) for value in written]
    assert [tuple(row) for row in found] == list(enumerate(written))
    assert escaped == [escaped_value(value) for value in written]
    assert unescaped == [value or NULL_PARTITION for value in written]


@pytest.mark.slow
def test_trino(tmp_path: Path, trino: Trino, real_server: S3Server) -> None:  # noqa: F811 -- the fixture
    """Trino gives many values back, out of a bucket; U+FFFE is not among them, since XML has no such character."""
    written = lay_out([*many_values(), None], tmp_path)
    bucket = real_server.new_bucket()
    bucket.upload(tmp_path)
    schema = trino.hive(real_server)
    catalog, _, name = schema.partition(".")
    table = f"format = 'PARQUET', external_location = 's3://{bucket.name}/', partitioned_by = ARRAY['r']"
    trino.rows(f"CREATE TABLE {schema}.t (n bigint, r varchar) WITH ({table})")
    trino.rows(f"CALL {catalog}.system.sync_partition_metadata('{name}', 't', 'ADD')")
    assert trino.rows(f"SELECT n, r FROM {schema}.t ORDER BY n") == list(enumerate(written))
