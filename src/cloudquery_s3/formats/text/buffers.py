"""Arrow's buffers as numpy arrays, and back: what the text kernels stand on."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Octets: TypeAlias = npt.NDArray[np.uint8]
Offsets: TypeAlias = npt.NDArray[Any]
Flags: TypeAlias = npt.NDArray[np.bool_]

_SMALL_LIMIT = 2**31 - 1


def is_wide(kind: pa.DataType) -> bool:
    """Tell whether a text or binary type counts with 64-bit offsets."""
    return bool(pa.types.is_large_string(kind) or pa.types.is_large_binary(kind))


def validity(cells: pa.Array) -> pa.Buffer | None:
    """Return the validity bitmap of an array, starting at bit 0; None where nothing is NULL."""
    if not cells.null_count:
        return None
    valid = pc.is_valid(cells)
    if valid.offset:
        valid = pa.concat_arrays([valid])
    return valid.buffers()[1]


def valid_flags(cells: pa.Array) -> Flags:
    """Return for each cell whether it holds a value."""
    if not cells.null_count:
        return np.ones(len(cells), np.bool_)
    bitmap = cells.buffers()[0]
    if bitmap is None:  # a column of type null
        return np.zeros(len(cells), np.bool_)
    first, skipped = divmod(cells.offset, 8)
    octets = np.frombuffer(bitmap, np.uint8)[first : first + -(-(skipped + len(cells)) // 8)]
    return np.unpackbits(octets, count=skipped + len(cells), bitorder="little")[skipped:].view(np.bool_)


def spans(cells: pa.Array) -> tuple[Offsets, Octets]:
    """Return a text or binary array as offsets and bytes.

    Offsets start at 0; cell i is `octets[offsets[i]:offsets[i + 1]]`.
    """
    _, offsets_buffer, data_buffer = cells.buffers()
    dtype = np.int64 if is_wide(cells.type) else np.int32
    if not len(cells) or offsets_buffer is None:
        return np.zeros(len(cells) + 1, dtype), np.empty(0, np.uint8)
    offsets: Offsets = np.frombuffer(offsets_buffer, dtype)[cells.offset : cells.offset + len(cells) + 1]
    first, last = int(offsets[0]), int(offsets[-1])
    if last == first:
        return offsets - offsets[0], np.empty(0, np.uint8)
    octets = np.frombuffer(data_buffer, np.uint8)[first:last]
    return (offsets - offsets[0] if first else offsets), octets


def fixed(cells: pa.Array, width_bytes: int) -> Octets:
    """Return the bytes of a fixed-width array, one row of `width_bytes` a cell."""
    count = len(cells)
    data_buffer = cells.buffers()[1]
    if not count or not width_bytes or data_buffer is None:
        return np.zeros((count, width_bytes), np.uint8)
    start = cells.offset * width_bytes
    octets = np.frombuffer(data_buffer, np.uint8)[start : start + count * width_bytes]
    return octets.reshape(count, width_bytes)


def numbers(cells: pa.Array, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Return the raw values of a primitive array; what stands beneath a NULL is anything."""
    kind = np.dtype(dtype)
    return fixed(cells, kind.itemsize).reshape(-1).view(kind)


def text(offsets: Offsets, octets: Octets | bytes | pa.Buffer, valid: pa.Buffer | None) -> pa.Array:
    """Return a string array of these parts; `large_string` where the bytes exceed what 32-bit offsets count."""
    kind = pa.string()
    if offsets.dtype != np.int32:
        if int(offsets[-1]) > _SMALL_LIMIT:
            kind = pa.large_string()
            offsets = offsets.astype(np.int64, copy=False)
        else:
            offsets = offsets.astype(np.int32)
    buffers = [valid, pa.py_buffer(np.ascontiguousarray(offsets)), pa.py_buffer(octets)]
    return pa.Array.from_buffers(kind, len(offsets) - 1, buffers)


def narrow(cells: pa.Array) -> pa.Array:
    """Return text or binary cells as a string array, without checking or copying what can stay."""
    kind = cells.type
    if pa.types.is_string(kind):
        return cells
    if pa.types.is_binary(kind):
        return pa.Array.from_buffers(pa.string(), len(cells), cells.buffers(), offset=cells.offset)
    offsets, octets = spans(cells)
    return text(offsets, octets, validity(cells))


def with_validity(texts: pa.Array, cells: pa.Array) -> pa.Array:
    """Return texts that are NULL exactly where the cells are."""
    if not cells.null_count:
        return texts
    if texts.offset:
        texts = pa.concat_arrays([texts])
    return pa.Array.from_buffers(texts.type, len(cells), [validity(cells), *texts.buffers()[1:]])


def spread(texts: pa.Array, cells: pa.Array) -> pa.Array:
    """Return texts, of which there is one for each value of `cells`, with the NULLs of `cells` between them."""
    if not cells.null_count:
        return texts
    lengths, octets = spans(texts)
    sizes = np.zeros(len(cells), np.int64)
    sizes[valid_flags(cells)] = np.diff(lengths)
    offsets = np.zeros(len(cells) + 1, np.int64)
    np.cumsum(sizes, out=offsets[1:])
    return text(offsets, octets, validity(cells))


def without_hidden(cells: pa.Array) -> pa.Array:
    """Return text or binary cells with no bytes beneath their NULLs; the same array where there are none."""
    if not cells.null_count or not np.diff(spans(cells)[0])[~valid_flags(cells)].any():
        return cells
    return spread(narrow(cells.drop_null()), cells)


def text_of_rows(rows: Octets, valid: pa.Buffer | None) -> pa.Array:
    """Return a string array whose cells all have the width of a row."""
    count, width = rows.shape
    offsets = np.arange(count + 1, dtype=np.int64) * width
    return text(offsets, np.ascontiguousarray(rows).reshape(-1), valid)


def text_of_kept(rows: Octets, keep: Flags, valid: pa.Buffer | None) -> pa.Array:
    """Return a string array of those bytes of each row that `keep` (of the same shape) marks; rows are below 256."""
    offsets = np.zeros(len(rows) + 1, np.int64)
    np.cumsum(keep.view(np.uint8).sum(axis=1, dtype=np.uint8), out=offsets[1:])
    return text(offsets, rows[keep], valid)


def memory(octets: Octets) -> memoryview:
    """Return the bytes for functions that know nothing of numpy, without copying where they are contiguous."""
    return memoryview(np.ascontiguousarray(octets).reshape(-1))  # type: ignore[arg-type] # numpy arrays are buffers


def row_bytes(lines: pa.Array) -> memoryview:
    """Return the bytes of all cells of a string array, in order, without copying them."""
    return memory(spans(lines)[1])


def empty_text() -> pa.Array:
    """Return a string array without cells."""
    return pa.array([], pa.string())
