"""Bytes as they come from a socket, cut into frames.

Source: RFC 9113, sections 3.4 and 4.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cloudquery_s3.server.http2 import frames
from cloudquery_s3.server.http2.faults import ConnectionFault, ErrorCode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TypeAlias

    Frame: TypeAlias = tuple[int, int, int, memoryview]

_LEAST_BYTES: Final = 32 << 10
"""What a connection begins with: a frame and the beginning of the next."""

_MOST_BYTES: Final = 256 << 10
"""What one read takes at most: what a Unix socket holds by default, and well above a frame."""


class FrameReader:
    """The buffer that a connection reads into; it grows with what comes. It has room for a whole frame at any time."""

    def __init__(self) -> None:
        self._buffer = bytearray(_LEAST_BYTES)
        self._view = memoryview(self._buffer)
        self._start = 0
        self._end = 0
        self._greeted = False

    @property
    def room(self) -> memoryview:
        """Where the next bytes go: behind those of a frame that is not complete. Payloads that were given end here."""
        size = self._end - self._start
        if self._end == len(self._buffer) < _MOST_BYTES:
            grown = bytearray(_MOST_BYTES)
            grown[:size] = self._view[self._start : self._end]
            self._buffer, self._view = grown, memoryview(grown)
        elif self._start:
            self._view[:size] = self._view[self._start : self._end]
        self._start, self._end = 0, size
        return self._view[size:]

    def received(self, count: int) -> None:
        """Take note that so many bytes have been put into `room`."""
        self._end += count

    def frames(self) -> Iterator[Frame]:
        """Yield type, flags, stream and payload of each whole frame; an iteration that was left is gone on with.

        A payload is valid until `room` is asked for.

        Raises:
            ConnectionFault: these bytes are not HTTP/2.
        """
        if not self._greeted and not self._greet():
            return
        while self._end - self._start >= frames.HEAD.size:
            word, flags, stream = frames.HEAD.unpack_from(self._buffer, self._start)
            size = word >> 8
            if size > frames.DEFAULT_FRAME_BYTES:
                raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "a frame is larger than announced")
            start = self._start + frames.HEAD.size
            if start + size > self._end:
                return
            self._start = start + size
            yield word & 0xFF, flags, stream & frames.STREAM_MASK, self._view[start : start + size]

    def _greet(self) -> bool:
        """Pass over what a client begins with; return whether it has said that it speaks HTTP/2."""
        expected = frames.PREFACE[: self._end]
        if self._buffer[: len(expected)] != expected:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "the client does not speak HTTP/2 with prior knowledge")
        if self._end < len(frames.PREFACE):
            return False
        self._greeted = True
        self._start = len(frames.PREFACE)
        return True
