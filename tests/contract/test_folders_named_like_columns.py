"""What docs/path.md says of folders that are named like a column, and of values that look like numbers."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import dataset as ds

import partitioned_lake as lake
from s3_servers import real_server  # noqa: F401 -- a fixture
from spark_session import spark_session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import Path

    from s3_servers import S3Server
    from trino_server import Trino

PATHS = {
    "at": "{{TABLE}}/at={{DATE:at}}/{{UUID}}.parquet",
    "region": "{{TABLE}}/region={{COLUMN:region}}/{{UUID}}.parquet",
    "account": "{{TABLE}}/account={{COLUMN:account}}/{{UUID}}.parquet",
    "of_account": "{{TABLE}}/of_account={{COLUMN:account}}/{{UUID}}.parquet",
    "of_number": "{{TABLE}}/of_number={{COLUMN:number}}/{{UUID}}.parquet",
    "of_region": "{{TABLE}}/of_region={{COLUMN:region}}/{{UUID}}.parquet",
}
"""A path for each name of a folder."""

ACCOUNTS = {"000000000000", "000000000001", "000000000002"}
MIDNIGHTS = {day.replace(hour=0) for day in lake.DAYS}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The table in folders of each name."""
    root = tmp_path_factory.mktemp("folders")
    return {name: lake.write(root / name, path) for name, path in PATHS.items()}


