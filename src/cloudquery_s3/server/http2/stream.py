"""One request and its answer: the state of a stream, and flow control in both directions.

Source: RFC 9113, sections 5.1, 5.2 and 6.9.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from cloudquery_s3.server.http2 import frames
from cloudquery_s3.server.http2.faults import ErrorCode, StreamFault
from cloudquery_s3.server.http2.outgoing import SendWindow
from cloudquery_s3.server.http2.request import MalformedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from cloudquery_s3.server.http2.outgoing import Outgoing
    from cloudquery_s3.server.http2.request import Request

_MOST_LENGTH_DIGITS: Final = 19


class Exchange(Protocol):
    """What serves a stream. Its methods are called from the event loop, in the order of the events."""

    def data_received(self, pieces: Sequence[memoryview]) -> None:
        """Take pieces of the request's body, in order; their memory is only valid during the call.

        Whoever takes them answers with `Stream.release` when more may come.
        """

    def end_received(self) -> None:
        """Take note that the request is complete."""

    def aborted(self) -> None:
        """Take note that nobody waits for an answer any more: the stream was reset, or the connection is lost."""


class Peer(Protocol):
    """The connection of a stream, as far as others than its own parts may know it. Hashable: it is who calls.

    Attributes:
        kept: whether it stays open without calls for any time.
        address: the client's, host:port; empty over a Unix socket.
    """

    kept: bool
    address: str

    @property
    def forwards(self) -> bool:
        """Whether it is a proxy's, on which the calls of different clients may come."""

    def when_closed(self, callback: Callable[[], None]) -> None:
        """Have `callback` called when the connection has ended; at once where it has."""


class StreamOwner(Protocol):
    """What a stream needs of the connection that it is on.

    Attributes:
        out: the way to the client.
        peer: the connection, for others.
        window_bytes: how many bytes the client may send before the stream's exchange has taken any.
    """

    @property
    def out(self) -> Outgoing: ...  # noqa: D102 - an attribute
    @property
    def peer(self) -> Peer: ...  # noqa: D102 - likewise
    @property
    def window_bytes(self) -> int: ...  # noqa: D102 - likewise

    def forget(self, stream: Stream) -> None:
        """Let go of a stream that has ended in both directions."""

    def reset(self, stream: Stream, code: ErrorCode) -> None:
        """Tell the client that a stream has ended, and let go of it."""


class ReceiveWindow:
    """How many bytes a peer may send, and when to let it send more."""

    __slots__ = ("_held", "_left")

    def __init__(self, size: int) -> None:
        self._left = size
        self._held = 0

    def take(self, size: int) -> bool:
        """Count bytes received; return whether they were allowed."""
        self._left -= size
        self._held += size
        return self._left >= 0

    def release(self, size: int, window: int) -> int:
        """Count bytes that are taken off; return how many more to allow now, 0 while that is not worth a frame.

        What is allowed and what is not taken off come to `window` bytes then; it may change from call to call.
        """
        self._held -= size
        increment = window - self._left - self._held
        if increment * 2 < window:
            return 0
        self._left += increment
        return increment


class Stream:
    """A stream that a client has opened.

    Attributes:
        number: its identifier.
        request: the head of what the client asks for.
        sending: how many bytes the client takes.
        remote_ended: whether the request is complete.
        local_ended: whether the answer is.
    """

    __slots__ = (
        "_announced_bytes",
        "_exchange",
        "_owner",
        "_window",
        "local_ended",
        "number",
        "remote_ended",
        "request",
        "sending",
    )

    def __init__(self, owner: StreamOwner, number: int, request: Request, *, window: int) -> None:
        """Make a stream.

        Args:
            owner: the connection.
            number: its identifier.
            request: the head of what the client asks for.
            window: how many bytes the client may send already.

        Raises:
            MalformedError: the request's `content-length` is not a length.
        """
        self.number = number
        self.request = request
        self.sending = SendWindow(owner.out.stream_window)
        self.remote_ended = False
        self.local_ended = False
        self._announced_bytes = _content_length(request)
        self._owner = owner
        self._window = ReceiveWindow(window)
        self._exchange: Exchange | None = None

    @property
    def peer(self) -> Peer:
        """Who asks: the connection that it is on."""
        return self._owner.peer

    @property
    def window_bytes(self) -> int:
        """How many bytes may come before any are released; it changes with the number of streams."""
        return self._owner.window_bytes

    @property
    def header_bytes(self) -> int | None:
        """The largest header list that the client takes, or None where it has not said."""
        return self._owner.out.header_bytes

    def serve_with(self, exchange: Exchange) -> None:
        """Hand what the client sends to `exchange`, from now on."""
        self._exchange = exchange
        if self.remote_ended:
            exchange.end_received()

    def release(self, size: int) -> None:
        """Let the client send as many bytes as have been taken off."""
        increment = self._window.release(size, self._owner.window_bytes)
        if increment and not self.remote_ended:
            self._owner.out.write(frames.window_update(self.number, increment))

    def send_headers(self, fields: Iterable[tuple[str, str]], *, end: bool = False) -> None:
        """Send header fields: the answer's head, or, with `end`, its trailers or all of it. No-op once it has ended."""
        if self.local_ended:
            return
        self._owner.out.send_headers(self.number, fields, end=end)
        if end:
            self._end_local()

    async def send_data(self, data: bytes) -> None:
        """Send a piece of the answer's body, as fast as the client takes it. No-op once the answer has ended."""
        rest = memoryview(data)
        while rest and not self.local_ended:
            size = await self._owner.out.send_data(self.number, self.sending, rest)
            rest = rest[size:]

    def reset(self, code: ErrorCode) -> None:
        """End the stream at once, in both directions. No-op if it has ended in both."""
        if self.local_ended and self.remote_ended:
            return
        self.local_ended = self.remote_ended = True
        self._owner.reset(self, code)

    def received(self, flags: int, payloads: Sequence[memoryview]) -> None:
        """Take DATA frames of the same flags: any number of them without flags, or a single one.

        Raises:
            StreamFault: they may not stand here.
        """
        size = sum(map(len, payloads))
        if self.remote_ended:
            raise StreamFault(self.number, ErrorCode.STREAM_CLOSED, "data after the end of a request")
        if not self._window.take(size):
            raise StreamFault(self.number, ErrorCode.FLOW_CONTROL_ERROR, "more data than the window allows")
        if flags:
            payloads, padded = [frames.unpadded(flags, payload) for payload in payloads], size
            size = sum(map(len, payloads))
            if padded != size:
                self.release(padded - size)
        if self._announced_bytes is not None:
            self._announced_bytes -= size
        if self._exchange is not None and size:
            self._exchange.data_received(payloads)
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
            self._owner.forget(self)

    def abort(self) -> None:
        """Take note that the client, or the connection, is gone."""
        self.remote_ended = self.local_ended = True
        if self._exchange is not None:
            self._exchange.aborted()

    def _end_local(self) -> None:
        self.local_ended = True
        if self.remote_ended:
            self._owner.forget(self)
        else:
            # a whole answer to half a request: the rest of that is not needed (RFC 9113, section 8.1)
            self.reset(ErrorCode.NO_ERROR)


def _content_length(request: Request) -> int | None:
    length = request.headers.get("content-length")
    if length is None:
        return None
    if not (length.isascii() and length.isdecimal() and len(length) <= _MOST_LENGTH_DIGITS):
        raise MalformedError("content-length is not a length")
    return int(length)
