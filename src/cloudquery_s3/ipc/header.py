"""The header of a record batch message: its numbers, without building the batch.

A message is `ffffffff`, the size of its header (int32), the header (a FlatBuffers table `Message` that holds a table
`RecordBatch`), and the body. Frame and header together are called head here. All is little-endian.

Source: the Arrow columnar format, "Encapsulated message format", with `Message.fbs` and `Schema.fbs`.
"""

from __future__ import annotations

import struct
from itertools import compress
from operator import itemgetter, not_
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from cloudquery_s3.errors import DecodeError
from cloudquery_s3.ipc import limits
from cloudquery_s3.ipc.fallback import FallBackToArrow
from cloudquery_s3.ipc.flatbuffer import Table

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudquery_s3.ipc.shape import BatchShape

FRAME: Final = struct.Struct("<iI")
"""The continuation mark and the header's size."""

CONTINUATION: Final = -1
END_OF_STREAM: Final = FRAME.pack(CONTINUATION, 0)
_VERSION_5: Final = 4
_LITTLE_ENDIAN: Final = 0
SCHEMA: Final = 1
DICTIONARY_BATCH: Final = 2
RECORD_BATCH: Final = 3
_INT64: Final = struct.Struct("<q")
_PAIR_BYTES: Final = 16
_TABLE_NAME: Final = b"cq:table_name"


class Measure(NamedTuple):
    """What a record batch's header says.

    Attributes:
        rows: how many rows.
        arrow_bytes: the sum of its buffers as they will be decoded, see `ReceivedBatch.arrow_bytes`.
        body_bytes: the size of the body.
    """

    rows: int
    arrow_bytes: int
    body_bytes: int


class HeadLayout:
    """Where the numbers of a record batch's head stand, for all heads that differ in nothing but these numbers.

    One writer encodes every batch of a table with the same layout: it is parsed once, to one `struct` format that reads
    the numbers that `measure` needs and all bytes that are the same in every head.

    Attributes:
        size: bytes of the head: the body starts there.
        nodes_at: where the arrays' (length, null count) pairs start, int64 each.
        buffers_at: where the buffers' (offset, length) pairs start, int64 each.
        shape: the batches' shape.
    """

    __slots__ = (
        "_bitmaps",
        "_body_bytes",
        "_constants",
        "_expected",
        "_lengths",
        "_null_counts",
        "_row_bits",
        "_rows",
        "_unpack",
        "_weightless",
        "buffers_at",
        "nodes_at",
        "shape",
        "size",
    )

    def __init__(self, head: bytes, shape: BatchShape) -> None:
        """Parse a head.

        Raises:
            FallBackToArrow: it is not a plain record batch.
            DecodeError: it is no message that can stand here, or not well-formed, or not of this shape.
        """
        message = Table.root(head, FRAME.size)
        batch = _record_batch(message)
        rows_at, body_bytes_at = batch.int64_at(0), message.int64_at(3)
        self.nodes_at, nodes = batch.vector_at(1, _PAIR_BYTES)
        self.buffers_at, buffers = batch.vector_at(2, _PAIR_BYTES)
        if (nodes, buffers) != (len(shape.arrays), shape.buffers):
            raise DecodeError(
                f"a record batch has {nodes} arrays in {buffers} buffers, "
                f"its schema asks for {len(shape.arrays)} in {shape.buffers}"
            )
        self.shape = shape
        self.size = len(head)
        single, pair = (_INT64.size, "q"), (_PAIR_BYTES, "8xq")
        size = (_PAIR_BYTES, "8xQ")  # without a sign, so that a negative one is too large
        form, index, constants = _compile(
            {
                rows_at: (*single, 1),
                body_bytes_at: (*single, 1),
                self.nodes_at: (*pair, nodes),
                self.buffers_at: (*size, buffers),
            },
            self.size,
        )
        self._unpack = struct.Struct(form).unpack_from
        self._rows = index[rows_at]
        self._body_bytes = index[body_bytes_at]
        self._lengths = slice(index[self.buffers_at], index[self.buffers_at] + buffers)
        counted = shape.bitmaps
        self._null_counts = _getter([index[self.nodes_at] + array for array, _ in counted])
        self._bitmaps = _getter([index[self.buffers_at] + bitmap for _, bitmap in counted])
        self._row_bits = shape.row_bits
        self._weightless = [self.nodes_at + array * _PAIR_BYTES for array in shape.weightless]
        self._constants = _getter(constants)
        self._expected = self._constants(self._unpack(head))

    def measure(self, data: bytes | memoryview, start: int) -> Measure | None:
        """Return what the head at `start` says, or None where another layout is needed.

        Raises:
            DecodeError: it cannot be true.
            FallBackToArrow: there are no rows, or buffers overlap.
        """
        if start + self.size > len(data):
            return None
        values = self._unpack(data, start)
        if self._constants(values) != self._expected:
            return None
        rows, body_bytes = values[self._rows], values[self._body_bytes]
        if rows <= 0:
            # rows are checked when they are decoded, and no rows never are: Arrow's reader checks the header
            raise FallBackToArrow
        if rows * self._row_bits > 8 * body_bytes:
            raise DecodeError(f"a record batch announces {rows} rows in {body_bytes} bytes")
        if self._weightless:
            values_of_none = sum(_INT64.unpack_from(data, start + at)[0] for at in self._weightless)
            require_weight(max(rows, values_of_none), body_bytes)
        size = sum(values[self._lengths])
        if size > body_bytes:
            raise FallBackToArrow
        # Arrow's reader leaves out the bitmap of an array that has no nulls
        unread = sum(compress(self._bitmaps(values), map(not_, self._null_counts(values))))
        return Measure(rows, size - unread, body_bytes)


