"""What is checked of decoded rows: that they stay within their memory, and nothing else."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from cloudquery_s3.errors import DecodeError
from cloudquery_s3.ipc.validation import columns_of_inner_lists, require_sound, require_sound_lists

DAY_US = 86_400_000_000
TIMES = pa.array([DAY_US, -1, 25 * DAY_US, None]).view(pa.time64("us"))
BYTES = pa.array([b"\xff\xfe", b"a", b"b", None])

MEANINGLESS = [
    TIMES,
    pa.array([86_400, -1, None], pa.int32()).view(pa.time32("s")),
    pa.array([86_400_000, -1, None], pa.int32()).view(pa.time32("ms")),
    pa.array([-1, 2**62, None]).view(pa.time64("ns")),
    pa.array([1, -1, None]).view(pa.date64()),
    *(
        pa.array([b"\x7f" * (kind.bit_width // 8), None], pa.binary(kind.bit_width // 8)).view(kind)
        for kind in (pa.decimal32(5, 2), pa.decimal64(12, 2), pa.decimal128(5, 2), pa.decimal256(50, 3))
    ),
    BYTES.view(pa.string()),
    BYTES.cast(pa.large_binary()).view(pa.large_string()),
    pa.Array.from_buffers(pa.string_view(), 4, BYTES.cast(pa.binary_view()).buffers()),
]


def nested(values: pa.Array) -> list[pa.Array]:
    """The values in every type that holds others."""
    size, kind = len(values), values.type
    order = pa.array(range(size), pa.int32())
    ones = pa.array([1] * size, pa.int32())
    ends = pa.array(range(1, size + 1), pa.int32())
    codes = pa.array([0] * size, pa.int8())
    return [
        values,
        pa.StructArray.from_arrays([values], ["a"]),
        pa.ListArray.from_arrays(pa.array(range(size + 1), pa.int32()), values),
        pa.LargeListArray.from_arrays(pa.array(range(size + 1), pa.int64()), values),
        pa.FixedSizeListArray.from_arrays(values, 1),
        pa.ListViewArray.from_arrays(order, ones, values),
        pa.MapArray.from_arrays(pa.array(range(size + 1), pa.int32()), order, values),
        pa.DictionaryArray.from_arrays(order, values),
        pa.Array.from_buffers(pa.run_end_encoded(pa.int32(), kind), size, [None], children=[ends, values]),
        pa.UnionArray.from_sparse(codes, [values]),
        pa.UnionArray.from_dense(codes, order, [values]),
    ]


@pytest.mark.parametrize("values", MEANINGLESS, ids=lambda values: str(values.type))
def test_what_values_mean_is_not_checked(values: pa.Array) -> None:
    """Values that their type has no room for pass, at any depth: each format has its way to write them."""
    for array in nested(values):
        with pytest.raises(pa.ArrowInvalid):  # or this test shows nothing
            array.validate(full=True)
        require_sound(pa.record_batch([array], names=["c"]))
        require_sound(pa.record_batch([array], names=["c"]).slice(1))


def with_numbers(kind: pa.DataType, numbers: list[int], form: str, *rest: pa.Buffer, rows: int = 2) -> pa.Array:
    """An array whose second buffer holds these numbers."""
    return pa.Array.from_buffers(kind, rows, [None, pa.py_buffer(np.array(numbers, form)), *rest])


TEXT = pa.py_buffer(b"secret")

UNSOUND = [
    with_numbers(pa.string(), [0, 9, 6], "<i4", TEXT),
    with_numbers(pa.large_string(), [0, -1, 6], "<i8", TEXT),
    with_numbers(pa.string_view(), [20, 0, 3, 0, 20, 0, 0, 9999], "<i4", pa.py_buffer(b"secret" * 9)),
    pa.DictionaryArray.from_arrays(pa.array([0, 5], pa.int8()), TIMES, safe=False),
    pa.Array.from_buffers(
        pa.list_(pa.time64("us")), 2, [None, pa.py_buffer(np.array([0, 9, 4], "<i4"))], children=[TIMES]
    ),
    pa.Array.from_buffers(
        pa.run_end_encoded(pa.int32(), TIMES.type), 2, [None], children=[pa.array([-3, 2], pa.int32()), TIMES]
    ),
    pa.Array.from_buffers(
        pa.dense_union([pa.field("a", TIMES.type)]),
        2,
        [None, pa.py_buffer(bytes(2)), pa.py_buffer(np.array([0, 99], "<i4"))],
        children=[TIMES],
    ),
]


@pytest.mark.parametrize("array", UNSOUND, ids=lambda array: str(array.type))
def test_what_leads_outside_of_its_memory_is_refused(array: pa.Array) -> None:
    """A number that leads outside of its memory is refused by column, beside values without meaning too."""
    for data in ({"c": array}, {"odd": TIMES[: len(array)], "c": array}):
        with pytest.raises(
            DecodeError, match=r"^column c of a record batch has offsets, sizes or indexes that"
        ) as told:
            require_sound(pa.record_batch(data))
        assert "secret" not in str(told.value)
        assert told.value.__cause__ is None, "what pyarrow says may hold a cell's value"


@pytest.mark.parametrize(
    "kind", [pa.list_(pa.int8()), pa.large_list(pa.int8()), pa.map_(pa.int8(), pa.int8())], ids=str
)
def test_lists_of_no_lists_begin_inside_of_their_values(kind: pa.DataType) -> None:
    """A list array without lists has one offset that nobody checks, and that ends the process when it is followed."""
    values = pa.array([], kind.field(0).type)
    wide = pa.types.is_large_list(kind)
    for first, outside in ((0, False), (1, True), (175, True)):
        offset = pa.py_buffer(np.array([first], np.int64 if wide else np.int32))
        empty = pa.Array.from_buffers(kind, 0, [None, offset], children=[values])
        empty.validate(full=True)
        for array in (
            pa.ListArray.from_arrays(pa.array([0, 0], pa.int32()), empty),
            pa.StructArray.from_arrays([pa.FixedSizeListArray.from_arrays(empty, 1)], ["a"]),
            pa.DictionaryArray.from_arrays(pa.array([None], pa.int8()), empty),
        ):
            batch = pa.record_batch({"c": array})
            require_sound(batch)
            columns = columns_of_inner_lists(batch.schema)
            assert columns == (0,)
            if outside:
                with pytest.raises(DecodeError, match=r"^column c of a record batch has offsets"):
                    require_sound_lists(batch, columns)
            else:
                require_sound_lists(batch, columns)
