"""How large rows become once they are written out.

A dictionary, a view, a list view, a run-end encoding and a dense union can refer to one value many times: what is half
a megabyte as received can be gigabytes to the encoders, which know none of these types. Their size is found without
writing anything out: by how often each value is referred to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Ints: TypeAlias = npt.NDArray[np.int64]
Times: TypeAlias = Ints | None
"""How often each value of an array is referred to; None where it is once."""

_BLOCK_ROWS: Final = 1 << 20
_UNION_BYTES: Final = 16
_DECIMAL_BYTES: Final = 16


def cut(batch: pa.RecordBatch, most_bytes: int) -> Iterator[tuple[pa.RecordBatch, int]]:
    """Yield a sound batch in order in parts of at most `most_bytes` written out, or one row; and what each takes."""
    size = sum(expanded_bytes(column) for column in batch.columns)
    rows = batch.num_rows
    if size <= most_bytes or rows <= 1:
        yield batch, size
        return
    step = max(1, min(rows // 2, rows * most_bytes // size))
    for start in range(0, rows, step):
        yield from cut(batch.slice(start, step), most_bytes)


def expanded_bytes(array: pa.Array, times: Times = None) -> int:
    """Return what the values of a sound array take in plain Arrow types, each as often as `times` says.

    About: bitmaps may be missing or one byte longer. A value of the null type counts one byte.

    Source: what `formats.columns.normalise` does to each type.
    """
    kind = array.type
    for test, measure in _MEASURES:
        if test(kind):
            return measure(array, times)
    width_bits: int = kind.bit_width
    return _count(array, times) * width_bits // 8


def _count(array: pa.Array, times: Times) -> int:
    return len(array) if times is None else int(times.sum())


def _null(array: pa.Array, times: Times) -> int:
    return _count(array, times)


def _extension(array: pa.Array, times: Times) -> int:
    return expanded_bytes(array.storage, times)


def _decimal(array: pa.Array, times: Times) -> int:
    return _count(array, times) * _DECIMAL_BYTES


def _bytes(array: pa.Array, times: Times) -> int:
    lengths = pc.binary_length(array).fill_null(0).to_numpy()
    return _text(array, lengths, times, 8 if lengths.dtype == np.int64 else 4)


def _view(array: pa.Array, times: Times) -> int:
    views = _slots(array, 1, np.dtype((np.int32, 4)))
    lengths = views[:, 0]
    return _text(array, np.where(_valid(array), lengths, 0), times, 4)


def _text(array: pa.Array, lengths: npt.NDArray[np.signedinteger], times: Times, offset_bytes: int) -> int:
    total = lengths.sum(dtype=np.int64) if times is None else np.dot(lengths.astype(np.int64), times)
    return int(total) + (_count(array, times) + 1) * offset_bytes


def _dictionary(array: pa.Array, times: Times) -> int:
    values = array.dictionary
    counts = np.zeros(len(values), np.int64)
    step = max(_BLOCK_ROWS, len(values))
    for start in range(0, len(array), step):
        block = array.slice(start, step)
        valid = _valid(block)
        indices = block.indices.fill_null(0).to_numpy()[valid]
        weights = None if times is None else times[start : start + step][valid]
        counts += np.bincount(indices, weights, len(values)).astype(np.int64)
    return expanded_bytes(values, counts) + _count(array, times) // 8


def _run_ends(array: pa.Array, times: Times) -> int:
    ends = array.run_ends.to_numpy().astype(np.int64)
    ends = np.clip(ends - array.offset, 0, len(array))
    if times is not None:
        ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(times)])[ends]
    return expanded_bytes(array.values, np.diff(ends, prepend=0))


def _list(array: pa.Array, times: Times) -> int:
    offsets = array.offsets.to_numpy().astype(np.int64)
    start, end = int(offsets[0]), int(offsets[-1])
    inner = None if times is None else np.repeat(times, np.diff(offsets))
    children = [array.keys, array.items] if pa.types.is_map(array.type) else [array.values]
    size = sum(expanded_bytes(child.slice(start, end - start), inner) for child in children)
    return size + (_count(array, times) + 1) * (8 if pa.types.is_large_list(array.type) else 4)


def _fixed_list(array: pa.Array, times: Times) -> int:
    each = array.type.list_size
    inner = None if times is None else np.repeat(times, each)
    return expanded_bytes(array.values.slice(array.offset * each, len(array) * each), inner)


def _list_view(array: pa.Array, times: Times) -> int:
    offsets, sizes = (part.to_numpy().astype(np.int64) for part in (array.offsets, array.sizes))
    taken = _valid(array) & (sizes > 0)
    starts, once = offsets[taken], np.ones(len(array), np.int64) if times is None else times
    steps = np.zeros(len(array.values) + 1, np.int64)
    np.add.at(steps, starts, once[taken])
    np.subtract.at(steps, starts + sizes[taken], once[taken])
    size = expanded_bytes(array.values, np.cumsum(steps)[:-1])
    return size + (_count(array, times) + 1) * (8 if pa.types.is_large_list_view(array.type) else 4)


def _struct(array: pa.Array, times: Times) -> int:
    children = [array.field(index) for index in range(array.type.num_fields)]
    return sum(expanded_bytes(child, times) for child in children) + _count(array, times) // 8


def _union(array: pa.Array, times: Times) -> int:
    once = np.ones(len(array), np.int64) if times is None else times
    codes = _slots(array, 1, np.int8)
    size = _count(array, times) * _UNION_BYTES
    for index, code in enumerate(array.type.type_codes):
        child, chosen = array.field(index), codes == code
        if array.type.mode == "sparse":
            inner = np.where(chosen, once, 0)
        else:
            places = _slots(array, 2, np.int32)[chosen]
            inner = np.bincount(places, once[chosen], len(child)).astype(np.int64)
        size += expanded_bytes(child, inner)
    return size


def _slots(array: pa.Array, number: int, kind: npt.DTypeLike) -> npt.NDArray[np.signedinteger]:
    """Return the values of a buffer that belong to an array: pyarrow's own views of them forget that it is a slice."""
    data = array.buffers()[number]
    values: npt.NDArray[np.signedinteger] = np.frombuffer(data or b"", kind)
    return values[array.offset :][: len(array)]


def _valid(array: pa.Array) -> npt.NDArray[np.bool_]:
    valid: npt.NDArray[np.bool_] = array.is_valid().to_numpy(zero_copy_only=False)
    return valid


_types: Final = pa.types
_MEASURES: Final[list[tuple[Callable[[pa.DataType], bool], Callable[[pa.Array, Times], int]]]] = [
    (lambda kind: isinstance(kind, pa.BaseExtensionType), _extension),
    (_types.is_null, _null),
    (lambda kind: kind in (pa.string_view(), pa.binary_view()), _view),
    (lambda kind: _types.is_string(kind) or _types.is_large_string(kind), _bytes),
    (lambda kind: _types.is_binary(kind) or _types.is_large_binary(kind), _bytes),
    (_types.is_dictionary, _dictionary),
    (_types.is_run_end_encoded, _run_ends),
    (lambda kind: _types.is_list_view(kind) or _types.is_large_list_view(kind), _list_view),
    (_types.is_fixed_size_list, _fixed_list),
    (lambda kind: _types.is_list(kind) or _types.is_large_list(kind) or _types.is_map(kind), _list),
    (_types.is_struct, _struct),
    (_types.is_union, _union),
    (lambda kind: _types.is_decimal32(kind) or _types.is_decimal64(kind), _decimal),
]
