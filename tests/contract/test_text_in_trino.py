"""What Trino reads in CSV and JSON lines of cells that readers stumble over: what docs/formats.md says of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

import rows
from cloudquery_s3.formats import make_format
from cloudquery_s3.formats.encoder import Alterations
from s3_servers import real_server  # noqa: F401 -- a fixture
from specs import parsed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from s3_servers import S3Server
    from trino_server import Trino

pytestmark = pytest.mark.slow

NOTES = ["a\\b", "c:\\dir\\", 'say "hi", ok', "\\N", "end ", "\t", "'", "", "é\u2028", "\x02", "\ufffd", "NULL", ";|"]
"""Texts that the options of a CSV reader decide about."""

DOCUMENTS = [
    r'{"Name": "a", "name": "b"}',
    r'{"name": "b", "Name": "a"}',
    r'{"Name": "a"}',
    r'{"half": "\ud83d"}',
    r'{"twice": 1, "twice": 2}',
    r'[1, {"a": null}]',
    r'"text"',
    "17",
    None,
]
"""JSON cells: keys that differ in case, half of a pair, one key twice, a column of mixed kinds."""

TAGS = rows.schema("t", n=pa.int64()).append(pa.field("tags", pa.binary(), metadata={"ARROW:extension:name": "json"}))


def table(trino: Trino, server: S3Server, columns: str, properties: str, rows_of: pa.RecordBatch, **spec: Any) -> str:
    """Write rows by a spec, and return the name of Trino's table of them."""
    bucket = server.new_bucket()
    encoder = make_format(parsed(**spec)).encoder(rows_of.schema, Alterations())
    data = b"".join(map(bytes, [*encoder.write([rows_of]), *encoder.finish().chunks]))
    server.client().put_object(Bucket=bucket.name, Key=f"t/1.{parsed(**spec).file_format}", Body=data)
    name = f"{trino.hive(server)}.t"
    location = f"external_location = 's3://{bucket.name}/t/'"
    trino.rows(f"CREATE TABLE {name} ({columns}) WITH ({location}, {properties})")
    return name


@pytest.mark.parametrize("compression", ["", "gzip", "zstd"])
def test_csv(trino: Trino, real_server: S3Server, compression: str) -> None:  # noqa: F811 -- the fixture
    """With the page's option cells come back, NULL as the empty text; without it not all of them do."""
    notes = [*NOTES, None]
    sent = rows.batch("t", range(len(notes)), note=notes, last=["x"] * len(notes))
    options = "format = 'CSV', skip_header_line_count = 1"
    spec = {"format": "csv", "compression": compression}
    columns = "n varchar, note varchar, last varchar"
    name = table(trino, real_server, columns, f"{options}, csv_escape = U&'\\0001'", sent, **spec)
    expected = [(str(number), note or "", "x") for number, note in enumerate(notes)]
    assert in_order(trino, name) == expected
    plain = table(trino, real_server, columns, options, sent, **spec)
    assert in_order(trino, plain) != expected


def in_order(trino: Trino, name: str) -> list[tuple[Any, ...]]:
    """All rows by their number."""
    return trino.rows(f"SELECT * FROM {name} ORDER BY TRY_CAST(n AS bigint)")


def tags(documents: Iterable[str | None]) -> pa.RecordBatch:
    """Rows with these documents."""
    cells = [document.encode() if document is not None else None for document in documents]
    return pa.record_batch([pa.array(range(len(cells)), pa.int64()), pa.array(cells, pa.binary())], schema=TAGS)


@pytest.mark.parametrize("athena", [False, True])
def test_json(trino: Trino, real_server: S3Server, athena: bool) -> None:  # noqa: F811 -- the fixture
    """Trino reads each row; of keys that differ in case alone, or are the same, it keeps the last."""
    columns, options = "n bigint, tags varchar", "format = 'OPENX_JSON'"
    name = table(trino, real_server, columns, options, tags(DOCUMENTS), format="json", athena=athena)
    found = [text for _, text in in_order(trino, name)]
    collided = ['{"name":"b"}', '{"Name":"a"}', '{"Name":"a"}']
    assert found == [*collided, '{"half":"\ufffd"}', '{"twice":2}', '[1,{"a":null}]', "text", "17", None]


def test_json_as_text(trino: Trino, real_server: S3Server) -> None:  # noqa: F811 -- the fixture
    """With `json_columns: string` Trino reads each document as it came, but for the half of a pair."""
    spec = {"format": "json", "format_spec": {"json_columns": "string"}}
    name = table(trino, real_server, "n bigint, tags varchar", "format = 'OPENX_JSON'", tags(DOCUMENTS), **spec)
    found = [text for _, text in in_order(trino, name)]
    assert [json.loads(text) if text else None for text in found] == [
        json.loads(document.replace("\\ud83d", "\ufffd")) if document else None for document in DOCUMENTS
    ]
    query = f"SELECT json_extract_scalar(tags, '$.Name'), json_extract_scalar(tags, '$.name') FROM {name} WHERE n = 0"
    assert trino.rows(query) == [("a", "b")]


def test_what_format_json_refuses(trino: Trino, real_server: S3Server) -> None:  # noqa: F811 -- the fixture
    """Trino's format `JSON` fails on a column of JSON, unless that is written as text."""
    columns, options = "n bigint, tags varchar", "format = 'JSON'"
    name = table(trino, real_server, columns, options, tags(DOCUMENTS[:1]), format="json")
    from trino.exceptions import TrinoExternalError  # noqa: PLC0415 -- skipped where it is absent

    with pytest.raises(TrinoExternalError, match="Failed to read file"):
        trino.rows(f"SELECT * FROM {name}")
    spec = {"format": "json", "format_spec": {"json_columns": "string"}}
    name = table(trino, real_server, columns, options, tags(DOCUMENTS[:1]), **spec)
    assert len(trino.rows(f"SELECT * FROM {name}")) == 1
