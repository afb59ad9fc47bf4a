"""Bytes as they come from a socket, cut into frames.

Source: RFC 9113, sections 3.4 and 4.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cloudquery_s3.server.http2 import frames
from cloudquery_s3.server.http2.faults import ConnectionFault
from cloudquery_s3.server.http2.frames import ErrorCode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TypeAlias

    Frame: TypeAlias = tuple[int, int, int, memoryview]

_READ_BYTES: Final = 256 << 10
"""What one read takes at most: what a Unix socket holds by default, and well above a frame."""


class FrameReader:
    """The buffer that a connection reads into. It has room for a whole frame at any time."""

    def __init__(self) -> None:
        self._buffer = bytearray(_READ_BYTES)
        self._view = memoryview(self._buffer)
        self._filled = 0
        self._greeted = False

    @property
    def room(self) -> memoryview:
        """Where the next bytes go: behind those of a frame that is not complete."""
        return self._view[self._filled :]

    def take(self, count: int) -> Iterator[Frame]:
        """Yield type, flags, stream and payload of each frame that is complete with `count` more bytes.

        The payload is valid until the iteration ends. It must be iterated to its end, unless the connection ends.

        Raises:
            ConnectionFault: these bytes are not HTTP/2.
        """
        end = self._filled + count
        at = 0 if self._greeted else self._greet(end)
        while end - at >= frames.HEAD.size:
            word, flags, stream = frames.HEAD.unpack_from(self._buffer, at)
            size = word >> 8
            if size > frames.DEFAULT_FRAME_BYTES:
                raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "a frame is larger than announced")
            start = at + frames.HEAD.size
            if start + size > end:
                break
            at = start + size
            yield word & 0xFF, flags, stream & frames.STREAM_MASK, self._view[start:at]
        self._filled = end - at
        if self._filled:
            self._view[: self._filled] = self._view[at:end]

    def _greet(self, end: int) -> int:
        """Return where the first frame begins, once the client has said that it speaks HTTP/2."""
        expected = frames.PREFACE[:end]
        if self._buffer[: len(expected)] != expected:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "the client does not speak HTTP/2 with prior knowledge")
        self._greeted = end >= len(frames.PREFACE)
        return len(frames.PREFACE) if self._greeted else 0
