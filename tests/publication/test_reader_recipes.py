"""The page's recipes for readers of the latest sync, run by the readers that can be had here.

DuckDB's are in test_publication_cli.py and test_docs.py.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

import committed_records as committed
import rows
from lake import in_bucket
from publication import documentation
from reader import Lake
from spark_session import spark_session

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from s3_servers import Bucket, S3Server
    from trino_server import Trino

TABLE = "aws_ec2_instances"
LATEST = {"aws": [("eu", 3), ("us", 1)], "gcp": [("ap", 2)]}
"""How many instances of which region each source's latest complete sync has."""

SAYS = """
import json
print(json.dumps(sorted(map(list, COUNTS))))
"""


@pytest.fixture(scope="module")
def bucket(moto_with_credentials: S3Server) -> Iterator[Bucket]:
    """A bucket with the latest syncs, older ones, a failed one, and what no document lists: it is no Parquet at all."""
    bucket = moto_with_credentials.new_bucket()
    spec = in_bucket(bucket, path="cloudquery/{{TABLE}}/{{UUID}}.{{FORMAT}}")
    lake = Lake(bucket, {**spec, "manifest": {"latest": "_cloudquery/latest/{{SOURCE}}.json"}})
    syncs: list[tuple[str, str, list[tuple[str, int]]]] = [
        ("aws", "complete", [("old", 5)]),
        *((source, "complete", counts) for source, counts in LATEST.items()),
        ("aws", "failed", [("half", 2)]),
    ]
    for minute, (source, status, counts) in enumerate(syncs):
        batches = [rows.batch(TABLE, list(range(count)), region=[region] * count) for region, count in counts]
        with lake.store(lake.spec) as store:
            at = committed.BEGAN + timedelta(minutes=minute)
            sync_id = f"sync-{minute}"
            committed.write(lake.spec, store, {TABLE: batches}, sync_id=sync_id, source=source, status=status, at=at)
    lake.put(f"cloudquery/{TABLE}/~unlisted.parquet", b"no Parquet")
    yield bucket
    lake.close()


