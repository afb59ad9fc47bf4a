"""Random Arrow schemas and rows, of every type that a record batch message can hold without a dictionary."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable

LEAVES: list[pa.DataType] = [
    pa.null(),
    pa.bool_(),
    *(pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()),
    *(pa.float16(), pa.float32(), pa.float64()),
    *(pa.string(), pa.binary(), pa.large_string(), pa.large_binary()),
    *(pa.binary(0), pa.binary(3), pa.binary(6), pa.binary(16)),
    *(pa.date32(), pa.date64(), pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns")),
    *(pa.timestamp("us", "UTC"), pa.timestamp("ns"), pa.duration("ms"), pa.month_day_nano_interval()),
    *(pa.decimal32(5, 2), pa.decimal64(12, 3), pa.decimal128(20, 4), pa.decimal256(50, 5)),
]


def types(leaves: list[pa.DataType] = LEAVES) -> st.SearchStrategy[pa.DataType]:
    """Types nested up to three deep."""
    inner = st.sampled_from(leaves)
    for _ in range(2):
        inner = st.one_of(st.sampled_from(leaves), _nested(inner))
    return inner


def _nested(child: st.SearchStrategy[pa.DataType]) -> st.SearchStrategy[pa.DataType]:
    fields = st.lists(child, max_size=3).map(lambda kinds: pa.struct([(f"f{i}", kind) for i, kind in enumerate(kinds)]))
    return st.one_of(
        child.map(pa.list_),
        child.map(pa.large_list),
        st.tuples(child, st.integers(0, 3)).map(lambda pair: pa.list_(*pair)),
        st.tuples(st.sampled_from([pa.string(), pa.int32()]), child).map(lambda pair: pa.map_(*pair)),
        fields,
    )


def schemas(leaves: list[pa.DataType] = LEAVES) -> st.SearchStrategy[pa.Schema]:
    """Schemas of one to six columns."""
    return st.lists(types(leaves), min_size=1, max_size=6).map(
        lambda kinds: pa.schema([(f"c{i}", kind) for i, kind in enumerate(kinds)], metadata={"cq:table_name": "t"})
    )


def batch(schema: pa.Schema, rows: int, random: np.random.Generator, nulls: float = 0.3) -> pa.RecordBatch:
    """Return random rows; each nullable column has nulls with this probability, or none at all."""
    return pa.record_batch([array(field.type, rows, random, nulls) for field in schema], schema=schema)


def array(kind: pa.DataType, size: int, random: np.random.Generator, nulls: float = 0.3) -> pa.Array:
    """Return random values of a type. What a null hides is random too."""
    if pa.types.is_null(kind):
        return pa.nulls(size)
    hidden = random.random(size) < (nulls if random.random() < 0.7 else 0)
    validity = pa.py_buffer(np.packbits(~hidden, bitorder="little")) if hidden.any() else None
    buffers, children = _content(kind, size, random, nulls)
    return pa.Array.from_buffers(kind, size, [validity, *buffers], int(hidden.sum()), children=children or None)


def _content(
    kind: pa.DataType, size: int, random: np.random.Generator, nulls: float
) -> tuple[list[pa.Buffer], list[pa.Array]]:
    """Return the buffers of an array but its bitmap, and its children."""
    if pa.types.is_struct(kind):
        return [], [array(field.type, size, random, nulls) for field in kind]
    if pa.types.is_fixed_size_list(kind):
        return [], [array(kind.value_type, size * kind.list_size, random, nulls)]
    for test, most, form in _OFFSETS:
        if test(kind):
            offsets = np.zeros(size + 1, form)
            np.cumsum(random.integers(0, most, size), out=offsets[1:])
            values, children = _values(kind, int(offsets[-1]), random, nulls)
            return [pa.py_buffer(offsets), *values], children
    return [pa.py_buffer(_fixed(kind, size, random))], []


def _values(
    kind: pa.DataType, size: int, random: np.random.Generator, nulls: float
) -> tuple[list[pa.Buffer], list[pa.Array]]:
    """Return what the offsets of an array point into."""
    if pa.types.is_map(kind):
        keys = array(kind.key_type, size, random, 0)
        items = array(kind.item_type, size, random, nulls)
        return [], [pa.StructArray.from_arrays([keys, items], fields=[kind.key_field, kind.item_field])]
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return [], [array(kind.value_type, size, random, nulls)]
    return [pa.py_buffer(random.integers(32, 127, size).astype(np.uint8))], []


_OFFSETS: list[tuple[Callable[[pa.DataType], bool], int, str]] = [
    (pa.types.is_string, 9, "<i4"),
    (pa.types.is_binary, 9, "<i4"),
    (pa.types.is_large_string, 9, "<i8"),
    (pa.types.is_large_binary, 9, "<i8"),
    (pa.types.is_map, 3, "<i4"),
    (pa.types.is_list, 3, "<i4"),
    (pa.types.is_large_list, 3, "<i8"),
]


def _fixed(kind: pa.DataType, size: int, random: np.random.Generator) -> bytes:
    for test, make in _FIXED:
        if test(kind):
            return make(kind, size, random)
    return random.bytes((size * kind.bit_width + 7) // 8)


def _floats(kind: pa.DataType, size: int, random: np.random.Generator) -> bytes:
    """No NaN: it is not equal to itself."""
    return random.normal(size=size).astype(f"<f{kind.bit_width // 8}").tobytes()


def _decimals(kind: pa.DataType, size: int, random: np.random.Generator) -> bytes:
    width = kind.bit_width // 8
    return b"".join(
        value.to_bytes(width, "little", signed=True) for value in random.integers(-9999, 9999, size).tolist()
    )


def _days(_: pa.DataType, size: int, random: np.random.Generator) -> bytes:
    return (random.integers(-9999, 9999, size) * 86_400_000).astype("<i8").tobytes()


def _times(kind: pa.DataType, size: int, random: np.random.Generator) -> bytes:
    return random.integers(0, 86_400, size).astype(f"<i{kind.bit_width // 8}").tobytes()


_FIXED: list[tuple[Callable[[pa.DataType], bool], Callable[[pa.DataType, int, np.random.Generator], bytes]]] = [
    (pa.types.is_floating, _floats),
    (pa.types.is_decimal, _decimals),
    (pa.types.is_date64, _days),
    (pa.types.is_time, _times),
]
