"""What readers beside pyiceberg make of the tables: DuckDB, Spark and Trino, out of an S3 server and a catalogue."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from cloudquery_s3.committed import DeleteStale
from iceberg_engines import by_duckdb, spark
from iceberg_lake import LakeFolder, schema_of, sync_rows
from rest_catalog_server import rest_catalog
from s3_servers import Bucket, moto_server
from specs import parsed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloudquery_s3.committed import CommittedObject
    from s3_servers import S3Server
    from trino_server import Trino

pytestmark = pytest.mark.slow

PAGE = (Path(__file__).parents[3] / "docs" / "iceberg.md").read_text(encoding="utf-8")
WIDE = schema_of("t", pa.field("v", pa.string()), pa.field("l", pa.list_(pa.struct([("x", pa.int64())]))))
PAGE = Path(__file__).parents[3] / "docs" / "iceberg.md"
EXPECTED = [[2, None], [10, None], [20, "new"]]


@dataclass
class BucketLake(LakeFolder):
    """A lake whose objects are in a bucket."""

    server: Any = None
    bucket: str = ""

    def __post_init__(self) -> None:
        """Reach the bucket by the spec alone."""
        super().__post_init__()
        options = {"endpoint": self.server.endpoint, "region": "us-east-1", "use_path_style": True}
        path = "data/{{TABLE}}/{{UUID}}.{{FORMAT}}"
        iceberg = {"catalog": dict(self.catalog)}
        self.spec = parsed(bucket=self.bucket, path=path, format="parquet", iceberg=iceberg, **options)
        self.lake = self.lake_type(self.spec)

    def put(self, rows: pa.RecordBatch, *, partition: str = "") -> CommittedObject:
        """Put an object, and return its record."""
        record = super().put(rows, partition=partition)
        body = (self.folder / record.key).read_bytes()
        self.server.client().put_object(Bucket=self.bucket, Key=record.key, Body=body)
        return record


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    """An S3 server whose keys are in the environment."""
    with moto_server() as server, pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment().items():
            patch.setenv(name, value)
        yield server


@pytest.fixture
def lake(server: S3Server, tmp_path: Path) -> Iterator[BucketLake]:
    """A table that has been appended to, replaced in part, and widened."""
    bucket = server.new_bucket().name
    with rest_catalog(f"s3://{bucket}/warehouse") as url:
        lake = BucketLake(tmp_path, {"type": "rest", "uri": url}, server=server, bucket=bucket)
        moment = datetime(2026, 11, 2, 9, 8, 34, 503633, tzinfo=UTC)
        lake.publish(lake.put(sync_rows([1, 3])), lake.put(sync_rows([10], source="two")))
        lake.publish(lake.put(sync_rows([2], day=2)), deletes=[DeleteStale("t", "one", moment)])
        lake.publish(lake.put(sync_rows([20], source="two", schema=WIDE, v="new", l=[{"x": 1}])))
        yield lake


def test_duckdb(lake: BucketLake) -> None:
    """DuckDB reads the rows that are there, and NULL for a column that a file lacks."""
    assert by_duckdb(Bucket(lake.server, lake.bucket), lake.table(), "n, v") == EXPECTED


def test_spark(lake: BucketLake) -> None:
    """Spark reads the same, by the catalogue."""
    bucket = Bucket(lake.server, lake.bucket)
    with spark(bucket, lake.catalog["uri"]) as rows:
        assert rows("cloudquery.t", "n, v") == EXPECTED


def test_trino(lake: BucketLake, trino: Trino) -> None:
    """Trino reads what pyiceberg reads, by the catalogue: the columns and their values."""
    catalog = trino.iceberg(lake.server, lake.catalog["uri"])
    assert rows_of(trino, catalog, "n, v") == list(map(tuple, EXPECTED))
    read = lake.table().scan().to_arrow().sort_by("n")
    names = [name for name, *_ in trino.rows(f"DESCRIBE {catalog}.cloudquery.t")]
    assert names == read.column_names
    cells = [
        [[tuple(item.values()) for item in v] if isinstance(v, list) else v for v in row.values()]
        for row in read.to_pylist()
    ]
    assert rows_of(trino, catalog, ", ".join(names)) == list(map(tuple, cells))


def test_trino_by_the_page(lake: BucketLake, trino: Trino) -> None:
    """The page's query finds each source's rows, in a catalogue of the page's properties and no others but keys."""
    properties, sql = (
        re.search(rf"^```{kind}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL) for kind in ("properties", "sql")
    )
    assert properties
    assert sql
    names = {line.split("=")[0] for line in properties[1].splitlines()} - {"connector.name"}
    of_this_server = {"s3.endpoint", "s3.path-style-access", "s3.aws-access-key", "s3.aws-secret-key"}
    assert names == trino.iceberg_properties(lake.server, lake.catalog["uri"]).keys() - of_this_server
    catalog = trino.iceberg(lake.server, lake.catalog["uri"])
    query = sql[1].strip().rstrip(";").replace("lake.cloudquery.aws_ec2_instances", f"{catalog}.cloudquery.t")
    assert {(source, count) for source, _, count in trino.rows(query)} == {("one", 1), ("two", 2)}


def test_trino_after_each_sync(server: S3Server, tmp_path: Path, trino: Trino) -> None:
    """After each sync, appended or replacing the older one of its source, Trino sees exactly the rows that are there.

    Whole files are passed over by their bounds: a filter on the source reads the splits of that source alone.
    """
    bucket = server.new_bucket().name
    with rest_catalog(f"s3://{bucket}/warehouse") as url:
        lake = BucketLake(tmp_path, {"type": "rest", "uri": url}, server=server, bucket=bucket)
        catalog = trino.iceberg(server, url)
        lake.publish(lake.put(sync_rows([1, 3])))
        lake.publish(lake.put(sync_rows([4])), lake.put(sync_rows([10], source="two")))
        assert rows_of(trino, catalog, "n") == [(1,), (3,), (4,), (10,)]
        assert trino.scanned(f"SELECT n FROM {catalog}.cloudquery.t") == (3, 4)
        assert trino.scanned(f"SELECT n FROM {catalog}.cloudquery.t WHERE _cq_source_name = 'two'") == (1, 1)
        for day in (2, 3):
            moment = datetime(2026, 11, day, 9, 8, 34, 503633, tzinfo=UTC)
            lake.publish(lake.put(sync_rows([day], day=day)), deletes=[DeleteStale("t", "one", moment)])
            assert rows_of(trino, catalog, "n") == [(day,), (10,)]
        properties = dict(trino.rows(f'SELECT "key", value FROM {catalog}.cloudquery."t$properties"'))
        assert "schema.name-mapping.default" in properties


def rows_of(trino: Trino, catalog: str, columns: str) -> list[tuple[Any, ...]]:
    """The rows of the one table, by `n`."""
    return trino.rows(f"SELECT {columns} FROM {catalog}.cloudquery.t ORDER BY n")
