"""What a server sends on a connection, and how much of it the client takes.

Source: RFC 9113, sections 4.3, 5.2, 6.5 and 6.9.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cloudquery_s3.server.http2 import frames
from cloudquery_s3.server.http2.faults import ConnectionFault, ErrorCode
from cloudquery_s3.server.http2.frames import Setting
from cloudquery_s3.server.http2.header_blocks import HeaderWriter

if TYPE_CHECKING:
    from collections.abc import Iterable


class SendWindow:
    """How many bytes of data the client takes on one stream.

    Attributes:
        size: that number; negative where the client has taken some of it back.
    """

    __slots__ = ("size",)

    def __init__(self, size: int) -> None:
        self.size = size


class Outgoing:
    """One connection's way to the client.

    Attributes:
        stream_window: how many bytes of data the client takes on a new stream.
        header_bytes: the largest header list that the client takes, or None where it has not said.
        keeps_no_headers: whether the client keeps no table of headers, as nginx does where it forwards calls.
    """

    def __init__(self, transport: asyncio.Transport, *, unread_bytes: int) -> None:
        self.stream_window = frames.DEFAULT_WINDOW
        self.header_bytes: int | None = None
        self.keeps_no_headers = False
        self._transport = transport
        self._unread_bytes = unread_bytes
        self._window = SendWindow(frames.DEFAULT_WINDOW)
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
        if self._transport.get_write_buffer_size() > self._unread_bytes:
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "answers are not read")
        self.write(octets)

    def send_headers(self, stream: int, fields: Iterable[tuple[str, str]], *, end: bool) -> None:
        """Send header fields of a stream. A client that has left too many answers unread is hung up on."""
        if self._transport.get_write_buffer_size() > self._unread_bytes:
            self._transport.abort()
            return
        block = self._headers.block(fields)
        self.write(frames.header_frames(stream, block, end=end, most_bytes=self._frame_bytes))

    async def send_data(self, stream: int, window: SendWindow, data: memoryview) -> int:
        """Send the first bytes of `data`, as many as the client takes, one at least; return how many."""
        while not (size := min(len(data), window.size, self._window.size, self._frame_bytes)) > 0 or self._paused:
            self._moved.clear()
            await self._moved.wait()
        window.size -= size
        self._window.size -= size
        self.write(frames.data_frame(stream, data[:size]))
        return size

    def widen(self, window: SendWindow | None, increment: int) -> bool:
        """Let more data go, on a stream or (None) on all of them together; return whether that is allowed."""
        widened = self._window if window is None else window
        widened.size += increment
        self._moved.set()
        return widened.size <= frames.MOST_WINDOW

    def pause(self) -> None:
        """Hold data back: the client does not read."""
        self._paused = True

    def resume(self) -> None:
        """Let data go on."""
        self._paused = False
        self._moved.set()

    def set(self, name: int, value: int) -> None:
        """Take note of a setting of the client; `set_stream_window` is for INITIAL_WINDOW_SIZE.

        Raises:
            ConnectionFault: it cannot have this value.
        """
        match name:
            case Setting.HEADER_TABLE_SIZE:
                self.keeps_no_headers = value == 0
                self._headers.limit(value)
            case Setting.ENABLE_PUSH if value > 1:
                raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "ENABLE_PUSH is neither 0 nor 1")
            case Setting.INITIAL_WINDOW_SIZE if value > frames.MOST_WINDOW:
                raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "INITIAL_WINDOW_SIZE is too large")
            case Setting.MAX_FRAME_SIZE:
                if not frames.DEFAULT_FRAME_BYTES <= value <= frames.MOST_FRAME_BYTES:
                    raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "MAX_FRAME_SIZE is out of range")
                self._frame_bytes = value
            case Setting.MAX_HEADER_LIST_SIZE:
                self.header_bytes = value
            case _:
                pass

    def set_stream_window(self, size: int, windows: Iterable[SendWindow]) -> None:
        """Let so many bytes go on new streams, and change the windows of open ones by as much.

        Raises:
            ConnectionFault: one of them becomes too large.
        """
        increment, self.stream_window = size - self.stream_window, size
        if not all(self.widen(window, increment) for window in windows):
            raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "INITIAL_WINDOW_SIZE is too large")
