"""What `ddl` says, run by Trino on objects in a real S3 server. Trino's clock is not in UTC."""

from __future__ import annotations

import csv
import io
import json
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cloudquery_s3.catalogs.ddl import DIALECTS
from cloudquery_s3.catalogs.ddl.describe import described
from cloudquery_s3.catalogs.ddl.table import Surroundings
from cloudquery_s3.formats import make_format
from cloudquery_s3.formats.encoder import Alterations
from every_type import cell, every_type
from s3_servers import real_server  # noqa: F401 -- a fixture
from small_lake import BUCKET, COMPLETE, NEWEST, SCHEMA, TABLE, spec_of, write_lake
from trino_server import CATALOG

if TYPE_CHECKING:
    from pathlib import Path

    from cloudquery_s3.spec import Spec
    from s3_servers import S3Server
    from trino_server import Trino

pytestmark = pytest.mark.slow

FORMATS: list[dict[str, Any]] = [
    {"format": "parquet"},
    {"format": "parquet", "format_spec": {"types": "portable", "compression": "zstd"}},
    {"format": "json", "compression": "gzip"},
    {"format": "json", "compression": "zstd"},
    {"format": "csv"},
    {"format": "csv", "compression": "zstd", "format_spec": {"delimiter": ";", "skip_header": True}},
]
PATHS = [
    "lake/{{TABLE}}/{{UUID}}.{{FORMAT}}",
    "lake/{{TABLE}}/{{YEAR}}/{{MONTH}}/{{UUID}}.{{FORMAT}}",
    "lake/{{TABLE}}/year={{YEAR}}/month={{MONTH}}/day={{DAY}}/{{UUID}}.{{FORMAT}}",
    "lake/{{TABLE}}/dt={{YEAR}}-{{MONTH}}-{{DAY}}T{{HOUR}}/{{UUID}}.{{FORMAT}}",
    "lake/{{TABLE}}/dt={{DATE:_cq_sync_time}}/{{UUID}}.{{FORMAT}}",
    "lake/{{TABLE}}/dt={{DATE:_cq_sync_time}}/source={{COLUMN:_cq_source_name}}/{{UUID}}.{{FORMAT}}",
    "lake/{{TABLE}}/name={{COLUMN:name}}/dt={{YEAR}}-{{MONTH}}-{{DAY}}/{{UUID}}.{{FORMAT}}",
    "lake/{{TABLE}}/sync={{SYNC_ID}}/{{UUID}}.{{FORMAT}}",
]
MANIFESTS = f"s3://{BUCKET}/manifests/"
NOT_IN_TRINO = {
    "uint32": ("bigint", -1),
    "uint64": ("bigint", -1),
    "float16": ("real", None),
    "time32": ("integer", None),
    "wide": ("decimal(38, 4)", None),
}
"""Columns of Parquet that Trino cannot read: a type to try, and what it then shows for the cell; None if it fails."""

IDS = [0, 0, 0, 1, 1, 2, 10, 11, 12, 13]


def run(trino: Trino, script: str, bucket: str) -> None:
    """Run the statements of a script whose objects are in a bucket."""
    for statement in script.replace(BUCKET, bucket).split(";\n"):
        if any(line.strip() and not line.startswith("--") for line in statement.splitlines()):
            trino.rows(statement)


def lake(trino: Trino, server: S3Server, folder: Path, spec: Spec, manifests: str = MANIFESTS, **catalog: str) -> str:
    """Put the small lake into a bucket, and make its tables in a new schema; return that."""
    bucket = server.new_bucket()
    write_lake(folder, spec)
    bucket.upload(folder)
    schema = trino.hive(server, **catalog)
    around = Surroundings(namespace=schema, manifests=manifests, since=date(2026, 11, 1))
    run(trino, DIALECTS["trino"](around).script([described(spec, SCHEMA)]), bucket.name)
    return schema


def ids(trino: Trino, schema: str, table: str) -> list[int]:
    """The ids in a table; what is none, since a line break has split a row of CSV, is left out."""
    found = trino.rows(f"SELECT TRY_CAST(id AS bigint) FROM {schema}.{table}")
    return sorted(number for (number,) in found if number is not None)


@pytest.mark.parametrize("path", PATHS)
def test_paths(trino: Trino, real_server: S3Server, tmp_path: Path, path: str) -> None:  # noqa: F811 -- the fixture
    """Trino reads every row, whatever its folders, and by the latest view the newest complete sync of each source."""
    schema = lake(trino, real_server, tmp_path, spec_of(path=path))
    assert ids(trino, schema, TABLE) == IDS
    assert ids(trino, schema, f"{TABLE}_latest") == COMPLETE


