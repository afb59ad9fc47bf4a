"""Many small messages of one table, decoded at once into one record batch.

Arrow's reader needs some 20 µs a message and the merging of its batches as much again. Here the cost is by buffer
instead: numpy reads all heads as one matrix, and one `take` moves every message's buffers to where the merged buffers
want them. What is left for Python is putting offsets and bitmaps together, once per column.

Whatever is not as writers usually do it raises `FallBackToArrow`: Arrow's reader then decodes the messages one by one.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cloudquery_s3.ipc.fallback import FallBackToArrow

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cloudquery_s3.ipc.received import EncodedMessage
    from cloudquery_s3.ipc.shape import BatchShape

Ints: TypeAlias = npt.NDArray[np.int64]

_MAX_BYTES: Final = 2**31 - 1
_OFFSET_TYPES: Final[dict[int, type[np.signedinteger[Any]]]] = {4: np.int32, 8: np.int64}


def decode_in_bulk(messages: Sequence[EncodedMessage]) -> pa.RecordBatch:
    """Return the rows of messages that have the same schema and head layout as one record batch.

    Its buffers are within bounds; what is in them is not checked.

    Raises:
        FallBackToArrow: they must be decoded one by one.
    """
    columns = messages[0].layout.shape.columns
    merged = _MergedBuffers(messages)
    rows = _Rows(merged.lengths[columns[0]])
    arrays = [merged.array(column, rows) for column in columns]
    return pa.RecordBatch.from_arrays(arrays, schema=messages[0].known.schema)


def _require(condition: object) -> None:
    if not condition:
        raise FallBackToArrow


class _Heads:
    """The numbers of all heads, one row for each array or buffer, one column for each message.

    Attributes:
        lengths: of the arrays.
        null_counts: of the arrays.
        at: where the buffers start in the joined messages.
        sizes: of the buffers.
    """

    def __init__(self, messages: Sequence[EncodedMessage]) -> None:
        layout = messages[0].layout
        head, nodes_at, buffers_at = layout.size, layout.nodes_at, layout.buffers_at
        _require(not (head % 8 or nodes_at % 8 or buffers_at % 8))
        joined = b"".join([message.data[:head] for message in messages])
        words = np.frombuffer(joined, np.int64).reshape(len(messages), head // 8)
        nodes = words[:, nodes_at // 8 :][:, : 2 * len(layout.shape.arrays)].T
        buffers = words[:, buffers_at // 8 :][:, : 2 * layout.shape.buffers].T
        self.lengths: Ints = np.ascontiguousarray(nodes[0::2])
        self.null_counts: Ints = np.ascontiguousarray(nodes[1::2])
        self.sizes: Ints = np.ascontiguousarray(buffers[1::2])
        offsets = np.ascontiguousarray(buffers[0::2])
        message_bytes = np.array([len(message.data) for message in messages])
        body_bytes = message_bytes - head
        for numbers, most in ((self.lengths, _MAX_BYTES), (offsets, body_bytes), (self.sizes, body_bytes - offsets)):
            _require((numbers >= 0).all() and (numbers <= most).all())
        _require((self.null_counts >= 0).all() and (self.null_counts <= self.lengths).all())
        _require(not (offsets & 7).any() and not (message_bytes & 7).any())
        _require(message_bytes.sum() <= _MAX_BYTES)
        self.at: Ints = offsets + (np.cumsum(message_bytes) - body_bytes)


class _Plan:
    """Which arrays and buffers of a shape are measured alike: index arrays, one for each kind.

    Attributes:
        bitmaps: arrays that may have nulls, and their bitmaps.
        bits: arrays of booleans, and their values.
        fixed: arrays of values of fixed width, and their values; `widths` has these widths, as a column.
        offsets: by width of the offsets: arrays that have them, and the offsets.
        texts: arrays of bytes, and these bytes.
        lists: arrays of lists, and their child arrays.
        tied: arrays, and child arrays whose length follows from theirs; `ties` has the factors, as a column.
        alignments: for each buffer, what its values must be aligned to.
    """

    def __init__(self, shape: BatchShape) -> None:
        arrays = list(enumerate(shape.arrays))
        self.bitmaps = _pairs((number, array.buffer) for number, array in arrays if array.kind != "null")
        self.bits = _pairs((number, array.buffer + 1) for number, array in arrays if array.kind == "bits")
        fixed = [(number, array) for number, array in arrays if array.kind == "fixed"]
        self.fixed = _pairs((number, array.buffer + 1) for number, array in fixed)
        self.widths = np.array([[array.width] for _, array in fixed], np.int64).reshape(-1, 1)
        offsets = [(number, array) for number, array in arrays if array.kind in {"bytes", "list"}]
        self.offsets = {
            width: _pairs((number, array.buffer + 1) for number, array in offsets if array.width == width)
            for width in _OFFSET_TYPES
        }
        self.texts = _pairs((number, array.buffer + 2) for number, array in arrays if array.kind == "bytes")
        self.lists = _pairs((number, array.children[0]) for number, array in arrays if array.kind == "list")
        tied = [(number, array) for number, array in arrays if array.kind in {"struct", "fixed_list"}]
        self.tied = _pairs((number, child) for number, array in tied for child in array.children)
        factors = [[array.width if array.kind == "fixed_list" else 1] for _, array in tied for _ in array.children]
        self.ties = np.array(factors, np.int64).reshape(-1, 1)
        self.alignments = np.ones(shape.buffers, np.int64)
        for _, array in [*fixed, *offsets]:
            self.alignments[array.buffer + 1] = np.gcd(array.width, 8)


_plans: WeakKeyDictionary[BatchShape, _Plan] = WeakKeyDictionary()


def _plan(shape: BatchShape) -> _Plan:
    plan = _plans.get(shape)
    if plan is None:
        plan = _plans[shape] = _Plan(shape)
    return plan


def _pairs(pairs: Iterable[tuple[int, int]]) -> tuple[Ints, Ints]:
    table = np.array(list(pairs), np.int64).reshape(-1, 2)
    return table[:, 0].copy(), table[:, 1].copy()


class _MergedBuffers:
    """The used part of every buffer of every message, moved together buffer by buffer.

    Attributes:
        lengths: of the arrays, one row each, one column for each message.
    """

    def __init__(self, messages: Sequence[EncodedMessage]) -> None:
        shape = messages[0].layout.shape
        self._arrays = shape.arrays
        self._heads = heads = _Heads(messages)
        self._joined = b"".join([message.data for message in messages])
        self.lengths = lengths = heads.lengths
        plan = _plan(shape)
        arrays, children = plan.tied
        _require((lengths[list(shape.columns)] == [message.rows for message in messages]).all())
        _require((lengths[children] == lengths[arrays] * plan.ties).all())
        self._has_nulls = heads.null_counts > 0
        _require(not self._has_nulls[shape.never_null].any())  # Arrow ends the process over one
        self._any_nulls: list[bool] = np.logical_or.reduce(self._has_nulls, axis=1).tolist()
        need = self._measure(plan)
        _require((need <= heads.sizes).all())
        self._moved_at: dict[int, tuple[int, int]] = {}
        self._moved = self._gather(need, plan.alignments)

    def _measure(self, plan: _Plan) -> Ints:
        """Return how many bytes of each buffer are in use."""
        lengths = self.lengths
        need: Ints = np.zeros_like(self._heads.sizes)
        bit_bytes = (lengths + 7) >> 3
        arrays, buffers = plan.bitmaps
        need[buffers] = np.where(self._has_nulls[arrays], bit_bytes[arrays], 0)
        arrays, buffers = plan.bits
        need[buffers] = bit_bytes[arrays]
        arrays, buffers = plan.fixed
        need[buffers] = lengths[arrays] * plan.widths
        ends = np.zeros_like(lengths)
        for width, (arrays, buffers) in plan.offsets.items():
            need[buffers] = np.where(lengths[arrays], (lengths[arrays] + 1) * width, 0)
            _require((need[buffers] <= self._heads.sizes[buffers]).all())
            ends[arrays] = self._last_offsets(width, lengths[arrays], self._heads.at[buffers])
        arrays, buffers = plan.texts
        need[buffers] = ends[arrays]
        arrays, children = plan.lists
        _require((ends[arrays] == lengths[children]).all())
        self._bases: Ints = np.cumsum(ends, axis=1) - ends
        return need

    def _last_offsets(self, width: int, lengths: Ints, at: Ints) -> Ints:
        """Return where the last value of each array ends; the first one must start at 0."""
        offsets = np.frombuffer(self._joined, _OFFSET_TYPES[width])
        first = np.where(lengths, at // width, 0)
        ends: Ints = np.where(lengths, offsets[first + lengths], 0).astype(np.int64)
        _require((ends >= 0).all() and not np.where(lengths, offsets[first], 0).any())
        return ends

    def _gather(self, need: Ints, alignments: Ints) -> npt.NDArray[np.uint8]:
        """Move the used parts together: by what their values must be aligned to, then by buffer, then by message."""
        used = np.flatnonzero(need.any(axis=1))
        need = need[used]
        if not len(used):
            return np.empty(0, np.uint8)
        start = np.where(need, self._heads.at[used], 0)
        bounds = np.stack([start, start + need], axis=-1).transpose(1, 0, 2).ravel()
        ascending = np.maximum.accumulate(bounds)
        _require((ascending == bounds)[bounds != 0].all())
        # they are values of one binary array, in the order of the messages; every other value lies between two
        values = pa.Array.from_buffers(
            pa.binary(), len(bounds) - 1, [None, pa.py_buffer(ascending.astype(np.int32)), pa.py_buffer(self._joined)]
        )
        order = np.argsort(-alignments[used], kind="stable")
        picks = 2 * (order[:, None] + len(used) * np.arange(need.shape[1])).ravel()
        sizes = need.sum(axis=1)[order]
        ends = np.cumsum(sizes)
        places = zip((ends - sizes).tolist(), ends.tolist(), strict=True)
        self._moved_at = dict(zip(used[order].tolist(), places, strict=True))
        return np.frombuffer(values.take(pa.array(picks)).buffers()[2], np.uint8)

    def _bytes(self, buffer: int) -> npt.NDArray[np.uint8]:
        start, end = self._moved_at.get(buffer, (0, 0))
        return self._moved[start:end]

    def array(self, number: int, rows: _Rows) -> pa.Array:
        """Return an array of the merged batch, whose values are these rows."""
        array = self._arrays[number]
        if array.kind == "null":
            return pa.nulls(rows.total)
        validity, nulls = self._validity(number, rows)
        buffers = [validity]
        if array.kind == "bits":
            buffers.append(_packed(_bits(self._bytes(array.buffer + 1))[rows.bits]))
        elif array.kind == "fixed":
            buffers.append(pa.py_buffer(self._bytes(array.buffer + 1)))
        elif array.kind in {"bytes", "list"}:
            buffers.append(self._offsets(number, rows))
            if array.kind == "bytes":
                buffers.append(pa.py_buffer(self._bytes(array.buffer + 2)))
        children = [
            self.array(child, rows if array.kind == "struct" else _Rows(self.lengths[child]))
            for child in array.children
        ]
        return pa.Array.from_buffers(array.type, rows.total, buffers, nulls, children=children or None)

    def _validity(self, number: int, rows: _Rows) -> tuple[pa.Buffer | None, int]:
        if not self._any_nulls[number]:
            return None, 0
        has = self._has_nulls[number]
        bits = _bits(self._bytes(self._arrays[number].buffer))
        if has.all():
            valid = bits[rows.bits]
        else:
            valid = np.ones(rows.total, np.uint8)
            valid[has[rows.messages]] = bits[_Rows(np.where(has, rows.lengths, 0)).bits]
        nulls = rows.total - int(np.count_nonzero(valid))
        _require(nulls == self._heads.null_counts[number].sum())
        return _packed(valid), nulls

    def _offsets(self, number: int, rows: _Rows) -> pa.Buffer:
        array = self._arrays[number]
        kind = _OFFSET_TYPES[array.width]
        received = self._bytes(array.buffer + 1).view(kind)
        offsets = np.zeros(rows.total + 1, kind)
        np.add(received[rows.ends], self._bases[number].astype(kind)[rows.messages], out=offsets[1:])
        return pa.py_buffer(offsets)


class _Rows:
    """The values of one array over all messages, and where they stand in merged buffers.

    Attributes:
        lengths: how many values each message has.
        total: how many there are.
    """

    def __init__(self, lengths: Ints) -> None:
        self.lengths = lengths
        self.total = int(lengths.sum())

    @cached_property
    def messages(self) -> Ints:
        """For each value, the number of its message."""
        return np.repeat(np.arange(len(self.lengths)), self.lengths)

    @cached_property
    def bits(self) -> Ints:
        """For each value, where its bit stands: a message's bits start with a new byte."""
        whole = (self.lengths + 7) & ~7
        shift: Ints = (np.cumsum(whole) - whole) - (np.cumsum(self.lengths) - self.lengths)
        return np.add(np.arange(self.total), shift[self.messages])

    @cached_property
    def ends(self) -> Ints:
        """For each value, where the offset of its end stands: a message with values has one offset more than these."""
        before: Ints = np.cumsum(self.lengths > 0)
        return np.add(np.arange(self.total), before[self.messages])


def _bits(data: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    return np.unpackbits(data, bitorder="little")


def _packed(bits: npt.NDArray[np.uint8]) -> pa.Buffer:
    return pa.py_buffer(np.packbits(bits, bitorder="little"))
