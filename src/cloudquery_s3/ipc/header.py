"""The header of a record batch message: where its numbers stand, without building the batch.

A message is `ffffffff`, the size of its header (int32), the header (a FlatBuffers table `Message` that holds a table
`RecordBatch`) and the body. All little-endian. Positions here count from the message's first byte.

Source: the Arrow columnar format, "Encapsulated message format", with `Message.fbs` and `Schema.fbs`.
"""

from __future__ import annotations

import struct
from typing import Final

from cloudquery_s3.errors import DecodeError

CONTINUATION: Final = -1
FRAME: Final = struct.Struct("<iI")
"""The continuation mark and the header's size."""

_I64: Final = struct.Struct("<q")
_VERSION_5: Final = 4
_RECORD_BATCH: Final = 3
_DICTIONARY_BATCH: Final = 2


class UnusualMessageError(Exception):
    """The message is not of the plain kind that is read here; Arrow's own reader knows what it is."""


class HeaderLayout:
    """Where the numbers of a record batch's header stand, for all headers that differ in nothing but these numbers.

    One writer encodes every batch of a table with the same layout, so it is parsed once.

    Attributes:
        size: bytes of frame and header: the body starts there.
        nodes: how many arrays the batch has, children included.
        buffers: how many buffers.
        length_at: where the number of rows stands (int64).
        nodes_at: where the arrays' (length, null count) pairs start (int64 each).
        buffers_at: where the buffers' (offset, length) pairs start (int64 each).
        body_length_at: where the body's size stands (int64).
    """

    __slots__ = (
        "_constant",
        "_read_buffers",
        "_read_nodes",
        "body_length_at",
        "buffers",
        "buffers_at",
        "length_at",
        "nodes",
        "nodes_at",
        "size",
    )

    def __init__(self, header: bytes) -> None:
        """Parse a header.

        Args:
            header: frame and header, whole.

        Raises:
            UnusualMessageError: it is not a plain record batch.
            DecodeError: it is no message that can stand here, or not well-formed.
        """
        table = _Table.root(header)
        if table.uint8(0, bits=16) != _VERSION_5:
            raise UnusualMessageError
        kind = table.uint8(1)
        if kind == _DICTIONARY_BATCH:
            raise UnusualMessageError
        if kind != _RECORD_BATCH:
            raise DecodeError(f"an Arrow message of kind {kind} stands where a record batch is expected")
        batch = table.child(2)
        if batch.has(3) or batch.has(4):  # compressed, or of view types
            raise UnusualMessageError
        self.size = len(header)
        self.length_at = batch.int64_at(0)
        self.nodes_at, self.nodes = batch.vector(1, item_size=16)
        self.buffers_at, self.buffers = batch.vector(2, item_size=16)
        self.body_length_at = table.int64_at(3)
        self._read_nodes = struct.Struct(f"<{2 * self.nodes}q").unpack_from
        self._read_buffers = struct.Struct(f"<{2 * self.buffers}q").unpack_from
        self._constant = [(start, end, header[start:end]) for start, end in self._constant_ranges()]

    def _constant_ranges(self) -> list[tuple[int, int]]:
        start, ranges = 0, []
        for variable, size in sorted(
            [
                (self.length_at, 8),
                (self.body_length_at, 8),
                (self.nodes_at, 16 * self.nodes),
                (self.buffers_at, 16 * self.buffers),
            ]
        ):
            if variable < start:
                raise DecodeError("the header of a record batch overlaps itself")
            ranges.append((start, variable))
            start = variable + size
        ranges.append((start, self.size))
        return [(start, end) for start, end in ranges if start < end]

    def fits(self, header: bytes) -> bool:
        """Tell whether a header has this layout."""
        if len(header) != self.size:
            return False
        return all(header[start:end] == constant for start, end, constant in self._constant)

    def rows(self, header: bytes) -> int:
        """Return the batch's number of rows."""
        return int(_I64.unpack_from(header, self.length_at)[0])

    def body_length(self, header: bytes) -> int:
        """Return the body's size in bytes."""
        return int(_I64.unpack_from(header, self.body_length_at)[0])

    def read_nodes(self, header: bytes) -> tuple[int, ...]:
        """Return length and null count of each array, one after the other."""
        return self._read_nodes(header, self.nodes_at)

    def read_buffers(self, header: bytes) -> tuple[int, ...]:
        """Return offset and length of each buffer, one after the other."""
        return self._read_buffers(header, self.buffers_at)


class _Table:
    """A FlatBuffers table in bytes that nobody has verified."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data = data
        self._at = at
        self._fields_at = at - self._number("<i", at)
        self._fields_size = self._number("<H", self._fields_at)

    @classmethod
    def root(cls, header: bytes) -> _Table:
        table = cls.__new__(cls)
        table._data = header
        table.__init__(header, FRAME.size + table._number("<I", FRAME.size))  # type: ignore[misc]
        return table

    def _number(self, form: str, at: int) -> int:
        if not 0 <= at <= len(self._data) - struct.calcsize(form):
            raise DecodeError("the header of an Arrow message points outside of itself")
        return int(struct.unpack_from(form, self._data, at)[0])

    def _field(self, index: int) -> int:
        entry = 4 + 2 * index
        offset = self._number("<H", self._fields_at + entry) if entry + 2 <= self._fields_size else 0
        return self._at + offset if offset else 0

    def has(self, index: int) -> bool:
        return self._field(index) != 0

    def uint8(self, index: int, *, bits: int = 8) -> int:
        at = self._field(index)
        return self._number("<B" if bits == 8 else "<H", at) if at else 0

    def child(self, index: int) -> _Table:
        at = self._field(index)
        if not at:
            raise DecodeError("an Arrow message has no header table")
        return _Table(self._data, at + self._number("<I", at))

    def int64_at(self, index: int) -> int:
        at = self._field(index)
        if not at:  # the writer leaves out a zero
            raise UnusualMessageError
        self._number("<q", at)
        return at

    def vector(self, index: int, *, item_size: int) -> tuple[int, int]:
        at = self._field(index)
        if not at:
            raise UnusualMessageError
        at += self._number("<I", at)
        items = self._number("<I", at)
        if at + 4 + items * item_size > len(self._data):
            raise DecodeError("the header of an Arrow message is cut short")
        return at + 4, items
