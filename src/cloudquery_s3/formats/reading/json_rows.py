"""JSON lines back into rows."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from cloudquery_s3.formats.reading.blocks import blocks
from cloudquery_s3.formats.reading.columns import UnreadableError, batch_of, described
from cloudquery_s3.formats.reading.json_values import Raw, column, members

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    import pyarrow as pa


def json_rows(schema: pa.Schema, file: BinaryIO) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a file of JSON objects, one a line of any length; what a row does not have is NULL.

    Raises:
        UnreadableError: a column holds something else than the table says.
        ValueError: a line is no JSON object.
    """
    for block in blocks(file, quotes=False):
        rows = [members(line) for line in block.split(b"\n") if line.strip()]
        if not rows:
            continue
        _check_names(schema, rows)
        arrays = [described(field, partial(_column, field, rows)) for field in schema]
        yield batch_of(arrays, schema, len(rows))


def _check_names(schema: pa.Schema, rows: list[dict[str, Raw]]) -> None:
    for field in schema:
        if not field.nullable and any(field.name not in row for row in rows):
            raise UnreadableError(f"a row has no column {field.name}, which the table declares NOT NULL")
    if len(schema) and any(row.keys().isdisjoint(schema.names) for row in rows):
        raise UnreadableError("a row has none of the table's columns")


def _column(field: pa.Field, rows: list[dict[str, Raw]]) -> pa.Array:
    return column(field, [row.get(field.name) for row in rows])