def counted(bucket: Bucket, *code: str) -> list[tuple[str, int]]:
    """Run code in a process of its own, with a reader's environment; it leaves regions and counts in COUNTS."""
    environment = {
        **os.environ,
        **bucket.server.environment(),
        "AWS_ENDPOINT_URL": bucket.server.endpoint,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ALLOW_HTTP": "true",
    }
    text = "\n".join((*code, SAYS)).replace("my-bucket", bucket.name)
    done = subprocess.run([sys.executable, "-c", text], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [tuple(row) for row in json.loads(done.stdout.splitlines()[-1])]


def entries_and(number: int) -> tuple[str, str]:
    """The code that finds the entries, and one of those that read them."""
    found, *readers = documentation.blocks("python", "Polars, pandas and pyarrow")
    return found, readers[number]


def test_clickhouse(bucket: Bucket) -> None:
    """ClickHouse reads the objects that the latest documents of all sources list, and no other."""
    if importlib.util.find_spec("chdb") is None:
        pytest.skip("chdb is not installed: run `make readers`")
    (sql,) = documentation.blocks("sql", "ClickHouse")
    server = bucket.server
    keys = f"', '{server.access_key}', '{server.secret_key}', "
    sql = sql.replace("https://my-bucket.s3.eu-central-1.amazonaws.com", f"{server.endpoint}/{bucket.name}")
    sql = sql.strip().rstrip(";").replace("', 'Parquet'", f"{keys}'Parquet'").replace("', 'JSON", f"{keys}'JSON")
    code = f"import chdb, json\nlines = str(chdb.query({sql!r}, 'JSONEachRow')).splitlines()"
    counts = "COUNTS = [(row['region'], row['instances']) for row in map(json.loads, lines)]"
    assert counted(bucket, code, counts) == sorted(LATEST["aws"] + LATEST["gcp"])


def test_polars(bucket: Bucket) -> None:
    """Polars reads the objects that the latest document of a source lists."""
    if importlib.util.find_spec("polars") is None:
        pytest.skip("polars is not installed: run `make readers`")
    counts = "COUNTS = instances.group_by('region').len().rows()"
    assert counted(bucket, *entries_and(0), counts) == LATEST["aws"]


def test_pandas(bucket: Bucket) -> None:
    """Pyarrow reads the objects that the latest document of a source lists, and makes a data frame of them."""
    if importlib.util.find_spec("pandas") is None:
        pytest.skip("pandas is not installed: run `make readers`")
    found, read = entries_and(1)
    here = f"S3FileSystem(endpoint_override={bucket.server.endpoint!r}, region='us-east-1')"
    assert "S3FileSystem()" in read
    counts = "COUNTS = instances['region'].value_counts().to_dict().items()"
    assert counted(bucket, found, read.replace("S3FileSystem()", here), counts) == LATEST["aws"]


@pytest.mark.slow
def test_spark(bucket: Bucket, tmp_path: Path) -> None:
    """Spark reads the objects that the latest document of a source lists."""
    for key, data in bucket.objects().items():
        file = tmp_path / bucket.name / key
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    document = json.loads((tmp_path / bucket.name / "_cloudquery/latest/aws.json").read_bytes())
    (code,) = documentation.blocks("python", "Spark")
    assert "s3a://" in code
    with spark_session(tmp_path) as spark:
        names: dict[str, Any] = {"spark": spark, "entries": document["tables"][TABLE]["entries"]}
        exec(code.replace("s3a://", f"file:{tmp_path}/"), names)  # noqa: S102 -- the page's own code
        counts = [tuple(row) for row in names["instances"].groupBy("region").count().collect()]
    assert sorted(counts) == LATEST["aws"]


@pytest.mark.slow
def test_trino(bucket: Bucket, trino: Trino) -> None:
    """Trino reads the objects that the latest documents of all sources list, and no other."""
    schema = trino.hive(bucket.server)
    trino.rows(table_of(schema, f"s3://{bucket.name}/cloudquery/{TABLE}/", TABLE))
    (sql,) = documentation.blocks("sql", "Trino")
    sql = sql.replace("hive.lake", schema).replace("hive.", f"{schema.partition('.')[0]}.")
    counts = trino.rows(*filter(str.strip, sql.replace("my-bucket", bucket.name).split(";")))
    assert sorted(counts) == sorted(LATEST["aws"] + LATEST["gcp"])


@pytest.mark.slow
def test_trino_with_the_table_of_athena(bucket: Bucket, trino: Trino) -> None:
    """Trino reads the objects on a list in place of a table's objects, as Athena's statement has the metastore say."""
    entries = json.loads(bucket.objects()["_cloudquery/latest/aws.json"])["tables"][TABLE]["entries"]
    urls = "".join(f"{entry['url']}\n" for entry in entries)
    folder = f"_cloudquery/objects/{TABLE}"
    bucket.server.client().put_object(Bucket=bucket.name, Key=f"{folder}/objects.txt", Body=urls.encode())
    schema = trino.hive(bucket.server)
    trino.rows(table_of(schema, f"s3://{bucket.name}/{folder}/", "listed"))
    (statement,) = documentation.blocks("sql", "Athena")
    serde, of_input, of_output = re.findall(r"'(org\.[^']*)'", statement)
    (file,) = trino.folder.glob(f"metastore/{schema.partition('.')[2]}/listed/.trinoSchema")
    table = json.loads(file.read_text())
    del table["storageFormat"]
    table["originalStorageFormat"] = {"serde": serde, "inputFormat": of_input, "outputFormat": of_output}
    file.write_text(json.dumps(table))
    assert sorted(trino.rows(f"SELECT region, count(*) FROM {schema}.listed GROUP BY region")) == LATEST["aws"]


def table_of(schema: str, location: str, name: str) -> str:
    """The statement that makes Trino's table of the objects in a folder."""
    return f"CREATE TABLE {schema}.{name} (region varchar) WITH (format = 'PARQUET', external_location = '{location}')"
