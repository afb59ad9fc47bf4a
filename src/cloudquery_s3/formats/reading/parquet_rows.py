"""Parquet back into rows: the types that the file has into those that the table has.

Source: docs/formats.md, "What a column becomes", read from right to left.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import types

from cloudquery_s3.formats.columns.conversion import Convert, is_list_like, rebuilt
from cloudquery_s3.formats.reading.cells import from_text
from cloudquery_s3.formats.reading.columns import batch_of, described, listed, places
from cloudquery_s3.formats.text.nested import mark_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import RawIOBase

BATCH_ROWS: Final = 1024
_BATCH_BYTES: Final = 16 << 20
_COLUMN_READ_BYTES: Final = 1 << 20


def parquet_rows(schema: pa.Schema, stored: RawIOBase) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a Parquet file in batches of at most 1,024 rows and, but for a single row, 16 MiB.

    Of each column one megabyte of the file is in memory, and one page.

    Raises:
        UnreadableError: a column is missing, or holds something else than the table says.
        pyarrow.ArrowException: it is no Parquet file.
    """
    file = pq.ParquetFile(stored, buffer_size=_COLUMN_READ_BYTES, pre_buffer=False)
    where = places(schema, file.schema_arrow.names)
    for batch in file.iter_batches(batch_size=_rows_at_once(file.metadata), use_threads=False):
        arrays = [
            pa.nulls(batch.num_rows, field.type)
            if place is None
            else described(field, functools.partial(_restored, batch.column(place), field))
            for field, place in zip(schema, where, strict=True)
        ]
        yield from _small(batch_of(arrays, schema, batch.num_rows))


def _rows_at_once(metadata: pq.FileMetaData) -> int:
    """Return how many rows to decode at a time: fewer where they are wide."""
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    widest = max((group.total_byte_size // max(1, group.num_rows) for group in groups), default=0)
    return max(1, min(BATCH_ROWS, _BATCH_BYTES // max(1, widest)))


def _small(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    if batch.nbytes <= _BATCH_BYTES or batch.num_rows <= 1:
        yield batch
        return
    half = batch.num_rows // 2
    yield from _small(batch.slice(0, half))
    yield from _small(batch.slice(half))


def _restored(cells: pa.Array, field: pa.Field) -> pa.Array:
    """Return a column of the file as the field of core type that it was written from."""
    kind = field.type
    if types.is_null(kind):
        return pa.nulls(len(cells))
    if types.is_struct(kind):
        # flatten, not field: what a NULL struct hides in its NOT NULL members is no value
        members = cells.flatten() if types.is_struct(cells.type) else []
        children = [_restored(member, child) for member, child in zip(members, kind, strict=True)]
        return pa.Array.from_buffers(kind, len(cells), [_bitmap(cells)], children=children)
    if types.is_map(kind):
        return rebuilt(cells, kind, [_restoring(kind.key_field), _restoring(kind.item_field)], _uncounted)
    if is_list_like(kind):
        lengths = pc.list_value_length(cells).fill_null(0).to_numpy().astype(np.int64)
        valid = cells.is_valid().to_numpy(zero_copy_only=False)
        return listed(kind, lengths, valid, _restored(cells.flatten(), kind.value_field))
    return _leaf(cells, field)


def _restoring(field: pa.Field) -> Convert:
    return lambda cells, _count_altered: _restored(cells, field)


def _uncounted(_reason: str, _cells: int) -> None:
    """Reading alters no cell."""


def _leaf(cells: pa.Array, field: pa.Field) -> pa.Array:
    kind = field.type
    written_as_text = types.is_string(cells.type) or types.is_large_string(cells.type)
    if written_as_text and not (types.is_string(kind) or types.is_large_string(kind)):
        return from_text(cells.cast(pa.large_binary() if types.is_large_string(cells.type) else pa.binary()), field)
    # a second was written as 1,000 milliseconds: nothing is lost on the way back
    return cells if cells.type == kind and mark_of(field) is None else cells.cast(kind, safe=False)


def _bitmap(cells: pa.Array) -> pa.Buffer | None:
    return pa.concat_arrays([cells.is_valid()]).buffers()[1] if cells.null_count else None
