"""What `ddl` says, run by ClickHouse (chdb) against a real S3 server, and by Spark with Hive's SerDes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from cloudquery_s3.catalogs.ddl import DIALECTS
from cloudquery_s3.catalogs.ddl.describe import described
from cloudquery_s3.catalogs.ddl.table import Surroundings
from small_lake import BUCKET, COMPLETE, SCHEMA, TABLE, spec_of, write_lake

FORMATS: list[dict[str, Any]] = [
    {"format": "parquet"},
    {"format": "json", "compression": "gzip"},
    {"format": "csv"},
    {"format": "csv", "format_spec": {"delimiter": ";", "skip_header": True}},
]
if TYPE_CHECKING:
    from pathlib import Path

MANIFESTS = Surroundings(manifests=f"s3://{BUCKET}/manifests/")


@pytest.mark.parametrize("options", FORMATS)
def test_clickhouse(tmp_path: Path, options: dict[str, Any]) -> None:
    """ClickHouse reads every row, and by the latest view the newest complete sync of each source."""
    pytest.importorskip("chdb", reason="ClickHouse is not installed: pip install chdb")
    spec = spec_of(**options)
    write_lake(tmp_path, spec)
    statements = DIALECTS["clickhouse"](MANIFESTS).script([described(spec, SCHEMA)])
    place = f"https://{BUCKET}.s3.us-east-1.amazonaws.com"
    local = statements.replace(f"S3('{place}", f"File('{tmp_path}").replace(f"s3('{place}", f"file('{tmp_path}")
    local = "".join(_file_engine(part) for part in local.split(";\n"))
    count = " ".join(("SELECT count() FROM", f"{TABLE}_local"))
    ids = " ".join(("SELECT arraySort(groupArray(id)) FROM", f"{TABLE}_latest"))
    answer = _run(
        f"""
        from chdb.session import Session
        session = Session({str(tmp_path / "session")!r})
        for statement in {[part for part in local.split("<end>") if part.strip()]!r}:
            session.query(statement)
        print(session.query({count!r}, "TSV").bytes().decode().strip())
        print(session.query({ids!r}).bytes().decode())
        """
    )
    rows, found = answer.splitlines()[:2]
    assert rows == "10"
    assert json.loads(found.strip('"')) == COMPLETE


def _file_engine(statement: str) -> str:
    """Have the table read from a folder: ClickHouse's engine for files takes the format before the place."""
    head, engine, rest = statement.partition("ENGINE = File(")
    if not engine:
        return f"{statement}<end>"
    place, _, tail = rest.partition(", ")
    file_format, _, tail = tail.partition(")")
    return f"{head}{engine}{file_format.strip(chr(39))}, {place}){tail}<end>"


def _run(program: str) -> str:
    lines = program.strip("\n").splitlines()
    indent = len(lines[0]) - len(lines[0].lstrip())
    text = "\n".join(line[indent:] for line in lines)
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("options", FORMATS[:1])
@pytest.mark.parametrize("dialect", ["spark", "athena"])
def test_spark(tmp_path: Path, dialect: str, options: dict[str, Any]) -> None:
    """Spark reads every row by its own tables and by Athena's DDL, which is Hive's; so it does the latest rows."""
    pytest.importorskip("pyspark", reason="Spark is not installed: run `make readers`")
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        pytest.skip("Spark needs a Java runtime")
    spec = spec_of(**options)
    write_lake(tmp_path, spec)
    statements = DIALECTS[dialect](MANIFESTS).script([described(spec, SCHEMA)])
    local = statements.replace("s3a://", "s3://").replace(f"s3://{BUCKET}", f"file:{tmp_path}")
    parts = [part for part in local.split(";\n") if part.strip()]
    repair = [f"MSCK REPAIR TABLE {TABLE}"] if dialect == "athena" else []  # Spark knows no projection
    own = [part for part in parts if dialect == "spark" or ("VIEW" not in part and "openx" not in part)]
    suffix = "_latest" if dialect == "spark" else ""
    answer = _run(
        f"""
        import os
        os.chdir({str(tmp_path)!r})
        from pyspark.sql import SparkSession
        spark = (SparkSession.builder.master("local[1]").enableHiveSupport()
            .config("spark.sql.session.timeZone", "UTC").config("spark.ui.enabled", "false")
            .config("spark.sql.warehouse.dir", {str(tmp_path / "warehouse")!r}).getOrCreate())
        for statement in {own + repair!r}:
            spark.sql(statement)
        rows = spark.table("{TABLE}").selectExpr("count(*)", "count(zones)", "count(state.code)").first()
        print("ANSWER", list(rows))
        print("ANSWER", sorted(row[0] for row in spark.table("{TABLE}{suffix}").select("id").collect()))
        spark.stop()
        """
    )
    count, ids = (json.loads(line[7:]) for line in answer.splitlines() if line.startswith("ANSWER"))
    assert count == [10, 10, 10]
    assert ids == (COMPLETE if dialect == "spark" else sorted([0, 0, 0, 1, 1, 2, 10, 11, 12, 13]))
