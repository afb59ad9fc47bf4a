"""The queries of docs/loading.md, run by the systems that can be had here on objects that the plugin wrote."""

from __future__ import annotations

import getpass
import importlib.util
import json
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from lake_of_instances import DAY, LATEST, NOTES, fill
from s3_servers import moto, real_server  # noqa: F401 -- fixtures
from spark_session import spark_session
from trino_server import CATALOG

if TYPE_CHECKING:
    from collections.abc import Iterator

    from s3_servers import S3Server
    from trino_server import Trino

PAGE = (Path(__file__).parents[2] / "docs" / "loading.md").read_text(encoding="utf-8")

NOT_RUN = {
    "Snowflake": "a service",
    "BigQuery": "a service",
    "Redshift": "a service",
    "Databricks": "a service",
}
"""Systems that are not to be had here: their queries follow the vendor's documentation."""

RUN = {"Before you load", "DuckDB", "Athena", "Spark", "Trino", "ClickHouse", "Polars", "pandas", "PostgreSQL"}

POSTGRESQL = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))), None)


def sections() -> dict[str, str]:
    """The page's sections by their headings."""
    parts = re.split(r"^## (.*)$", PAGE, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def blocks(section: str, language: str) -> list[str]:
    """The code blocks of a section in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", sections()[section], re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def bucket(moto: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: F811 -- the fixture
    """The folder that stands for the bucket."""
    folder = fill(tmp_path_factory.mktemp("lake"), moto)
    for path in (folder, *folder.parents[:-2]):
        path.chmod(0o755)  # PostgreSQL's user reads it as well
    return folder


def test_every_section_is_known() -> None:
    """Every section with code is run here, or named as one that cannot be; the page says which are."""
    with_code = {name for name, text in sections().items() if "```" in text}
    assert with_code == RUN | NOT_RUN.keys()
    introduction = PAGE.partition("## ")[0]
    assert all(f"[{name}](#{name.lower()})" in introduction for name in RUN - {"Before you load"})


def test_duckdb(bucket: Path) -> None:
    """DuckDB counts a day's rows, finds the latest state of each source, and reads JSON and CSV."""
    parquet, text = (block.replace("s3://my-bucket", str(bucket)) for block in blocks("DuckDB", "sql"))
    _secret, by_region, latest = statements(parquet)
    assert duckdb.sql(by_region).fetchall() == [("eu-central-1", 4 * len(NOTES))]
    assert sorted(duckdb.sql(latest).fetchall()) == LATEST
    names, notes = statements(text)
    assert set(LATEST) < set(duckdb.sql(names).fetchall())
    assert {note for _, note in duckdb.sql(notes).fetchall()} == set(NOTES)


def test_the_latest_state(bucket: Path) -> None:
    """Both queries of the latest state give what each source wrote last."""
    with duckdb.connect() as database:
        database.sql(f"CREATE VIEW aws_ec2_instances AS FROM read_parquet('{bucket}/cloudquery/**/*.parquet')")
        for query in blocks("Before you load", "sql"):
            assert sorted(database.sql(query).project("instance_id, tags ->> '$.Name'").fetchall()) == LATEST


def test_clickhouse(bucket: Path) -> None:
    """ClickHouse reads the three formats from files as it would from S3, partitions included."""
    if importlib.util.find_spec("chdb") is None:
        pytest.skip("chdb is not installed")
    url = "s3('https://my-bucket.s3.eu-central-1.amazonaws.com"
    texts = [
        query.replace(url, f"file('{bucket}") for block in blocks("ClickHouse", "sql") for query in statements(block)
    ]
    latest, names, notes = in_chdb(texts)
    assert sorted((row["instance_id"], row["name"]) for row in latest) == LATEST
    assert {row["tags.Name"] for row in names} >= {name for _, name in LATEST}
    assert {row["note"] for row in notes} == set(NOTES)


def in_chdb(queries: list[str]) -> list[list[dict[str, Any]]]:
    """Run queries in a process of its own: chdb is a whole server, with signal handlers."""
    script = (
        "import chdb, json, sys\n"
        "for query in json.load(sys.stdin):\n"
        "    print(json.dumps([json.loads(l) for l in str(chdb.query(query, 'JSONEachRow')).splitlines()]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], input=json.dumps(queries), capture_output=True, text=True, check=True
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize(("section", "package"), [("Polars", "polars"), ("pandas", "pandas")])
def test_data_frames(section: str, package: str, bucket: Path) -> None:
    """The data frames' code finds the latest state of each source, and the key inside its JSON column."""
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    (code,) = blocks(section, "python")
    found: dict[str, Any] = {}
    exec(code.replace("s3://my-bucket", str(bucket)), found)  # noqa: S102 -- the page's own code
    if section == "Polars":
        assert sorted(found["names"].rows()) == LATEST
    else:
        assert sorted(zip(found["latest"]["instance_id"], found["names"], strict=True)) == LATEST


@pytest.mark.skipif(POSTGRESQL is None, reason="PostgreSQL is not installed")
def test_postgresql(bucket: Path) -> None:
    """PostgreSQL takes every CSV object, tells NULL from the empty string, and finds the latest state."""
    create, copy, latest = blocks("PostgreSQL", "sql")
    with postgresql() as (psql, readable):
        psql(create)
        for file in bucket.glob("cloudquery-csv/*/*/*.csv"):
            source = f"aws s3 cp s3://my-bucket/cloudquery-csv/aws_ec2_instances/dt={DAY}/OBJECT.csv -"
            assert source in copy
            psql(copy.replace(source, f"cat {shutil.copy(file, readable)}"))
        assert sorted(tuple(row.split("|")) for row in psql(latest).splitlines()) == LATEST
        notes = json.loads(psql("SELECT json_agg(DISTINCT coalesce(note, 'NULL')) FROM aws_ec2_instances"))
        assert set(notes) == {"NULL" if note is None else note for note in NOTES}


@contextmanager
def postgresql() -> Iterator[tuple[Any, Path]]:
    """Run a server on a socket of its own; gives what runs a script in psql, and a folder that the server can read."""
    assert POSTGRESQL is not None
    user = "postgres" if getpass.getuser() == "root" else None  # it refuses to run as root
    folder = Path(tempfile.mkdtemp())
    if user:
        shutil.chown(folder, user)

    def run(program: str, *arguments: str, text: str = "") -> str:
        command = [str(POSTGRESQL.with_name(program)), *arguments]
        done = subprocess.run(command, input=text, capture_output=True, text=True, cwd="/", user=user, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    try:
        run("initdb", "-D", f"{folder}/data", "-A", "trust", "-E", "UTF8", "-U", "postgres")
        options = f"-c listen_addresses='' -k {folder}"
        run("pg_ctl", "-D", f"{folder}/data", "-l", f"{folder}/log", "-o", options, "-w", "start")
        try:
            flags = ["-h", str(folder), "-U", "postgres", "-qAt", "-v", "ON_ERROR_STOP=1"]
            yield lambda script: run("psql", *flags, text=script), folder
        finally:
            run("pg_ctl", "-D", f"{folder}/data", "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder)


@pytest.mark.slow
def test_spark_and_hive(bucket: Path, tmp_path: Path) -> None:
    """Spark reads Parquet and CSV by the page's code; Hive's reader sees the table once its partitions are known."""
    hive = {
        "spark.sql.catalogImplementation": "hive",
        "spark.hadoop.javax.jdo.option.ConnectionURL": "jdbc:derby:memory:lake;create=true",
    }
    with spark_session(tmp_path, **hive) as spark:
        check_spark(spark, bucket)
        check_hive(spark, bucket)


def check_spark(spark: Any, bucket: Path) -> None:
    """Run Spark's own section."""
    parquet, old_dates, csv = (code.replace("s3a://my-bucket", f"file:{bucket}") for code in blocks("Spark", "python"))
    names = {"spark": spark}
    exec(parquet, names)  # noqa: S102 -- the page's own code
    (query,) = blocks("Spark", "sql")
    assert sorted(tuple(row) for row in spark.sql(query.strip().rstrip(";")).collect()) == LATEST
    spark.catalog.dropTempView("aws_ec2_instances")
    for code in (old_dates, csv):
        exec(code, names)  # noqa: S102 -- the page's own code
        assert names["frame"].count() == 4 * len(NOTES)
    notes = {row["note"] for row in names["frame"].select("note").collect()}
    assert notes == {note or None for note in NOTES}
    plain = spark.read.option("header", True).csv(f"file:{bucket}/cloudquery-csv/aws_ec2_instances/")
    assert plain.count() != 4 * len(NOTES)  # what the page says of CSV without options


def check_hive(spark: Any, bucket: Path) -> None:
    """Run the table of Athena's section, and the CSV options of the page."""
    create = blocks("Athena", "sql")[0].replace("s3://my-bucket", f"file:{bucket}")
    spark.sql(create.strip().rstrip(";"))
    assert spark.table("aws_ec2_instances").count() == 0
    spark.sql("MSCK REPAIR TABLE aws_ec2_instances")
    assert spark.table("aws_ec2_instances").where(f"dt = '{DAY}'").count() == 4 * len(NOTES)
    columns = "`a` string, `b` string, `c` string, `instance_id` string, `d` string, `tags` string, `note` string"
    for number, (escape, note) in enumerate((("", "ab"), (r", 'escapeChar' = '\u0001'", "a\\b"))):
        spark.sql(
            f"CREATE EXTERNAL TABLE csv{number} ({columns}) "
            "ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.OpenCSVSerde' "
            f"WITH SERDEPROPERTIES ('separatorChar' = ','{escape}) STORED AS TEXTFILE "
            f"LOCATION 'file:{bucket}/cloudquery-csv/aws_ec2_instances/dt={DAY}'"
        )
        last = spark.table(f"csv{number}").where("instance_id = 'prod-3'").collect()
        assert {row["note"] for row in last} == {note}


@pytest.mark.slow
def test_trino(bucket: Path, trino: Trino, real_server: S3Server) -> None:  # noqa: F811 -- the fixture
    """Trino reads the three formats by the page's tables in a catalogue with the page's properties."""
    put = real_server.new_bucket()
    put.upload(bucket)
    (properties,) = blocks("Trino", "properties")
    of_page = dict(line.split("=", 1) for line in properties.splitlines())
    schema = trino.hive(real_server, **{name: value for name, value in of_page.items() if name in CATALOG})
    catalog, _, name = schema.partition(".")

    def page(sql: str) -> list[str]:
        text = sql.replace("hive.lake", schema).replace("hive.", f"{catalog}.").replace("'lake'", f"'{name}'")
        return statements(text.replace("my-bucket", put.name))

    parquet, texts = blocks("Trino", "sql")
    names = {(f"{source}-{n}", f"{age}-{n}") for source in ("dev", "prod") for age in ("old", "new") for n in range(4)}
    assert set(trino.rows(*page(parquet))) == names
    latest = statements(blocks("Before you load", "sql")[1])[0].replace("FROM aws", f"FROM {schema}.aws")
    found = trino.rows(f"SELECT instance_id, json_extract_scalar(tags, '$.Name') FROM ({latest})")
    assert sorted(found) == LATEST
    trino.rows(*page(texts))
    name_of = "json_extract_scalar(tags, '$.Name')"
    (newest,) = trino.rows(f"SELECT max(_cq_sync_time), max({name_of}) FROM {schema}.instances_json")
    assert newest == (datetime(2026, 11, 22, 3), "old-3")  # noqa: DTZ001 -- Trino's timestamps have no zone
    notes = {note for (note,) in trino.rows(f"SELECT note FROM {schema}.instances_csv WHERE instance_id LIKE '%-3'")}
    assert notes == {"a\\b"}


def statements(sql: str) -> list[str]:
    """The statements of a block."""
    return [statement for statement in sql.split(";") if statement.strip()]
