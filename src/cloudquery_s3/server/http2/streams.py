"""The streams of one connection: which frame concerns which, and what is allowed when.

Source: RFC 9113, sections 5.1 and 6.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from cloudquery_s3.server.http2 import frames
from cloudquery_s3.server.http2.faults import ConnectionFault, ErrorCode, StreamFault
from cloudquery_s3.server.http2.header_blocks import HeaderBlock, HeaderReader
from cloudquery_s3.server.http2.request import MalformedError, Request, require_trailers
from cloudquery_s3.server.http2.stream import Exchange, ReceiveWindow, Stream

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudquery_s3.server.http2.outgoing import Outgoing
    from cloudquery_s3.server.http2.stream import Peer
    from cloudquery_s3.server.limits import Limits

log = logging.getLogger(__name__)

CONNECTION_WINDOW: Final = 64 << 20
"""A stream that is not read stands still on its own, long before it keeps the others of its connection from moving."""

_REMEMBERED_RESETS: Final = 128


class Streams:
    """What a client has opened on one connection. What it does wrong ends its stream, or raises a ConnectionFault.

    Attributes:
        out: the way to the client.
        peer: the connection, as those see it who serve a stream.
        last: the number of the last stream that was opened; 0 where none was.
    """

    def __init__(
        self,
        serve: Callable[[Stream], Exchange],
        out: Outgoing,
        peer: Peer,
        *,
        limits: Limits,
        window_bytes: Callable[[], int],
    ) -> None:
        """Make the streams of a connection.

        Args:
            serve: called with each stream that the client opens.
            out: the way to the client.
            peer: the connection.
            limits: the server's.
            window_bytes: tells how many bytes may come of a stream before its exchange takes any.
        """
        self.out = out
        self.peer = peer
        self.last = 0
        self._serve = serve
        self._limits = limits
        self._window_bytes = window_bytes
        self._open: dict[int, Stream] = {}
        self._resets: OrderedDict[int, None] = OrderedDict()
        self._window = ReceiveWindow(CONNECTION_WINDOW)
        self._headers_in = HeaderReader(limits)
        self._data: list[memoryview] = []
        self._data_stream = 0
        self._frame_handlers: dict[int, Callable[[int, int, memoryview], None]] = {
            frames.DATA: lambda flags, number, payload: self._on_data(flags, number, [payload]),
            frames.HEADERS: self._on_headers,
            frames.PRIORITY: self._on_priority,
            frames.RST_STREAM: self._on_rst_stream,
            frames.WINDOW_UPDATE: self._on_window_update,
            frames.CONTINUATION: self._on_continuation,
        }

    def __len__(self) -> int:
        return len(self._open)

    @property
    def window_bytes(self) -> int:
        """See `StreamOwner`."""
        return self._window_bytes()

    def forget(self, stream: Stream) -> None:
        """See `StreamOwner`."""
        self._open.pop(stream.number, None)

    def reset(self, stream: Stream, code: ErrorCode) -> None:
        """See `StreamOwner`. What the client has sent for the stream before it knows will be ignored."""
        self.out.write(frames.rst_stream(stream.number, code))
        self.forget(stream)
        self._resets[stream.number] = None
        if len(self._resets) > _REMEMBERED_RESETS:
            self._resets.popitem(last=False)

    def abort(self) -> None:
        """Abort what has not ended: the connection is gone."""
        streams, self._open = list(self._open.values()), {}
        for stream in streams:
            stream.abort()

    def set_send_window(self, size: int) -> None:
        """Let so many bytes go on each stream.

        Raises:
            ConnectionFault: that is too many for one of them.
        """
        self.out.set_stream_window(size, [stream.sending for stream in self._open.values()])

    def on_frame(self, kind: int, flags: int, number: int, payload: memoryview) -> bool:
        """Take a frame; return False if it is of a kind that is not about streams, but may stand here.

        Data that comes in several frames is gathered until another frame comes, or `hand_on` is called.

        Raises:
            ConnectionFault: the connection cannot go on.
        """
        unfinished = self._headers_in.stream
        if unfinished is not None and (kind != frames.CONTINUATION or number != unfinished):
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "another frame stands within the headers of a request")
        if kind == frames.DATA and not flags and (number == self._data_stream or not self._data):
            self._data.append(payload)
            self._data_stream = number
            return True
        self.hand_on()
        handler = self._frame_handlers.get(kind)
        if handler is None:
            return False
        try:
            handler(flags, number, payload)
        except StreamFault as fault:
            self._on_fault(fault)
        return True

    def hand_on(self) -> None:
        """Hand on the data that was gathered, whose memory is needed for what comes next.

        Raises:
            ConnectionFault: the connection cannot go on.
        """
        if not self._data:
            return
        payloads, self._data = self._data, []
        try:
            self._on_data(0, self._data_stream, payloads)
        except StreamFault as fault:
            self._on_fault(fault)

    def _on_data(self, flags: int, number: int, payloads: list[memoryview]) -> None:
        size = sum(map(len, payloads))
        if not self._window.take(size):
            raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "more data than the connection's window allows")
        increment = self._window.release(size, CONNECTION_WINDOW)
        if increment:
            self.out.write(frames.window_update(0, increment))
        stream = self._open.get(number)
        if stream is not None:
            stream.received(flags, payloads)
        elif self._is_over(number):
            raise StreamFault(number, ErrorCode.STREAM_CLOSED, "data on a closed stream")

    def _on_headers(self, flags: int, number: int, payload: memoryview) -> None:
        block = frames.unpadded(flags, payload)
        if not number % 2:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "headers on a stream that no client can open")
        if flags & frames.HAS_PRIORITY:
            frames.require_size(len(block) >= frames.PRIORITY_BYTES)
            _refuse_circle(number, block)
            block = block[frames.PRIORITY_BYTES :]
        self._headers_in.begin(number, ends_stream=bool(flags & frames.END_STREAM))
        self._add_headers(flags, block)

    def _on_continuation(self, flags: int, _number: int, payload: memoryview) -> None:
        if self._headers_in.stream is None:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a continuation of no headers")
        self._add_headers(flags, payload)

    def _add_headers(self, flags: int, piece: memoryview) -> None:
        block = self._headers_in.add(piece, last=bool(flags & frames.END_HEADERS))
        if block is None:
            return
        try:
            self._on_block(block)
        except MalformedError as error:
            raise StreamFault(block.stream, ErrorCode.PROTOCOL_ERROR, str(error)) from error

    def _on_block(self, block: HeaderBlock) -> None:
        number = block.stream
        stream = self._open.get(number)
        if stream is not None:
            if stream.remote_ended:
                raise StreamFault(number, ErrorCode.STREAM_CLOSED, "headers after the end of a request")
            require_trailers(block.fields)
            if not block.ends_stream:
                raise StreamFault(number, ErrorCode.PROTOCOL_ERROR, "trailers that do not end the stream")
            stream.end_remote()
        elif number > self.last:
            self._open_stream(number, block)
        elif self._is_over(number):
            raise ConnectionFault(ErrorCode.STREAM_CLOSED, "headers on a closed stream")

    def _open_stream(self, number: int, block: HeaderBlock) -> None:
        self.last = number
        request = Request.of(block.fields)
        if len(self._open) >= self._limits.streams:
            raise StreamFault(number, ErrorCode.REFUSED_STREAM, "too many streams")
        stream = Stream(self, number, request, window=self._limits.least_window_bytes)
        self._open[number] = stream
        if block.ends_stream:
            stream.end_remote()
        stream.serve_with(self._serve(stream))

    def _on_priority(self, _flags: int, number: int, payload: memoryview) -> None:
        _require_stream(number)
        if len(payload) != frames.PRIORITY_BYTES:
            raise StreamFault(number, ErrorCode.FRAME_SIZE_ERROR, "a frame of a wrong size")
        _refuse_circle(number, payload)

    def _on_rst_stream(self, _flags: int, number: int, payload: memoryview) -> None:
        _require_stream(number)
        frames.require_size(len(payload) == frames.UINT32.size)
        self._require_opened(number)
        stream = self._open.pop(number, None)
        if stream is not None:
            stream.abort()

    def _on_window_update(self, _flags: int, number: int, payload: memoryview) -> None:
        frames.require_size(len(payload) == frames.UINT32.size)
        increment = frames.UINT32.unpack(payload)[0] & frames.MOST_WINDOW
        if number:
            self._require_opened(number)
        stream = self._open.get(number)
        if number and not increment:
            raise StreamFault(number, ErrorCode.PROTOCOL_ERROR, "a stream's window grows by nothing")
        if not increment:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "the connection's window grows by nothing")
        if number and stream is None:
            return  # it has ended meanwhile
        if self.out.widen(stream.sending if stream is not None else None, increment):
            return
        if number:
            raise StreamFault(number, ErrorCode.FLOW_CONTROL_ERROR, "a stream's window is too large")
        raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "the connection's window is too large")

    def _on_fault(self, fault: StreamFault) -> None:
        log.debug("a stream is reset", extra={"code": fault.code.name, "reason": str(fault)})
        stream = self._open.pop(fault.stream, None)
        self.out.answer(frames.rst_stream(fault.stream, fault.code))
        if stream is not None:
            stream.abort()

    def _is_over(self, number: int) -> bool:
        """Return whether the client should know that a stream is closed: it ended it, or was told long ago.

        Raises:
            ConnectionFault: it was never opened.
        """
        self._require_opened(number)
        return number not in self._resets

    def _require_opened(self, number: int) -> None:
        if number > self.last or not number % 2:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a frame for a stream that was never opened")


def _refuse_circle(number: int, payload: memoryview) -> None:
    if frames.UINT32.unpack_from(payload)[0] & frames.STREAM_MASK == number:
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a stream depends on itself")


def _require_stream(number: int) -> None:
    if not number:
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a frame about a stream is on none")
