"""One request and its answer: the state of a stream, and flow control in both directions.

Source: RFC 9113, sections 5.1, 5.2 and 6.9.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from cloudquery_s3.server.http2 import frames
from cloudquery_s3.server.http2.faults import StreamFault
from cloudquery_s3.server.http2.frames import ErrorCode

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloudquery_s3.server.http2.connection import Connection
    from cloudquery_s3.server.http2.request import Request


class Exchange(Protocol):
    """What serves a stream. Its methods are called from the event loop, in the order of the events."""

    def data_received(self, data: memoryview) -> None:
        """Take a piece of the request's body; the memory is only valid during the call.

        Whoever takes it answers with `Stream.release` when more may come.
        """

    def end_received(self) -> None:
        """Take note that the request is complete."""

    def aborted(self) -> None:
        """Take note that nobody waits for an answer any more: the stream was reset, or the connection is lost."""


class ReceiveWindow:
    """How many bytes a peer may send, and when to let it send more."""

    __slots__ = ("_due", "_left", "_size")

    def __init__(self, size: int) -> None:
        self._size = size
        self._left = size
        self._due = 0

    def take(self, size: int) -> bool:
        """Count bytes received; return whether they were allowed."""
        self._left -= size
        return self._left >= 0

    def release(self, size: int) -> int:
        """Allow as many bytes again; return the increment to announce now, 0 while that is not worth a frame."""
        self._due += size
        if self._due * 2 < self._size:
            return 0
        increment, self._due = self._due, 0
        self._left += increment
        return increment


class Stream:
    """A stream that a client has opened.

    Attributes:
        number: its identifier.
        request: the head of what the client asks for.
        send_window: how many bytes the client takes.
        remote_ended: whether the request is complete.
        local_ended: whether the answer is.
    """

    __slots__ = (
        "_announced_bytes",
        "_connection",
        "_exchange",
        "_window",
        "local_ended",
        "number",
        "remote_ended",
        "request",
        "send_window",
    )

    def __init__(self, connection: Connection, number: int, request: Request, *, window: int, send_window: int) -> None:
        self.number = number
        self.request = request
        self.send_window = send_window
        self.remote_ended = False
        self.local_ended = False
        length = request.headers.get("content-length", "")
        self._announced_bytes = int(length) if length.isdecimal() else None
        self._connection = connection
        self._window = ReceiveWindow(window)
        self._exchange: Exchange | None = None

    def serve_with(self, exchange: Exchange) -> None:
        """Hand what the client sends to `exchange`, from now on."""
        self._exchange = exchange
        if self.remote_ended:
            exchange.end_received()

    def release(self, size: int) -> None:
        """Let the client send as many bytes as have been taken off."""
        increment = self._window.release(size)
        if increment and not self.remote_ended:
            self._connection.out.write(frames.window_update(self.number, increment))

    def send_headers(self, fields: Iterable[tuple[str, str]], *, end: bool = False) -> None:
        """Send header fields: the answer's head, or, with `end`, its trailers or all of it. No-op once it has ended."""
        if self.local_ended:
            return
        self._connection.out.send_headers(self.number, fields, end=end)
        if end:
            self._end_local()

    async def send_data(self, data: bytes) -> None:
        """Send a piece of the answer's body, as fast as the client takes it. No-op once the answer has ended."""
        rest = memoryview(data)
        while rest and not self.local_ended:
            size = await self._connection.out.send_data(self, rest)
            rest = rest[size:]

    def reset(self, code: ErrorCode) -> None:
        """End the stream at once, in both directions. No-op if it has ended in both."""
        if self.local_ended and self.remote_ended:
            return
        self.local_ended = self.remote_ended = True
        self._connection.reset(self, code)

    def received(self, flags: int, payload: memoryview) -> None:
        """Take a DATA frame.

        Raises:
            StreamFault: it may not stand here.
        """
        size = len(payload)
        if self.remote_ended:
            raise StreamFault(self.number, ErrorCode.STREAM_CLOSED, "data after the end of a request")
        if not self._window.take(size):
            raise StreamFault(self.number, ErrorCode.FLOW_CONTROL_ERROR, "more data than the window allows")
        data = frames.unpadded(flags, payload)
        if len(data) != size:
            self.release(size - len(data))
        if self._announced_bytes is not None:
            self._announced_bytes -= len(data)
        if self._exchange is not None and len(data):
            self._exchange.data_received(data)
        if flags & frames.END_STREAM:
            self.end_remote()

    def end_remote(self) -> None:
        """Take note that the request is complete.

        Raises:
            StreamFault: it is not as long as it said.
        """
        if self.remote_ended:
            return
        if self._announced_bytes:
            raise StreamFault(self.number, ErrorCode.PROTOCOL_ERROR, "content-length is not the length of the content")
        self.remote_ended = True
        if self._exchange is not None:
            self._exchange.end_received()
        if self.local_ended:
            self._connection.forget(self)

    def abort(self) -> None:
        """Take note that the client, or the connection, is gone."""
        self.remote_ended = self.local_ended = True
        if self._exchange is not None:
            self._exchange.aborted()

    def _end_local(self) -> None:
        self.local_ended = True
        if self.remote_ended:
            self._connection.forget(self)
        else:
            # a whole answer to half a request: the rest of that is not needed (RFC 9113, section 8.1)
            self.reset(ErrorCode.NO_ERROR)
