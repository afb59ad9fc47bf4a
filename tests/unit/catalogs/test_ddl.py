"""What `ddl` says: run by the engines that run here, parsed for the others."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pytest
import sqlglot

from cloudquery_s3.catalogs.ddl import DIALECTS
from cloudquery_s3.catalogs.ddl.describe import described
from cloudquery_s3.catalogs.ddl.glue import Glue
from cloudquery_s3.catalogs.ddl.table import Surroundings
from cloudquery_s3.catalogs.ddl.types import type_key
from cloudquery_s3.errors import SpecError
from every_type import every_type
from small_lake import BUCKET, COMPLETE, NEWEST, SCHEMA, TABLE, spec_of, write_lake

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cloudquery_s3.spec import Spec

FORMATS: list[dict[str, Any]] = [
    {"format": "parquet"},
    {"format": "json", "compression": "gzip"},
    {"format": "csv"},
    {"format": "csv", "format_spec": {"delimiter": ";", "skip_header": True}},
]
MANIFESTS = Surroundings(manifests=f"s3://{BUCKET}/manifests/")
PATHS = [
    "cloudquery/{{TABLE}}/dt={{YEAR}}-{{MONTH}}-{{DAY}}/{{UUID}}.{{FORMAT}}",
    "cloudquery/{{TABLE}}/{{YEAR}}/{{MONTH}}/{{UUID}}.{{FORMAT}}",
    "cloudquery/{{TABLE}}/{{UUID}}.{{FORMAT}}",
]
SQL = [name for name in DIALECTS if name != "glue"]


def script(dialect: str, spec: Spec, around: Surroundings = MANIFESTS, schema: pa.Schema = SCHEMA) -> str:
    """The statements for the one table of the small lake."""
    return DIALECTS[dialect](around).script([described(spec, schema)])


def by_format(options: dict[str, Any]) -> str:
    """A name for a parametrised format."""
    return "-".join(str(value) for value in options.values() if isinstance(value, str)) + "-".join(
        options.get("format_spec", ())
    )


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("options", FORMATS, ids=by_format)
@pytest.mark.parametrize("dialect", SQL)
def test_statements_parse(dialect: str, options: dict[str, Any], path: str) -> None:
    """Every statement is one of its dialect, as far as a parser that is not the engine's knows it."""
    for around in (Surroundings(), MANIFESTS):
        text = without_load_data(script(dialect, spec_of(path=path, **options), around))
        statements = sqlglot.parse(text, read=dialect)
        assert len([found for found in statements if found is not None]) >= 2


def without_load_data(text: str) -> str:
    """Leave out BigQuery's LOAD DATA, which the parser does not know."""
    return "".join(
        f"{part};" for part in text.split(";\n") if part.strip() and not part.strip().startswith("LOAD DATA")
    )


@pytest.fixture
def duck() -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB of its own, in UTC."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


@pytest.mark.parametrize("options", FORMATS, ids=by_format)
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("around", "expected"), [(MANIFESTS, COMPLETE), (Surroundings(), NEWEST)])
def test_duckdb(
    duck: duckdb.DuckDBPyConnection,
    tmp_path: Path,
    options: dict[str, Any],
    path: str,
    around: Surroundings,
    expected: list[int],
) -> None:
    """DuckDB reads every row by the view, and by the latest view the newest complete sync of each source."""
    spec = spec_of(path=path, **options)
    write_lake(tmp_path, spec)
    duck.execute(script("duckdb", spec, around).replace(f"s3://{BUCKET}", str(tmp_path)))
    assert duck.table(TABLE).aggregate("count(*), count(_cq_sync_time)").fetchall() == [(10, 10)]
    found = duck.table(f"{TABLE}_latest").select("id", "name", "zones").order("id").fetchall()
    assert [row[0] for row in found] == expected
    assert found[0][1] == 'name "0", with\na line'


