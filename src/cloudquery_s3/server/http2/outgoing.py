"""What a server sends on a connection, and how much of it the client takes.

Source: RFC 9113, sections 4.3, 5.2, 6.5 and 6.9.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from cloudquery_s3.server.http2 import frames
from cloudquery_s3.server.http2.faults import ConnectionFault
from cloudquery_s3.server.http2.frames import ErrorCode, Setting
from cloudquery_s3.server.http2.header_blocks import HeaderWriter

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloudquery_s3.server.http2.stream import Stream

_MOST_UNREAD_BYTES: Final = 1 << 20
"""A peer that lets so many bytes of answers lie may not ask for more."""


class Outgoing:
    """One connection's way to the client.

    Attributes:
        stream_window: how many bytes of data the client takes on a new stream.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self.stream_window = frames.DEFAULT_WINDOW
        self._transport = transport
        self._window = frames.DEFAULT_WINDOW
        self._frame_bytes = frames.DEFAULT_FRAME_BYTES
        self._headers = HeaderWriter()
        self._paused = False
        self._moved = asyncio.Event()

    def write(self, octets: bytes) -> None:
        """Send frames. No-op once the connection is closed."""
        if not self._transport.is_closing():
            self._transport.write(octets)

    def answer(self, octets: bytes) -> None:
        """Send what a frame of the client asks for.

        Raises:
            ConnectionFault: the client asks and does not read.
        """
        if self._transport.get_write_buffer_size() > _MOST_UNREAD_BYTES:
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "answers are not read")
        self.write(octets)

    def send_headers(self, stream: int, fields: Iterable[tuple[str, str]], *, end: bool) -> None:
        """Send header fields of a stream."""
        block = self._headers.block(fields)
        self.write(frames.header_frames(stream, block, end=end, most_bytes=self._frame_bytes))

    async def send_data(self, stream: Stream, data: memoryview) -> int:
        """Send the first bytes of `data`, as many as the client takes, one at least; return how many."""
        while not (size := min(len(data), stream.send_window, self._window, self._frame_bytes)) > 0 or self._paused:
            self._moved.clear()
            await self._moved.wait()
        stream.send_window -= size
        self._window -= size
        self.write(frames.data_frame(stream.number, data[:size]))
        return size

    def widen(self, stream: Stream | None, increment: int) -> bool:
        """Let more data go, on a stream or (None) on all of them together; return whether that is allowed."""
        if stream is None:
            self._window += increment
            window = self._window
        else:
            stream.send_window += increment
            window = stream.send_window
        self._moved.set()
        return window <= frames.MOST_WINDOW

    def pause(self) -> None:
        """Hold data back: the client does not read."""
        self._paused = True

    def resume(self) -> None:
        """Let data go on."""
        self._paused = False
        self._moved.set()

    def set(self, name: int, value: int, streams: Iterable[Stream]) -> None:
        """Take note of a setting of the client, which holds for open streams too.

        Raises:
            ConnectionFault: it cannot have this value.
        """
        match name:
            case Setting.HEADER_TABLE_SIZE:
                self._headers.limit(value)
            case Setting.ENABLE_PUSH if value > 1:
                raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "ENABLE_PUSH is neither 0 nor 1")
            case Setting.INITIAL_WINDOW_SIZE:
                increment, self.stream_window = value - self.stream_window, value
                if value > frames.MOST_WINDOW or not all(self.widen(stream, increment) for stream in streams):
                    raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "INITIAL_WINDOW_SIZE is too large")
            case Setting.MAX_FRAME_SIZE:
                if not frames.DEFAULT_FRAME_BYTES <= value <= frames.MOST_FRAME_BYTES:
                    raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "MAX_FRAME_SIZE is out of range")
                self._frame_bytes = value
            case _:
                pass
