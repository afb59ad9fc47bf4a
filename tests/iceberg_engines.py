"""DuckDB and Spark as readers of Iceberg tables, in processes of their own; tests of one that is absent are skipped."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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


@contextmanager
def spark(bucket: Bucket, catalog: str) -> Iterator[Callable[[str, str], list[list[Any]]]]:
    """Run Spark until the block ends; gives what reads columns of a table through a REST catalogue at this URL."""
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
        "cache-enabled": "false",
    }
    settings = {f"spark.sql.catalog.lake.{option}": value for option, value in options.items()}
    program = f"""
import json, sys
from pyspark.sql import SparkSession
builder = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
builder = builder.config("spark.jars", {",".join(map(str, jars))!r}).config("spark.sql.session.timeZone", "UTC")
builder = builder.config("spark.sql.catalog.lake", "org.apache.iceberg.spark.SparkCatalog")
for option, value in {settings!r}.items():
    builder = builder.config(option, value)
spark = builder.getOrCreate()
for line in sys.stdin:
    name, columns = json.loads(line)
    rows = spark.table("lake." + name).select(*columns).orderBy(*columns).collect()
    print(json.dumps([list(row) for row in rows]), flush=True)
"""
    keys = {"AWS_ACCESS_KEY_ID": bucket.server.access_key, "AWS_SECRET_ACCESS_KEY": bucket.server.secret_key}
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={**os.environ, **keys},
        ) as process,
    ):
        asking, answers = process.stdin, process.stdout
        assert asking is not None
        assert answers is not None

        def rows(name: str, columns: str) -> list[list[Any]]:
            print(json.dumps([name, columns.split(", ")]), file=asking, flush=True)
            answer = answers.readline()
            errors.seek(0)
            assert answer, errors.read()[-3000:]
            found: list[list[Any]] = json.loads(answer)
            return found

        yield rows


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