def test_duckdb_keeps_types(duck: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    """The view's types are those that DuckDB sees in the Parquet files, and it has the descriptions."""
    spec = spec_of()
    write_lake(tmp_path, spec)
    duck.execute(script("duckdb", spec).replace(f"s3://{BUCKET}", str(tmp_path)))
    by_view = duck.execute(f"DESCRIBE {TABLE}").fetchall()
    by_files = duck.execute(f"DESCRIBE FROM read_parquet('{tmp_path}/cloudquery/**/*.parquet')").fetchall()
    assert {row[0]: row[1] for row in by_view} == {row[0]: row[1] for row in by_files} | {"dt": "VARCHAR"}
    comments = duck.execute("SELECT column_name, comment FROM duckdb_columns() WHERE comment IS NOT NULL").fetchall()
    assert comments == [("id", "it's the id")]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_type_is_there_or_named(dialect: str) -> None:
    """A column for whose type the dialect has no word is named in a comment, and every other one is in the table."""
    types = every_type()
    schema = pa.schema(list(types.items()), metadata={"cq:table_name": "t"})
    spoken = DIALECTS[dialect](Surroundings())
    table = described(spec_of(), schema)
    known = {column.name for column, _ in spoken.columns(table)}
    left_out = "".join(spoken.left_out(table))
    for name in types:
        assert (name in known) != (f"column {name} is left out" in left_out)
    plain = {"bool", "int8", "int16", "int32", "int64", "float32", "float64", "string", "binary", "date32"}
    assert plain | {"list", "struct", "map", "decimal"} <= known


@pytest.mark.parametrize("dialect", ["athena", "glue", "trino"])
def test_what_hive_misreads_is_left_out(dialect: str) -> None:
    """Hive's readers of Parquet show large unsigned numbers as others, at any depth; those of text do not."""
    schema = pa.schema(
        [pa.field("n", pa.uint32()), pa.field("m", pa.uint64()), pa.field("l", pa.list_(pa.uint32()))],
        metadata={"cq:table_name": "t"},
    )
    spoken = DIALECTS[dialect](Surroundings())
    found = {name: spoken.columns(described(spec_of(format=name), schema)) for name in ("parquet", "json")}
    assert [column.name for column, _ in found["parquet"]] == []
    assert [column.name for column, _ in found["json"]] == ["n", "m", "l"]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_type_tables_speak_of_arrow(dialect: str) -> None:
    """Every name in a table of types is that of an Arrow type."""
    known = {type_key(kind) for kind in every_type().values()} | {"date64[ms]"}
    assert set(DIALECTS[dialect].types.names) <= known


@pytest.mark.parametrize("dialect", SQL)
def test_names_and_texts_are_quoted(dialect: str) -> None:
    """Quotes, semicolons and line breaks in names and descriptions end no statement."""
    name = "t\"'`; DROP TABLE x"
    schema = pa.schema(
        [pa.field("c\"'`;", pa.int64()), pa.field("_cq_sync_time", pa.timestamp("us", tz="UTC"))],
        metadata={"cq:table_name": name, "cq:table_description": "'; DROP TABLE x; -- \\'; DROP TABLE x;\n"},
    )
    plain = pa.schema(
        [pa.field("c", pa.int64()), pa.field("_cq_sync_time", pa.timestamp("us", tz="UTC"))],
        metadata={"cq:table_name": "t", "cq:table_description": "d"},
    )
    wild, tame = (
        sqlglot.parse(without_load_data(script(dialect, spec_of(), schema=one)), read=dialect)
        for one in (schema, plain)
    )
    assert len(wild) == len(tame)
    if dialect != "athena":  # its parser gives up on such names, and keeps the statement as one text
        assert [type(statement) for statement in wild] == [type(statement) for statement in tame]


@pytest.mark.parametrize("dialect", ["athena", "trino", "spark", "snowflake", "bigquery", "redshift", "glue"])
def test_table_without_folder(dialect: str) -> None:
    """Where tables share a folder, an engine that reads folders is refused, and told what to write."""
    for path in ("data/{{YEAR}}/{{TABLE}}/{{UUID}}.parquet", "data/{{TABLE}}.{{UUID}}.parquet"):
        with pytest.raises(SpecError, match=r"path: gives table .* no folder of its own"):
            script(dialect, spec_of(path=path))


@pytest.mark.parametrize("dialect", SQL)
def test_incremental_tables_have_no_latest_view(dialect: str) -> None:
    """No sync of an incremental table holds all of it, so that none is the latest state."""
    schema = SCHEMA.with_metadata({**SCHEMA.metadata, b"cq:extension:incremental": b"true"})
    text = script(dialect, spec_of(), schema=schema)
    assert f"{TABLE}_latest" not in text
    assert "no view of its latest rows" in text


def test_glue_input_is_what_botocore_takes() -> None:
    """The document is valid for CreateTable, as botocore checks it."""
    import botocore.session  # noqa: PLC0415 -- here alone
    from botocore.validate import ParamValidator  # noqa: PLC0415 -- likewise

    operation = botocore.session.get_session().get_service_model("glue").operation_model("CreateTable")
    for options in FORMATS:
        document = json.loads(Glue(Surroundings()).script([described(spec_of(**options), SCHEMA)]))
        assert not ParamValidator().validate(document, operation.input_shape).has_errors()
