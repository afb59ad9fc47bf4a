"""CSV and JSON lines with `compression: zstd`, in partitions, read by what docs/loading.md says reads them."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from pyarrow import ArrowInvalid, csv
from pyarrow import dataset as ds

import partitioned_lake as lake
from spark_session import spark_session

if TYPE_CHECKING:
    from pathlib import Path

ROWS = {(row["n"], row["region"]) for row in lake.table().to_pylist()}

WITHOUT_EMPTY = {(n, region or None) for n, region in ROWS}
"""What readers find to whom NULL and an empty cell of CSV are one."""


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The table in each text format."""
    found = {}
    for name in ("csv", "json"):
        path = f"{{{{TABLE}}}}/r={{{{COLUMN:region}}}}/{{{{UUID}}}}.{name}.zst"
        options = {"format": name, "format_spec": {}, "compression": "zstd"}
        found[name] = lake.write(tmp_path_factory.mktemp(name), path, **options)
    return found


def test_duckdb(folders: dict[str, Path]) -> None:
    """DuckDB reads both, every row once."""
    with duckdb.connect() as connection:
        query = "SELECT n, region FROM read_csv(?, allow_quoted_nulls = false, types = {'region': 'VARCHAR'})"
        assert_rows(connection.execute(query, [f"{folders['csv']}/*/*.csv.zst"]).fetchall(), ROWS)
        query = "SELECT n, region FROM read_json(?)"
        assert_rows(connection.execute(query, [f"{folders['json']}/*/*.json.zst"]).fetchall(), ROWS)


def assert_rows(found: list[Any], expected: set[tuple[int, str | None]]) -> None:
    """Every row is there, once."""
    assert len(found) == lake.ROWS
    assert {tuple(row) for row in found} == expected


def test_polars(folders: dict[str, Path]) -> None:
    """Polars reads both, every row once."""
    polars = pytest.importorskip("polars")
    types = {"region": polars.String}
    frame = polars.scan_csv(f"{folders['csv']}/*/*.csv.zst", schema_overrides=types)
    assert_rows(frame.select("n", "region").collect().rows(), ROWS)
    frame = polars.scan_ndjson(f"{folders['json']}/*/*.json.zst", schema_overrides=types)
    assert_rows(frame.select("n", "region").collect().rows(), ROWS)


def test_clickhouse(folders: dict[str, Path]) -> None:
    """ClickHouse reads both, every row once."""
    pytest.importorskip("chdb")
    null = " SETTINGS format_csv_null_representation = ''"
    for name, form, settings in (("csv", "CSVWithNames", null), ("json", "JSONEachRow", "")):
        query = f"SELECT n, region FROM file('{folders[name]}/*/*.{name}.zst', '{form}'){settings}"
        script = f"import chdb; print(chdb.query({query!r}, 'JSONCompactEachRow'))"
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        found = [json.loads(line) for line in done.stdout.splitlines() if line]
        assert_rows([(int(n), region) for n, region in found], ROWS)


def test_pandas_and_pyarrow(folders: dict[str, Path]) -> None:
    """Pandas and pyarrow read an object of either; pyarrow's dataset reads none."""
    pandas = pytest.importorskip("pandas")
    (file,) = (folders["csv"] / "r=eu-west-1").iterdir()
    count = lake.ROWS // len(lake.REGIONS)
    assert len(pandas.read_csv(file)) == csv.read_csv(file).num_rows == count
    with pytest.raises(ArrowInvalid):
        ds.dataset(file, format="csv")
    (file,) = (folders["json"] / "r=eu-west-1").iterdir()
    assert len(pandas.read_json(file, lines=True)) == count


@pytest.mark.slow
def test_spark(folders: dict[str, Path], tmp_path: Path) -> None:
    """Spark 4 reads both, every row once."""
    with spark_session(tmp_path) as spark:
        options = {"header": True, "escape": '"', "multiLine": True}
        frame = spark.read.options(**options).csv(f"file:{folders['csv']}").select("n", "region")
        assert_rows([(int(n), region) for n, region in frame.collect()], WITHOUT_EMPTY)
        assert_rows(spark.read.json(f"file:{folders['json']}").select("n", "region").collect(), ROWS)
