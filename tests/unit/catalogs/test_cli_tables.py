"""Tables as the CLI lists them, and the command that prints their statements."""

from __future__ import annotations

import io
import json
from base64 import b64encode
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from typer.testing import CliRunner

from cloudquery_s3.catalogs.ddl import DIALECTS
from cloudquery_s3.catalogs.ddl.cli_tables import schemas
from cloudquery_s3.catalogs.ddl.columns import file_schema
from cloudquery_s3.catalogs.ddl.describe import described_object
from cloudquery_s3.commands.app import build_app
from cloudquery_s3.commands.ddl import DialectName
from cloudquery_s3.errors import SpecError
from small_lake import SCHEMA, TABLE, spec_of, write_lake
from specs import written

if TYPE_CHECKING:
    from pathlib import Path


def column(kind: str) -> pa.Field:
    """The one column of a table whose type the CLI writes so."""
    (schema,) = schemas([{"name": "t", "columns": [{"name": "c", "type": kind}]}])
    return schema.field("c")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("utf8", pa.string()),
        ("timestamp[us, tz=UTC]", pa.timestamp("us", tz="UTC")),
        ("timestamp[ns]", pa.timestamp("ns")),
        ("list<item: utf8, nullable>", pa.list_(pa.string())),
        ("list<item: list<item: int64, nullable>, nullable>", pa.list_(pa.list_(pa.int64()))),
        (
            "struct<a: utf8, b: list<item: bool, nullable>>",
            pa.struct([("a", pa.string()), ("b", pa.list_(pa.bool_()))]),
        ),
        ("map<utf8, int64, items_nullable>", pa.map_(pa.string(), pa.int64())),
        ("decimal(10, 2)", pa.decimal128(10, 2)),
        ("decimal256(50, 4)", pa.decimal256(50, 4)),
        ("fixed_size_binary[4]", pa.binary(4)),
        ("time64[ns]", pa.time64("ns")),
        ("uint16", pa.uint16()),
        ("date32", pa.date32()),
    ],
)
def test_types(text: str, expected: pa.DataType) -> None:
    """A type is what Arrow's Go library calls so."""
    assert column(text).type == expected


def test_extension_types_are_marked() -> None:
    """A column of one of CloudQuery's own types is marked as a sync marks it, also inside a list."""
    for name in ("json", "uuid", "inet", "mac"):
        assert column(name).metadata == {b"ARROW:extension:name": name.encode()}
    assert column("list<item: inet, nullable>").type.value_field.metadata == {b"ARROW:extension:name": b"inet"}
    spec = spec_of()
    table = pa.schema([column("uuid"), column("list<item: inet, nullable>").with_name("l")], {"cq:table_name": "t"})
    assert file_schema(spec, table).types == [pa.string(), pa.list_(pa.field("element", pa.string()))]


@pytest.mark.parametrize("text", ["", "utf9", "list<item: nothing, nullable>", "<", "a" * 200_000, "list<" * 2_000])
def test_types_that_are_not_known(text: str) -> None:
    """A type that is not known is an error that names the table and the column."""
    with pytest.raises(SpecError, match="table t, column c"):
        column(text)


@pytest.mark.parametrize("document", [{}, [1], [{"columns": []}], [{"name": "t", "columns": [{}]}]])
def test_documents_that_are_none(document: Any) -> None:
    """Another document is refused as such."""
    with pytest.raises(SpecError, match="--tables"):
        list(schemas(document))


def test_relations_and_descriptions() -> None:
    """Relations are tables of their own; descriptions and what is incremental stay with tables and columns."""
    child = {"name": "child", "columns": [{"name": "at", "type": "utf8", "incremental_key": True}]}
    parent = {"name": "parent", "description": "P", "columns": [{"name": "c", "type": "utf8", "description": "C"}]}
    one, other = schemas([parent | {"relations": [child]}])
    assert (one.metadata[b"cq:table_name"], other.metadata[b"cq:table_name"]) == (b"parent", b"child")
    assert one.metadata[b"cq:table_description"] == b"P"
    assert one.field("c").metadata == {b"cq:column_description": b"C"}
    assert b"cq:extension:incremental" not in one.metadata
    assert other.metadata[b"cq:extension:incremental"] == b"true"
    assert one.names[:2] == ["_cq_sync_time", "_cq_source_name"]


def test_the_command_knows_every_dialect() -> None:
    """What can be chosen on the command line is what there is."""
    assert {name.value for name in DialectName} == set(DIALECTS)


def run(*arguments: str) -> tuple[int, str]:
    """Run `ddl`; its exit code and what it printed."""
    result = CliRunner().invoke(build_app(), ["ddl", *arguments])
    return result.exit_code, result.output


def test_three_sources_say_the_same(tmp_path: Path) -> None:
    """A table is the same by the CLI's list, by a manifest and by an object, but for descriptions."""
    folder, file = "cloudquery/{{TABLE}}/{{UUID}}.{{FORMAT}}", tmp_path / "s3.yml"
    file.write_text(yaml.safe_dump(written(format="parquet", path=folder)), encoding="utf-8")
    spec = spec_of(path=folder)
    write_lake(tmp_path, spec)
    manifest = tmp_path / "manifest.json"
    encoded = b64encode(SCHEMA.serialize().to_pybytes()).decode()
    entry = {"schemas": {"x": {"arrow_ipc": encoded}}, "tables": {TABLE: {"schema": "x", "entries": []}}}
    manifest.write_text(json.dumps(entry), encoding="utf-8")
    (stored,) = list((tmp_path / "cloudquery" / TABLE).glob("file-0.parquet"))
    by_object = run(str(file), "--dialect", "trino", "--object", str(stored))
    by_manifest = run(str(file), "--dialect", "trino", "--manifest", str(manifest))
    assert by_object[0] == by_manifest[0] == 0
    assert by_object[1] == by_manifest[1].replace(" COMMENT 'it''s the id'", "")


def test_object_that_is_no_parquet() -> None:
    """An object of another format does not know its columns, and the error says so."""
    with pytest.raises(SpecError, match="--object: is not a Parquet object"):
        described_object(spec_of(), io.BytesIO(b"{}"))
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"a": [1]}), sink)
    with pytest.raises(SpecError, match="cq:table_name"):
        described_object(spec_of(), io.BytesIO(sink.getvalue()))


def test_wrong_calls(tmp_path: Path) -> None:
    """None or two sources are a wrong call; a spec or a table that is not there is a problem."""
    file, tables = tmp_path / "s3.yml", tmp_path / "tables.json"
    file.write_text(yaml.safe_dump(written(format="parquet")), encoding="utf-8")
    tables.write_text(json.dumps([{"name": "t", "columns": []}]), encoding="utf-8")
    assert run(str(file), "--dialect", "trino")[0] == 2
    assert run(str(file), "--dialect", "trino", "--tables", str(tables), "--manifest", "x")[0] == 2
    assert run(str(file), "--dialect", "oracle", "--tables", str(tables))[0] == 2
    assert run(str(file), "--dialect", "trino", "--tables", str(tables), "--table", "u*")[0] == 1
    assert run(str(file), "--dialect", "trino", "--tables", str(tables), "--table", "t*")[0] == 0
    for text in ("{", "[" * 100_000):
        tables.write_text(text, encoding="utf-8")
        assert run(str(file), "--dialect", "trino", "--tables", str(tables)) == (
            1,
            f"{file}: problem: --tables: is not JSON\n",
        )
        assert run(str(file), "--dialect", "trino", "--manifest", str(tables)) == (
            1,
            f"{file}: problem: --manifest: is not a manifest of this plugin\n",
        )
