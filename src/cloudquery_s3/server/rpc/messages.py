"""Length-prefixed messages: out of pieces of any size, whole again."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from cloudquery_s3.server.rpc.status import RpcError, Status

if TYPE_CHECKING:
    from typing import TypeAlias

    Message: TypeAlias = bytes | memoryview

_PREFIX: Final = struct.Struct(">BI")
"""Whether the message is compressed, and its size."""

_ALIGNMENT: Final = 8

_FIRST_BYTES: Final = 64 << 10
_MOST_FIRST_BYTES: Final = 32 << 20
_ALIKE: Final = 2
_GROWTH: Final = 4
"""The memory of a message is what has come of it times this at most, or the first bytes: twice as many as the message
before it had, within these bounds, so that messages of about the same size need not grow."""


def framed(message: bytes) -> bytes:
    """Return a message as it is sent."""
    return _PREFIX.pack(0, len(message)) + message


class MessageReader:
    """Puts messages together from the pieces that they come in; a message within one piece is copied once.

    Attributes:
        size: of the message that is not complete yet; 0 where there is none.
        filled: how much of it has come.
    """

    def __init__(self, most_bytes: int) -> None:
        self.size = 0
        self.filled = 0
        self._most_bytes = most_bytes
        self._prefix = b""
        self._message = memoryview(b"")
        self._first_bytes = _FIRST_BYTES

    @property
    def within(self) -> bool:
        """Whether the last message is not complete yet."""
        return bool(self._prefix) or self.size > 0

    def feed(self, piece: memoryview) -> list[Message]:
        """Return the messages that are complete with this piece.

        Where a message came in several pieces, it ends at an address that is a multiple of 8: what stands at its end,
        and is a multiple of 8 long, is aligned for Arrow.

        Raises:
            RpcError: a message is larger than allowed, or compressed.
        """
        messages: list[Message] = []
        at, end = 0, len(piece)
        while at < end:
            if self.size:
                at = self._fill(piece, at, messages)
            elif self._prefix or end - at < _PREFIX.size:
                at = self._add_to_prefix(piece, at, messages)
            else:
                at = self._begin(piece, at + _PREFIX.size, self._size(_PREFIX.unpack_from(piece, at)), messages)
        return messages

    def _size(self, prefix: tuple[int, int]) -> int:
        compressed, size = prefix
        if compressed:
            raise RpcError(Status.INTERNAL, "a message is compressed, although none may be")
        if size > self._most_bytes:
            limit = self._most_bytes
            raise RpcError(Status.RESOURCE_EXHAUSTED, f"received message larger than max ({size} vs. {limit})")
        return size

    def _begin(self, piece: memoryview, at: int, size: int, messages: list[Message]) -> int:
        """Begin a message whose body starts at `at`; return where the next one starts in the piece."""
        end = at + size
        if end <= len(piece):
            messages.append(bytes(piece[at:end]))
            return end
        self.size = size
        self.filled = 0
        self._message = _room(min(size, max(self._first_bytes, len(piece))), size)
        return self._fill(piece, at, messages)

    def _fill(self, piece: memoryview, at: int, messages: list[Message]) -> int:
        size = min(self.size - self.filled, len(piece) - at)
        if self.filled + size > len(self._message):
            self._grow(self.filled + size)
        self._message[self.filled : self.filled + size] = piece[at : at + size]
        self.filled += size
        if self.filled == self.size:
            messages.append(self._message)
            self._first_bytes = min(max(_FIRST_BYTES, _ALIKE * self.size), _MOST_FIRST_BYTES)
            self._message, self.size, self.filled = memoryview(b""), 0, 0
        return at + size

    def _grow(self, needed: int) -> None:
        grown = _room(min(self.size, _GROWTH * needed), self.size)
        grown[: self.filled] = self._message[: self.filled]
        self._message = grown

    def _add_to_prefix(self, piece: memoryview, at: int, messages: list[Message]) -> int:
        size = min(_PREFIX.size - len(self._prefix), len(piece) - at)
        self._prefix += bytes(piece[at : at + size])
        at += size
        if len(self._prefix) < _PREFIX.size:
            return at
        prefix, self._prefix = self._prefix, b""
        return self._begin(piece, at, self._size(_PREFIX.unpack(prefix)), messages)


def _room(size: int, whole: int) -> memoryview:
    """Return memory for the first `size` bytes of a message of `whole` bytes, whose end is to be aligned.

    Anything may stand in it: zeros, as a `bytearray` has them, would be written to pages that are not needed yet.
    """
    import numpy as np  # noqa: PLC0415 -- it takes longer than all else before a process can listen

    padding = -whole % _ALIGNMENT
    return np.empty(padding + size, np.uint8).data[padding:]
