"""Batches of any size made into batches that are cheap to render."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pyarrow as pa

from cloudquery_s3.table import same_columns

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_ROWS: Final = 8192
_BYTES: Final = 12 << 20
"""A call of a kernel costs some microseconds, so few rows are expensive; what a batch becomes on the way takes
several times its bytes, so a large one is expensive as well."""
_ENOUGH_ROWS: Final = 2048
_ENOUGH_BYTES: Final = 4 << 20
"""Beyond these, calls cost little by row, and to copy the rows costs more than it spares."""
_SMALL_BYTES: Final = 1 << 20
_VIEWS: Final = (pa.string_view(), pa.binary_view())


def rebatched(batches: Sequence[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield the same rows in the same order, in batches of a few thousand rows and a few megabytes.

    Neighbours are only put together if they have the same columns, and none that is yet to be written out: how large
    that becomes is known where they were received, and they were cut there. A row is never divided, however large.
    """
    waiting: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        if waiting and (rows >= _ENOUGH_ROWS or size >= _ENOUGH_BYTES or not _joins(waiting, batch)):
            yield from _divided(waiting, rows, size)
            waiting, rows, size = [], 0, 0
        waiting.append(batch)
        rows += batch.num_rows
        size += _size(batch)
    if waiting:
        yield from _divided(waiting, rows, size)


def _joins(waiting: list[pa.RecordBatch], batch: pa.RecordBatch) -> bool:
    """Tell whether a batch may be put together with those that wait: where several do, they are known not to refer."""
    return same_columns(waiting[0].schema, batch.schema) and (len(waiting) > 1 or not _refers(batch.schema))


def _refers(fields: Iterable[pa.Field]) -> bool:
    """Tell whether a type, at any depth, refers to values that it may refer to many times."""
    types = pa.types
    return any(
        types.is_dictionary(kind)
        or types.is_run_end_encoded(kind)
        or types.is_union(kind)
        or types.is_list_view(kind)
        or types.is_large_list_view(kind)
        or kind in _VIEWS
        or _refers(kind.field(index) for index in range(kind.num_fields))
        for kind in (field.type for field in fields)
    )


def _divided(batches: list[pa.RecordBatch], rows: int, size: int) -> Iterator[pa.RecordBatch]:
    if not rows:
        return
    whole = batches[0] if len(batches) == 1 else pa.concat_batches(_under_one_schema(batches))
    count = max(-(-rows // _ROWS), min(-(-size // _BYTES), rows))
    step = -(-rows // count)
    for start in range(0, rows, step):
        yield whole.slice(start, step) if step < rows else whole


def _size(batch: pa.RecordBatch) -> int:
    """Return about how many bytes a batch has: exactly only where it is large, since that takes time."""
    held: int = batch.get_total_buffer_size()
    return held if held < _SMALL_BYTES else batch.nbytes


def _under_one_schema(batches: list[pa.RecordBatch]) -> list[pa.RecordBatch]:
    """Return batches of the same columns with the same metadata as well."""
    schema = batches[0].schema
    return [
        batch
        if batch.schema.equals(schema, check_metadata=True)
        else pa.RecordBatch.from_arrays(batch.columns, schema=schema)
        for batch in batches
    ]
