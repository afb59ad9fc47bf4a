"""Columns of a table made from those of a file."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

CELL_ERRORS: Final = (pa.ArrowException, msgspec.MsgspecError, ValueError, TypeError, KeyError, RecursionError)
"""What comes of a cell that holds something else than its type says."""


class UnreadableError(ValueError):
    """An object is not one of this table; the message names columns and types, never what a cell holds."""


def described(field: pa.Field, make: Callable[[], pa.Array]) -> pa.Array:
    """Return what `make` makes of a column.

    Raises:
        UnreadableError: it raised; whatever it said may hold a cell's value.
    """
    try:
        return make()
    except CELL_ERRORS as error:
        problem = f"column {field.name} does not hold what a column of type {field.type} is written as"
        raise UnreadableError(f"{problem} ({type(error).__name__})") from None


def places(wanted: pa.Schema, found: Sequence[str]) -> list[int | None]:
    """Return where each wanted column stands among the found ones, by name; None where it does not.

    Of columns with one name, the first is the first.

    Raises:
        UnreadableError: none of them stands there, or not one that has no NULLs.
    """
    by_name: dict[str, list[int]] = defaultdict(list)
    for index, name in enumerate(found):
        by_name[name].append(index)
    result: list[int | None] = []
    for field in wanted:
        known = by_name[field.name]
        if not known and not field.nullable:
            raise UnreadableError(f"it has no column {field.name}, which the table declares NOT NULL")
        result.append(known.pop(0) if known else None)
    if len(wanted) and all(place is None for place in result):
        raise UnreadableError("it has none of the table's columns")
    return result


def listed(
    kind: pa.DataType, lengths: npt.NDArray[np.int64], valid: npt.NDArray[np.bool_], values: pa.Array
) -> pa.Array:
    """Return a list, large list, fixed-size list or map array of lists that stand one after the other in `values`.

    Args:
        kind: the type.
        lengths: of each list; 0 where it is NULL.
        valid: whether it is no NULL.
        values: the elements, of the type's element type.

    Raises:
        ValueError: a list has not the fixed size, or a map has NULL for an entry or a key.
    """
    bitmap = validity_of(valid)
    if pa.types.is_fixed_size_list(kind):
        size = kind.list_size
        if (lengths[valid] != size).any():
            raise ValueError(f"a list of another size than {size}")
        rows = np.cumsum(valid) - 1
        picked = rows[:, None] * size + np.arange(size)
        hidden = np.repeat(~valid, size)
        values = values.take(pa.array(picked.reshape(-1), mask=hidden)) if hidden.any() else values
        return pa.Array.from_buffers(kind, len(lengths), [bitmap], children=[values])
    if pa.types.is_map(kind) and (values.null_count or values.field(0).null_count):
        raise ValueError("a map has NULL for an entry or a key")  # Arrow would end the process
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    wide = pa.types.is_large_list(kind)
    buffers = [bitmap, pa.py_buffer(offsets if wide else offsets.astype(np.int32))]
    return pa.Array.from_buffers(kind, len(lengths), buffers, children=[values])


def validity_of(valid: npt.NDArray[np.bool_]) -> pa.Buffer | None:
    """Return the bitmap of an array's validity; None where all of it is."""
    return None if valid.all() else pa.py_buffer(np.packbits(valid, bitorder="little"))


def batch_of(arrays: list[pa.Array], schema: pa.Schema, rows: int) -> pa.RecordBatch:
    """Return a batch, also of a table without columns."""
    if arrays:
        return pa.RecordBatch.from_arrays(arrays, schema=schema)
    empty = pa.RecordBatch.from_struct_array(pa.Array.from_buffers(pa.struct([]), rows, [None]))
    return empty.replace_schema_metadata(schema.metadata)