@pytest.fixture
def duck(folders: dict[str, Path]) -> Iterator[Callable[..., set[Any]]]:
    """What DuckDB finds in a column, with and without an option of the reader."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")

        def values(name: str, column: str, options: str = "") -> set[Any]:
            query = f'FROM read_parquet(?{options}) SELECT DISTINCT "{column}"'
            return {value for (value,) in connection.execute(query, [f"{folders[name]}/**/*.parquet"]).fetchall()}

        yield values


def test_duckdb(duck: Callable[..., set[Any]]) -> None:
    """DuckDB shows the folder's value by default, and the column's without hive_partitioning; text stays text."""
    assert duck("at", "at") == {day.date() for day in lake.DAYS}
    assert duck("at", "at", ", hive_partitioning = false") == set(lake.DAYS)
    assert "" not in duck("region", "region")
    assert duck("region", "region", ", hive_partitioning = false") == set(lake.REGIONS)
    assert duck("account", "account") == duck("of_account", "of_account") == ACCOUNTS
    assert duck("of_number", "of_number") == {0, 1, 2}


def test_polars(folders: dict[str, Path]) -> None:
    """Polars shows the folder's value where it reads a folder, and the column's of a glob or without the option."""
    polars = pytest.importorskip("polars")

    def values(name: str, column: str, glob: str = "", **options: Any) -> set[Any]:
        frame = polars.scan_parquet(f"{folders[name]}{glob}", **options)
        return set(frame.select(column).unique().collect()[column].to_list())

    assert values("at", "at") == values("at", "at", "/**/*.parquet", hive_partitioning=True) == MIDNIGHTS
    assert values("at", "at", "/**/*.parquet") == values("at", "at", hive_partitioning=False) == set(lake.DAYS)
    assert "" not in values("region", "region")
    assert values("account", "account") == ACCOUNTS
    assert values("of_account", "of_account") == {0, 1, 2}
    assert values("of_account", "of_account", hive_schema={"of_account": polars.String}) == ACCOUNTS
    assert values("of_account", "account") == ACCOUNTS


def test_pyarrow(folders: dict[str, Path]) -> None:
    """Pyarrow refuses the folder, and shows the columns with `partitioning=None`; numbers are found in text."""
    for name, column in (("at", "at"), ("account", "account"), ("region", "region")):
        with pytest.raises(pa.ArrowTypeError, match=f"Field {column} has incompatible types"):
            pq.read_table(folders[name])
        read = pq.read_table(folders[name], partitioning=None)
        assert sorted(read["n"].to_pylist()) == list(range(lake.ROWS))
        assert read.schema.field(column).type == lake.table().schema.field(column).type
    assert ds.dataset(folders["of_account"], partitioning="hive").schema.field("of_account").type == pa.int32()
    text = ds.partitioning(pa.schema([("of_account", pa.string())]), flavor="hive")
    assert set(ds.dataset(folders["of_account"], partitioning=text).to_table()["of_account"].to_pylist()) == ACCOUNTS


def test_pandas(folders: dict[str, Path]) -> None:
    """Pandas fails on a folder of NULL, and shows the columns with `partitioning=None`."""
    pandas = pytest.importorskip("pandas")
    with pytest.raises(pa.ArrowInvalid, match="Cannot yet unify dictionaries with nulls"):
        pandas.read_parquet(folders["of_region"])
    frame = pandas.read_parquet(folders["of_region"], partitioning=None)
    assert sorted(frame["n"]) == list(range(lake.ROWS))


def test_clickhouse(folders: dict[str, Path]) -> None:
    """ClickHouse shows the folder's value as the key has it; the column's without use_hive_partitioning."""
    pytest.importorskip("chdb")

    def values(name: str, column: str, settings: str = "", expression: str | None = None) -> set[Any]:
        what = expression or column
        query = f"SELECT DISTINCT {what} AS v FROM file('{folders[name]}/*/*.parquet', 'Parquet'){settings}"
        script = f"import chdb; print(chdb.query({query!r}, 'JSONEachRow'))"
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        return {json.loads(line)["v"] for line in done.stdout.splitlines() if line}

    off = " SETTINGS use_hive_partitioning = 0"
    assert {str(value)[:19] for value in values("at", "at")} == {f"{day:%Y-%m-%d %H:%M:%S}" for day in MIDNIGHTS}
    assert {str(value)[:19] for value in values("at", "at", off)} == {f"{day:%Y-%m-%d %H:%M:%S}" for day in lake.DAYS}
    assert {"a%2Fb", "__HIVE_DEFAULT_PARTITION__"} <= values("region", "region")
    assert values("region", "region", off) == set(lake.REGIONS)
    decoded = values("of_region", "of_region", expression="decodeURLComponent(of_region)")
    assert decoded == {region for region in lake.REGIONS if region} | {"__HIVE_DEFAULT_PARTITION__"}


@pytest.mark.slow
def test_spark(folders: dict[str, Path], tmp_path: Path) -> None:
    """Spark shows the folder's value in a type that it infers from it, and the column's with recursiveFileLookup."""

    def days(frame: Any) -> set[datetime]:
        return set(frame.toArrow()["at"].to_pylist())

    with spark_session(tmp_path) as spark:
        read = {name: f"file:{folder}" for name, folder in folders.items()}
        assert days(spark.read.parquet(read["at"]).select("at")) == {day.date() for day in lake.DAYS}
        looked_up = spark.read.option("recursiveFileLookup", True)
        assert days(looked_up.parquet(read["at"]).select("at")) == set(lake.DAYS)
        account = spark.read.parquet(read["account"]).select("account")
        assert {value for (value,) in account.distinct().collect()} == {0, 1, 2}
        of_account = spark.read.parquet(read["of_account"]).select("of_account", "account").distinct()
        assert {tuple(row) for row in of_account.collect()} == {(int(text), text) for text in ACCOUNTS}
        spark.conf.set("spark.sql.sources.partitionColumnTypeInference.enabled", "false")
        account = spark.read.parquet(read["account"]).select("account")
        assert {value for (value,) in account.distinct().collect()} == ACCOUNTS


@pytest.mark.slow
def test_trino(folders: dict[str, Path], trino: Trino, real_server: S3Server) -> None:  # noqa: F811 -- the fixture
    """Trino shows the folder's value where the table has it for a partition, and the column's of other tables."""
    schema = trino.hive(real_server)
    catalog, _, name = schema.partition(".")
    bucket = real_server.new_bucket()

    def values(folder: str, column: str, kind: str, partition: str = "") -> set[Any]:
        prefix = f"{folder}-{partition}"
        for file in folders[folder].rglob("*.parquet"):
            key = f"{prefix}/{file.relative_to(folders[folder])}"
            real_server.client().upload_file(str(file), bucket.name, key)
        partitioned = f", partitioned_by = ARRAY['{partition}']" if partition else ""
        others = "n bigint" if partition == column else f"n bigint, {column} {kind}"
        key = f", {partition} {kind}" if partition else ""
        table = f'{schema}."{prefix}"'
        location = f"external_location = 's3://{bucket.name}/{prefix}/'"
        trino.rows(f"CREATE TABLE {table} ({others}{key}) WITH (format = 'PARQUET', {location}{partitioned})")
        if partition:
            trino.rows(f"CALL {catalog}.system.sync_partition_metadata('{name}', '{prefix}', 'ADD')")
        return {value for (value,) in trino.rows(f"SELECT DISTINCT {partition or column} FROM {table}")}

    assert values("at", "at", "varchar", "at") == {f"{day:%Y-%m-%d}" for day in lake.DAYS}
    assert values("at", "at", "timestamp") == {day.replace(tzinfo=None) for day in lake.DAYS}
    assert values("region", "region", "varchar", "region") == {region or None for region in lake.REGIONS}
    assert values("region", "region", "varchar") == set(lake.REGIONS)
    assert values("of_account", "account", "varchar", "of_account") == ACCOUNTS