def require_weight(values: int, size: int) -> None:
    """Return if a message of `size` bytes may hold so many values that can take no bytes.

    A list of nulls costs nothing to send, whatever its length, and memory without end to write out.

    Raises:
        DecodeError: they are too many.
    """
    if values > max(limits.WEIGHTLESS_VALUES, 8 * size):
        raise DecodeError(f"a record batch announces {values} values in {size} bytes")


def is_plain_schema(head: bytes) -> bool:
    """Tell whether the schema message with this head says that batches of the plain kind follow.

    Raises:
        DecodeError: the head is not well-formed.
    """
    message = Table.root(head, FRAME.size)
    try:
        return message.uint16(0) == _VERSION_5 and message.table(2).uint16(0) == _LITTLE_ENDIAN
    except FallBackToArrow:
        return False


def table_of_schema(head: bytes) -> str:
    """Return the table that the schema message with this head names; "" where it names none, or is not well-formed.

    For a schema that pyarrow cannot read.
    """
    try:
        pairs = Table.root(head, FRAME.size).table(2).tables(2)
        names = [pair.text(1) for pair in pairs if pair.text(0) == _TABLE_NAME]
    except (FallBackToArrow, DecodeError):
        return ""
    return str(names[0], errors="replace") if names else ""


def _record_batch(message: Table) -> Table:
    """Return the record batch of a message."""
    if message.uint16(0) != _VERSION_5:
        raise FallBackToArrow
    kind = message.uint8(1)
    if kind == DICTIONARY_BATCH:
        raise FallBackToArrow
    if kind != RECORD_BATCH:
        raise DecodeError(f"an Arrow message of kind {kind} stands where a record batch is expected")
    batch = message.table(2)
    if batch.has(3) or batch.has(4):  # compressed, or of view types
        raise FallBackToArrow
    return batch


def _compile(numbers: dict[int, tuple[int, str, int]], size: int) -> tuple[str, dict[int, int], list[int]]:
    """Return a `struct` format for a head.

    Args:
        numbers: where numbers stand, with bytes, format and how many there are.
        size: bytes of the head.

    Returns:
        The format; the index of the first value that stands at each of these places; the indexes of the bytes between.
    """
    form, index, constants = ["<"], {}, []
    at = values = 0
    for place, (item_bytes, item_form, items) in sorted(numbers.items()):
        if place < at:
            raise DecodeError("the numbers in the head of a record batch overlap")
        if place > at:
            form.append(f"{place - at}s")
            constants.append(values)
            values += 1
        form.append(item_form * items)
        index[place] = values
        values += items
        at = place + item_bytes * items
    if at < size:
        form.append(f"{size - at}s")
        constants.append(values)
    return "".join(form), index, constants


def _getter(indexes: list[int]) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    """Return a function that picks these items as a tuple."""
    if len(indexes) > 1:
        return itemgetter(*indexes)
    return lambda values: tuple(values[index] for index in indexes)
