"""DuckDB and Spark as readers of Iceberg tables, each in a process of its own; tests skip one that is absent."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pyiceberg.table import Table

    from s3_servers import Bucket

_TOOLS = Path(__file__).resolve().parent.parent / ".tools"


def by_duckdb(bucket: Bucket, table: Table, columns: str) -> list[list[Any]]:
    """The rows that DuckDB sees, by their first column."""
    home = os.environ.get("DUCKDB_WITH_ICEBERG") or str(_TOOLS / "duckdb-iceberg")
    if not Path(home).is_dir():
        pytest.skip("there is no DuckDB with its Iceberg extension: run `make duckdb-iceberg`")
    key = f"read/{uuid.uuid4()}.metadata.json"
    body = table.metadata.model_dump_json().encode()
    bucket.server.client().put_object(Bucket=bucket.name, Key=key, Body=body)
    endpoint = bucket.server.endpoint.removeprefix("http://")
    return _run(
        f"""
import json, duckdb
from duckdb_extensions import import_extension
for name in ("avro", "httpfs", "iceberg"):
    import_extension(name)
connection = duckdb.connect()
for name in ("httpfs", "avro", "iceberg"):
    connection.load_extension(name)
connection.execute('''CREATE SECRET (TYPE s3, KEY_ID '{bucket.server.access_key}',
    SECRET '{bucket.server.secret_key}', ENDPOINT '{endpoint}', URL_STYLE 'path', USE_SSL false)''')
table = "iceberg_scan('s3://{bucket.name}/{key}')"
print(json.dumps(connection.sql("FROM " + table).select("{columns}").order("ALL").fetchall()))
""",
        PYTHONPATH=home,
    )


def by_spark(bucket: Bucket, catalog: str, name: str, columns: str) -> list[list[Any]]:
    """The rows that Spark sees through a REST catalogue at this URL, by their first column."""
    pytest.importorskip("pyspark", reason="Spark is not installed: run `make spark-iceberg`")
    jars = sorted((_TOOLS / "spark-iceberg").glob("*.jar"))
    if not jars or (shutil.which("java") is None and "JAVA_HOME" not in os.environ):
        pytest.skip("there is no Iceberg for Spark: run `make spark-iceberg` (needs Java and Maven)")
    options = {
        "type": "rest",
        "uri": catalog,
        "io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
        "s3.endpoint": bucket.server.endpoint,
        "s3.path-style-access": "true",
        "client.region": "us-east-1",
    }
    settings = {f"spark.sql.catalog.lake.{option}": value for option, value in options.items()}
    return _run(
        f"""
import json
from pyspark.sql import SparkSession
builder = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
builder = builder.config("spark.jars", {",".join(map(str, jars))!r}).config("spark.sql.session.timeZone", "UTC")
builder = builder.config("spark.sql.catalog.lake", "org.apache.iceberg.spark.SparkCatalog")
for option, value in {settings!r}.items():
    builder = builder.config(option, value)
spark = builder.getOrCreate()
columns = {columns!r}.split(", ")
rows = spark.table("lake.{name}").select(*columns).orderBy(*columns).collect()
print(json.dumps([list(row) for row in rows]))
""",
        AWS_ACCESS_KEY_ID=bucket.server.access_key,
        AWS_SECRET_ACCESS_KEY=bucket.server.secret_key,
    )


def _run(program: str, **environment: str) -> list[list[Any]]:
    """Run a program in a process of its own; what it printed last, as JSON."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: list[list[Any]] = json.loads(done.stdout.splitlines()[-1])
    return found
