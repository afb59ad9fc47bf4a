"""Partitioned, zstd, sorted Parquet with Bloom filters, read back by the readers that can be had here."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow.parquet as pq
import pytest
from pyarrow import dataset as ds

import partitioned_lake as lake
import rows
from cloudquery_s3.formats import make_format
from cloudquery_s3.formats.encoder import Alterations
from s3_servers import real_server  # noqa: F401 -- a fixture
from spark_session import spark_session
from specs import parsed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from s3_servers import S3Server
    from trino_server import Trino

OBJECTS = lake.PARTITIONS * len(lake.DAYS)

GROUP = 50
"""Rows of a row group: several in each object."""

NO_SUCH_ID = "id-050000x"
"""Lies between the ids of every row group, and is none of them: statistics cannot tell, a Bloom filter can."""

EXPECTED = sorted(
    ((row["n"], row["region"], row["at"], row["id"], row["account"]) for row in lake.table().to_pylist()),
    key=lambda row: row[0],
)
PLACES = {(region, region or None, at.date()) for region in lake.REGIONS for at in lake.DAYS}
"""The column's value, and what readers make of the folders."""

COLUMNS = ["n", "region", "at", "id", "account"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The table in the partitions of two columns."""
    options = {"compression": "zstd", "max_row_group_length": GROUP, "bloom_filters": ["id"]}
    return lake.write(tmp_path_factory.mktemp("lake"), format_spec=options)


@pytest.fixture(scope="module")
def without_filters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same without Bloom filters."""
    options = {"compression": "zstd", "max_row_group_length": GROUP}
    return lake.write(tmp_path_factory.mktemp("plain"), format_spec=options)


def test_what_is_read(folder: Path) -> None:
    """The objects are what this module says of them: zstd, sorted, several row groups, Bloom filters by the option."""
    files = sorted(folder.rglob("*.parquet"))
    assert len(files) == OBJECTS
    for file in files:
        parquet = pq.ParquetFile(file)
        assert parquet.metadata.row_group(0).column(0).compression == "ZSTD"
        assert parquet.metadata.num_row_groups > 1
        numbers = parquet.read()["n"].to_pylist()
        assert numbers == sorted(numbers)


@pytest.fixture
def duck() -> Iterator[Any]:
    """A database in memory."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


def lake_of(duck: Any, folder: Path) -> Any:
    """The table with the columns of its folders."""
    return duck.read_parquet(f"{folder}/**/*.parquet", hive_partitioning=True)


def duck_scan(duck: Any, folder: Path, condition: str) -> dict[str, Any]:
    """What DuckDB's profile says of the scan under a condition."""
    query = lake_of(duck, folder).filter(condition).project("n").sql_query()
    ((_, profile),) = duck.execute(f"EXPLAIN (ANALYZE, FORMAT json) {query}").fetchall()
    return scan_of(json.loads(profile)["operator"])


def scan_of(operators: list[dict[str, Any]]) -> dict[str, Any]:
    """The leaf of a plan without branches."""
    (operator,) = operators
    return scan_of(operator["children"]) if operator.get("children") else operator


def test_duckdb_rows(duck: Any, folder: Path) -> None:
    """DuckDB gives each row once, the values of partitions unescaped, NULL for NULL and the empty text."""
    found = lake_of(duck, folder)
    assert found.project(*COLUMNS).order("n").fetchall() == EXPECTED
    assert set(found.project("region", "r", "d").distinct().fetchall()) == PLACES


def test_duckdb_files(duck: Any, folder: Path) -> None:
    """DuckDB opens the files of a partition only."""
    assert duck_scan(duck, folder, "r = 'a/b'")["extra_info"]["Scanning Files"] == f"{len(lake.DAYS)}/{OBJECTS}"
    assert duck_scan(duck, folder, "d = '2026-11-20'")["extra_info"]["Scanning Files"] == f"{lake.PARTITIONS}/{OBJECTS}"


def row_groups(duck: Any, folder: Path, condition: str) -> tuple[int, int]:
    """How many row groups DuckDB reads under a condition, of how many."""
    scan = duck_scan(duck, folder, condition)
    return scan["row_groups_scanned"], scan["total_row_groups_to_scan"]


def test_duckdb_row_groups_by_order(duck: Any, folder: Path) -> None:
    """In sorted objects DuckDB reads the row groups that a filter's bounds meet."""
    scanned, total = row_groups(duck, folder, f"n < {lake.ROWS // 10}")
    assert total > 3 * OBJECTS
    assert scanned < total / 2


def test_duckdb_row_groups_of_a_large_object(duck: Any, tmp_path: Path) -> None:
    """Of a sorted object of 40 MiB in memory DuckDB reads a fifth for one value, without an option but `sort_by`."""
    count = 40 << 10
    sent = rows.batch("t", list(range(count, 0, -1)), filler=["x" * 1012] * count)
    encoder = make_format(parsed(format="parquet", sort_by=["n"])).encoder(sent.schema, Alterations())
    data = b"".join(map(bytes, [*encoder.write([sent]), *encoder.finish().chunks]))
    (tmp_path / "1.parquet").write_bytes(data)
    assert row_groups(duck, tmp_path, "n = 17") == (1, 5)


def test_duckdb_row_groups_by_bloom_filter(duck: Any, folder: Path, without_filters: Path) -> None:
    """For a value that is not there DuckDB reads hardly a row group with Bloom filters, and all without."""
    condition = f"id = '{NO_SUCH_ID}'"
    scanned, total = row_groups(duck, without_filters, condition)
    assert scanned == total
    scanned, total = row_groups(duck, folder, condition)
    assert scanned < total / 5


def test_pyarrow(folder: Path) -> None:
    """Pyarrow gives each row once and the values of partitions; a filter leaves a partition's files and row groups."""
    found = ds.dataset(folder, partitioning="hive")
    read = found.to_table()
    assert sorted(read.select(COLUMNS).to_pylist(), key=lambda row: row["n"]) == [
        dict(zip(COLUMNS, row, strict=True)) for row in EXPECTED
    ]
    places = read.select(["region", "r", "d"]).group_by(["region", "r", "d"]).aggregate([]).to_pylist()
    assert {tuple(row.values()) for row in places} == {(region, r, str(d)) for region, r, d in PLACES}
    assert len(list(found.get_fragments())) == OBJECTS
    fragments = list(found.get_fragments(filter=ds.field("r") == "a/b"))
    assert len(fragments) == len(lake.DAYS)
    few = [one.subset(ds.field("n") < lake.ROWS // 10) for one in fragments]
    assert 0 < sum(one.num_row_groups for one in few) < sum(one.num_row_groups for one in fragments) / 2


def test_polars(folder: Path) -> None:
    """Polars gives each row once and the values of partitions, and scans the files of a partition only."""
    polars = pytest.importorskip("polars")
    frame = polars.scan_parquet(f"{folder}/**/*.parquet", hive_partitioning=True)
    assert frame.select(COLUMNS).sort("n").collect().rows() == EXPECTED
    assert set(frame.select("region", "r", "d").unique().collect().rows()) == PLACES
    filtered = frame.filter(polars.col("r") == "a/b")
    assert filtered.select(polars.len()).collect().item() == lake.ROWS // len(lake.REGIONS)
    assert polars_sources(frame) == OBJECTS
    assert polars_sources(filtered) == len(lake.DAYS)


def polars_sources(frame: Any) -> int:
    """How many files Polars plans to scan: it names the first ones and counts the others."""
    plan = frame.explain()
    others = re.search(r"(\d+) other source", plan)
    return plan.count(".parquet") + (int(others[1]) if others else 0)


@pytest.mark.slow
def test_spark(folder: Path, without_filters: Path, tmp_path: Path) -> None:
    """Spark gives each row once and the values of partitions, and reads fewer files and rows for a filter."""
    with spark_session(tmp_path) as spark:
        frame = spark.read.parquet(f"file:{folder}")
        read = frame.select(*COLUMNS).orderBy("n").toArrow().to_pylist()
        assert [tuple(row.values()) for row in read] == EXPECTED
        assert {tuple(row) for row in frame.select("region", "r", "d").distinct().collect()} == PLACES
        assert len(frame.inputFiles()) == OBJECTS
        partition = frame.where("r = 'a/b'")
        assert metric(partition, "numFiles") == len(lake.DAYS)
        assert metric(frame.where(f"n < {lake.ROWS // 10}"), "numOutputRows") < lake.ROWS / 2
        lookup = f"id = '{NO_SUCH_ID}'"
        plain = spark.read.parquet(f"file:{without_filters}")
        assert metric(plain.where(lookup), "numOutputRows") == lake.ROWS
        assert metric(frame.where(lookup), "numOutputRows") < lake.ROWS / 5


def metric(frame: Any, name: str) -> int:
    """What a scan counted: the files of its partitions, or the rows of the row groups that it read."""
    numbers = frame.select("n")
    numbers.collect()
    scan = numbers._jdf.queryExecution().executedPlan().collectLeaves().head()
    return int(scan.metrics().apply(name).value())


@pytest.mark.slow
def test_trino(folder: Path, without_filters: Path, trino: Trino, real_server: S3Server) -> None:  # noqa: F811 -- the fixture
    """Trino gives each row once and the values of partitions, and reads fewer files and rows for a filter."""
    schema = trino.hive(real_server)
    catalog, _, name = schema.partition(".")
    for table, files in (("t", folder), ("plain", without_filters)):
        bucket = real_server.new_bucket()
        bucket.upload(files)
        location = f"external_location = 's3://{bucket.name}/', partitioned_by = ARRAY['r', 'd']"
        columns = "n bigint, region varchar, at timestamp, id varchar, account varchar, r varchar, d date"
        trino.rows(f"CREATE TABLE {schema}.{table} ({columns}) WITH (format = 'PARQUET', {location})")
        trino.rows(f"CALL {catalog}.system.sync_partition_metadata('{name}', '{table}', 'ADD')")
    read = trino.rows(f"SELECT {', '.join(COLUMNS)} FROM {schema}.t ORDER BY n")
    assert read == [(n, region, at.replace(tzinfo=None), *rest) for n, region, at, *rest in EXPECTED]
    assert set(trino.rows(f"SELECT DISTINCT region, r, d FROM {schema}.t")) == PLACES

    def scanned(condition: str, table: str = "t") -> tuple[int, int]:
        return trino.scanned(f"SELECT n FROM {schema}.{table} WHERE {condition}")

    assert scanned("true") == (OBJECTS, lake.ROWS)
    assert scanned("r = 'a/b'") == (len(lake.DAYS), lake.ROWS // len(lake.REGIONS))
    assert scanned("d = DATE '2026-11-20'") == (lake.PARTITIONS, lake.ROWS // 2)
    assert scanned(f"n < {lake.ROWS // 10}")[1] < lake.ROWS / 2
    assert scanned(f"id = '{NO_SUCH_ID}'", "plain")[1] == lake.ROWS
    assert scanned(f"id = '{NO_SUCH_ID}'")[1] < lake.ROWS / 5