@pytest.mark.parametrize("options", FORMATS)
def test_formats(
    trino: Trino,
    real_server: S3Server,  # noqa: F811 -- the fixture
    tmp_path: Path,
    options: dict[str, Any],
) -> None:
    """Trino reads every row in each format; of CSV it takes a line break in a cell for the end of the row."""
    schema = lake(trino, real_server, tmp_path, spec_of(**options))
    assert ids(trino, schema, TABLE) == IDS
    assert ids(trino, schema, f"{TABLE}_latest") == COMPLETE
    ((rows, names),) = trino.rows(f"SELECT count(*), count(name) FROM {schema}.{TABLE}")
    assert (rows, names) == ((20, 0) if options["format"] == "csv" else (10, 10))


def test_without_manifests(trino: Trino, real_server: S3Server, tmp_path: Path) -> None:  # noqa: F811 -- the fixture
    """Without manifests the latest view has the newest sync of each source, complete or not."""
    schema = lake(trino, real_server, tmp_path, spec_of(), manifests="")
    assert ids(trino, schema, f"{TABLE}_latest") == NEWEST


@pytest.mark.parametrize("options", [FORMATS[0], FORMATS[2]])
def test_the_view_of_athena(
    trino: Trino,
    real_server: S3Server,  # noqa: F811 -- the fixture
    tmp_path: Path,
    options: dict[str, Any],
) -> None:
    """Athena's view of the latest rows, which is Trino's SQL, has the newest complete sync of each source in Trino."""
    spec = spec_of(**options)
    schema = lake(trino, real_server, tmp_path, spec)
    trino.rows(f"DROP VIEW {schema}.{TABLE}_latest")
    (view,) = DIALECTS["athena"](Surroundings(namespace=schema, manifests=MANIFESTS)).latest(described(spec, SCHEMA))
    trino.rows(view)
    assert ids(trino, schema, f"{TABLE}_latest") == COMPLETE


def test_partitions_and_descriptions(
    trino: Trino,
    real_server: S3Server,  # noqa: F811 -- the fixture
    tmp_path: Path,
) -> None:
    """A filter on a folder reads the objects of that folder alone; the table and its columns are described."""
    schema = lake(trino, real_server, tmp_path, spec_of())
    table = f"{schema}.{TABLE}"
    assert trino.scanned(f"SELECT id FROM {table}") == (4, 10)
    assert trino.scanned(f"SELECT id FROM {table} WHERE dt = '2026-11-24'") == (1, 2)
    assert ("id", "bigint", "", "it's the id") in trino.rows(f"DESCRIBE {table}")
    ((text,),) = trino.rows(f"SHOW CREATE TABLE {table}")
    assert "COMMENT 'Machines; not \\ ''all'''" in text


@pytest.mark.parametrize("segment", ["_hidden", ".hidden"])
def test_segments_that_are_passed_over(
    trino: Trino,
    real_server: S3Server,  # noqa: F811 -- the fixture
    tmp_path: Path,
    segment: str,
) -> None:
    """Trino passes over segments that begin with `_` or `.` below a table's folder, not in that folder's own path."""
    below = spec_of(path=f"lake/{{{{TABLE}}}}/{segment}/{{{{UUID}}}}.{{{{FORMAT}}}}")
    bucket = real_server.new_bucket()
    write_lake(tmp_path, below)
    bucket.upload(tmp_path)
    schema = trino.hive(real_server)
    for name, place in (("above", "lake/"), ("own", f"lake/{TABLE}/{segment}/")):
        location = f"external_location = 's3://{bucket.name}/{place}'"
        trino.rows(f"CREATE TABLE {schema}.{name} (id bigint) WITH (format = 'PARQUET', {location})")
    assert ids(trino, schema, "above") == []
    assert ids(trino, schema, "own") == IDS


@pytest.mark.parametrize(
    ("lacking", "table", "latest"),
    [("hive.recursive-directories", [], []), ("hive.parquet.time-zone", IDS, [])],
)
def test_what_the_catalogue_needs(
    trino: Trino,
    real_server: S3Server,  # noqa: F811 -- the fixture
    tmp_path: Path,
    lacking: str,
    table: list[int],
    latest: list[int],
) -> None:
    """Without the properties that the script asks for Trino shows what the script says."""
    catalog = {name: value for name, value in CATALOG.items() if name != lacking}
    schema = lake(trino, real_server, tmp_path, spec_of(path=PATHS[-1]), **catalog)
    assert ids(trino, schema, TABLE) == table
    assert ids(trino, schema, f"{TABLE}_latest") == latest
    assert f"{lacking}={CATALOG[lacking]}" in DIALECTS["trino"](Surroundings()).script([])


def test_names_and_texts_are_quoted(trino: Trino, real_server: S3Server) -> None:  # noqa: F811 -- the fixture
    """Quotes and line breaks in names and descriptions stay what they are."""
    schema = pa.schema(
        [pa.field("c\"'`", pa.int64())],
        metadata={"cq:table_name": "t\"'`", "cq:table_description": "'; DROP TABLE x; -- \\';\n é"},
    )
    namespace = trino.hive(real_server)
    bucket = real_server.new_bucket().name
    (statement,) = DIALECTS["trino"](Surroundings(namespace=namespace)).table(described(spec_of(), schema))
    trino.rows(statement.replace(BUCKET, bucket))
    assert trino.rows(f'DESCRIBE {namespace}."t""\'`"')[0][0] == "c\"'`"
    ((text,),) = trino.rows(f'SHOW CREATE TABLE {namespace}."t""\'`"')
    assert "''; DROP TABLE x; -- \\''" in text


