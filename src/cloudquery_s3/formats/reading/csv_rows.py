"""CSV back into rows: an empty cell is NULL, one of two quotes is an empty text."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.csv as pa_csv
from pyarrow import types

from cloudquery_s3.formats.reading.blocks import blocks
from cloudquery_s3.formats.reading.cells import from_text
from cloudquery_s3.formats.reading.columns import batch_of, described, places
from cloudquery_s3.formats.reading.json_values import column
from cloudquery_s3.formats.text.nested import mark_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import BinaryIO


def csv_rows(schema: pa.Schema, file: BinaryIO, *, delimiter: str, has_header: bool) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a CSV file; with a header, a column that the file does not have is NULL.

    In a table of one column that is text, NULL comes back as the empty text: a blank line would be no row.

    Raises:
        UnreadableError: a column is missing, or holds something else than the table says.
        pyarrow.ArrowInvalid: the rows have another number of columns.
    """
    names = [] if has_header else schema.names
    where: list[int | None] = list(range(len(schema)))
    for number, block in enumerate(blocks(file, quotes=True)):
        rows = block
        if number == 0 and has_header:
            # the header is a block's first row, and may hold line breaks in quotes
            header, rows = _split_header(block)
            names = _header_names(header, delimiter)
            where = places(schema, names)
        if not len(schema):
            yield batch_of([], schema, rows.count(b"\n"))
        elif rows:
            yield _rows(schema, _cells(rows, len(names), delimiter), where)


def _split_header(block: bytes) -> tuple[bytes, bytes]:
    end = block.find(b"\n")
    while end >= 0 and block.count(b'"', 0, end) % 2:
        end = block.find(b"\n", end + 1)
    return (block, b"") if end < 0 else (block[: end + 1], block[end + 1 :])


def _header_names(header: bytes, delimiter: str) -> list[str]:
    columns = 1 + _delimiters_outside_quotes(header, delimiter)
    if not header.strip(b"\n"):
        return []
    return [(cell[0].as_py() or b"").decode() for cell in _cells(header, columns, delimiter)]


def _delimiters_outside_quotes(row: bytes, delimiter: str) -> int:
    # every other part between quotes is outside of them
    return sum(part.count(delimiter.encode()) for part in row.split(b'"')[::2])


def _cells(rows: bytes, columns: int, delimiter: str) -> list[pa.Array]:
    """Return the cells of each column as bytes."""
    names = [str(number) for number in range(columns)]
    table = pa_csv.read_csv(
        pa.BufferReader(rows),
        pa_csv.ReadOptions(use_threads=False, block_size=len(rows) + 1, column_names=names),
        pa_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True, ignore_empty_lines=False),
        pa_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.binary()),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    return [column.combine_chunks() for column in table.columns]


def _rows(schema: pa.Schema, cells: Sequence[pa.Array], where: Sequence[int | None]) -> pa.RecordBatch:
    count = len(cells[0])
    arrays = [
        pa.nulls(count, field.type)
        if place is None
        else described(field, partial(_column, field, cells[place], alone=len(schema) == 1))
        for field, place in zip(schema, where, strict=True)
    ]
    return batch_of(arrays, schema, count)


def _column(field: pa.Field, texts: pa.Array, *, alone: bool) -> pa.Array:
    kind, mark = field.type, mark_of(field)
    textual = mark is not None or types.is_string(kind) or types.is_large_string(kind) or _is_octets(kind)
    if alone and not textual:
        texts = pa.array([text or None for text in texts.to_pylist()], pa.binary())
    if types.is_nested(kind):
        return column(field, texts.to_pylist())
    return from_text(texts, field)


def _is_octets(kind: pa.DataType) -> bool:
    return bool(types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind))