@pytest.mark.parametrize(
    ("options", "left_out"),
    [
        ({"format": "parquet"}, {*NOT_IN_TRINO}),
        ({"format": "parquet", "format_spec": {"version": "v1.0"}}, {*NOT_IN_TRINO}),
        ({"format": "parquet", "format_spec": {"types": "portable"}}, set()),
        ({"format": "json"}, set()),
        ({"format": "csv"}, set()),
    ],
)
def test_every_type(
    trino: Trino,
    real_server: S3Server,  # noqa: F811 -- the fixture
    options: dict[str, Any],
    left_out: set[str],
) -> None:
    """What Trino reads in each column that has a type is what another reader reads; portable types leave none out."""
    spec, sent = spec_of(path="lake/{{TABLE}}/{{UUID}}.{{FORMAT}}", **options), every_cell().schema
    data = file_of_every_type(spec)
    bucket = bucket_of_every_type(real_server, spec)
    schema = trino.hive(real_server)
    dialect = DIALECTS["trino"](Surroundings(namespace=schema))
    table = described(spec, sent)
    run(trino, dialect.script([table]), bucket)
    names = [column.name for column, _ in dialect.columns(table)]
    assert set(sent.names) - set(names) == left_out
    quoted = ", ".join(f'"{name}"' for name in names)
    (found,) = trino.rows(f"SELECT {quoted} FROM {schema}.t")
    expected = cells(data, spec.format)
    for name, value in zip(names, found, strict=True):
        assert as_in_files(value, expected[name]) == expected[name], name


@pytest.mark.parametrize("column", NOT_IN_TRINO)
def test_what_trino_cannot_read(trino: Trino, real_server: S3Server, column: str) -> None:  # noqa: F811 -- the fixture
    """What has no type for Trino would be shown as something else, or fail the query."""
    from trino.exceptions import TrinoQueryError  # noqa: PLC0415 -- skipped where it is absent

    bucket = bucket_of_every_type(real_server, spec_of(path="lake/{{TABLE}}/{{UUID}}.{{FORMAT}}"))
    kind, shown = NOT_IN_TRINO[column]
    table = f"{trino.hive(real_server)}.t"
    location = f"external_location = 's3://{bucket}/lake/t/'"
    trino.rows(f"CREATE TABLE {table} ({column} {kind}) WITH (format = 'PARQUET', {location})")
    if shown is not None:
        assert trino.rows(f"SELECT * FROM {table}") == [(shown,)]
    else:
        with pytest.raises(TrinoQueryError):
            trino.rows(f"SELECT * FROM {table}")


def every_cell() -> pa.RecordBatch:
    """One row of every type."""
    types = every_type()
    schema = pa.schema(list(types.items()), metadata={"cq:table_name": "t"})
    return pa.record_batch([pa.array([cell(kind)], kind) for kind in types.values()], schema)


def file_of_every_type(spec: Spec) -> bytes:
    """That row as a spec has it written."""
    encoder = make_format(spec).encoder(every_cell().schema, Alterations())
    return b"".join(map(bytes, [*encoder.write([every_cell()]), *encoder.finish().chunks]))


def bucket_of_every_type(server: S3Server, spec: Spec) -> str:
    """A bucket with that file at `lake/t/`."""
    bucket = server.new_bucket().name
    data = file_of_every_type(spec)
    server.client().put_object(Bucket=bucket, Key=f"lake/t/1.{spec.file_format}", Body=data)
    return bucket


def cells(data: bytes, file_format: str) -> dict[str, Any]:
    """The one row of a file, as another reader has it."""
    if file_format == "parquet":
        (row,) = pq.read_table(pa.BufferReader(data)).to_pylist()
        return row
    return json.loads(data) if file_format == "json" else next(csv.DictReader(io.StringIO(data.decode())))


def as_in_files(value: Any, expected: Any) -> Any:
    """A value of Trino's in another reader's form: its JSON parsed, its timestamp in UTC, its number as a time."""
    if isinstance(expected, (dict, list)) and isinstance(value, str):
        return json.loads(value)
    if isinstance(value, dict):
        return list(value.items())
    if isinstance(expected, dict):
        return dict(zip(expected, value, strict=True))
    if isinstance(expected, time) and isinstance(value, int):
        seconds = timedelta(hours=expected.hour, minutes=expected.minute, seconds=expected.second).seconds
        return expected if value in {seconds * 10**6, seconds * 10**9} else value
    if isinstance(expected, datetime):
        return value.replace(tzinfo=expected.tzinfo)
    return value
