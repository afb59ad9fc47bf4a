"""A client's connection: bytes to frames, frames to streams.

Source: RFC 9113, sections 3.4, 4 and 6.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, cast

from cloudquery_s3.server.http2 import frames
from cloudquery_s3.server.http2.faults import ConnectionFault, StreamFault
from cloudquery_s3.server.http2.frame_reader import FrameReader
from cloudquery_s3.server.http2.frames import ErrorCode, Setting
from cloudquery_s3.server.http2.header_blocks import MOST_HEADER_BYTES, HeaderBlock, HeaderReader
from cloudquery_s3.server.http2.outgoing import Outgoing
from cloudquery_s3.server.http2.request import MalformedError, Request, require_trailers
from cloudquery_s3.server.http2.stream import Exchange, ReceiveWindow, Stream

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)

_STREAM_WINDOW: Final = 4 << 20
_CONNECTION_WINDOW: Final = 64 << 20
"""A stream that is not read stands still on its own, long before it keeps the others of its connection from moving."""

_SMALL_READ_BYTES: Final = 64 << 10
_REST_S: Final = 0.001
"""After a small read the next one waits so long. A socket holds far more than comes meanwhile: nothing gets slower."""

_MOST_STREAMS: Final = 100
_REMEMBERED_RESETS: Final = 128


class Connection(asyncio.BufferedProtocol):
    """One connection. What a client does wrong ends its stream, or the connection, and nothing else.

    Lives on the event loop.

    Attributes:
        out: the way to the client, once there is a connection.
    """

    out: Outgoing

    def __init__(self, serve: Callable[[Stream], Exchange], connections: set[Connection]) -> None:
        """Make the protocol of a connection.

        Args:
            serve: called with each stream that a client opens.
            connections: where it is while it is open.
        """
        self._serve = serve
        self._connections = connections
        self._frames_in = FrameReader()
        self._settled = False
        self._closing = False
        self._streams: dict[int, Stream] = {}
        self._last_stream = 0
        self._resets: OrderedDict[int, None] = OrderedDict()
        self._window = ReceiveWindow(_CONNECTION_WINDOW)
        self._headers_in = HeaderReader()
        self._frame_handlers: dict[int, Callable[[int, int, memoryview], None]] = {
            frames.DATA: self._on_data,
            frames.HEADERS: self._on_headers,
            frames.PRIORITY: self._on_priority,
            frames.RST_STREAM: self._on_rst_stream,
            frames.SETTINGS: self._on_settings,
            frames.PUSH_PROMISE: self._on_push_promise,
            frames.PING: self._on_ping,
            frames.GOAWAY: self._on_goaway,
            frames.WINDOW_UPDATE: self._on_window_update,
            frames.CONTINUATION: self._on_continuation,
        }

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet the client."""
        self._transport = cast("asyncio.Transport", transport)
        self.out = Outgoing(self._transport)
        self._connections.add(self)
        opened = transport.get_extra_info("socket")
        if opened is not None and opened.family in {socket.AF_INET, socket.AF_INET6}:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        offered = {
            Setting.MAX_CONCURRENT_STREAMS: _MOST_STREAMS,
            Setting.INITIAL_WINDOW_SIZE: _STREAM_WINDOW,
            Setting.MAX_HEADER_LIST_SIZE: MOST_HEADER_BYTES,
        }
        self.out.write(frames.settings(offered))
        self.out.write(frames.window_update(0, _CONNECTION_WINDOW - frames.DEFAULT_WINDOW))

    def get_buffer(self, _hint: int) -> memoryview:
        """Return where the next bytes go."""
        return self._frames_in.room

    def buffer_updated(self, count: int) -> None:
        """Take the bytes that came."""
        if self._closing:
            return
        try:
            for frame in self._frames_in.take(count):
                self._on_frame(*frame)
        except ConnectionFault as fault:
            self.close(fault.code, fault.reason)
        if count < _SMALL_READ_BYTES:
            self._rest()

    def pause_writing(self) -> None:
        """Hold data back."""
        self.out.pause()

    def resume_writing(self) -> None:
        """Let data go on."""
        self.out.resume()

    def connection_lost(self, _error: Exception | None) -> None:
        """Abort what has not ended."""
        self._closing = True
        self._connections.discard(self)
        streams, self._streams = list(self._streams.values()), {}
        for stream in streams:
            stream.abort()

    def _rest(self) -> None:
        """Let bytes gather for a moment: a read costs more than the handling of the small message that it brings."""
        self._transport.pause_reading()
        asyncio.get_running_loop().call_later(_REST_S, self._transport.resume_reading)

    # What streams and the server call.

    def forget(self, stream: Stream) -> None:
        """Let go of a stream that has ended in both directions."""
        self._streams.pop(stream.number, None)

    def reset(self, stream: Stream, code: ErrorCode) -> None:
        """Tell the client that a stream has ended; what it has sent for it before it knows will be ignored."""
        self.out.write(frames.rst_stream(stream.number, code))
        self.forget(stream)
        self._resets[stream.number] = None
        if len(self._resets) > _REMEMBERED_RESETS:
            self._resets.popitem(last=False)

    def go_away(self) -> None:
        """Tell the client to open no more streams here; those that are open go on."""
        self.out.write(frames.goaway(self._last_stream, ErrorCode.NO_ERROR))

    def close(self, code: ErrorCode, reason: str = "") -> None:
        """End the connection, and say why."""
        if self._closing:
            return
        self._closing = True
        if code:
            log.debug("a connection is closed", extra={"code": code.name, "reason": reason})
        self.out.write(frames.goaway(self._last_stream, code, reason))
        if code and self._transport.get_write_buffer_size():
            self._transport.abort()  # closing would wait for a client that does not read, and its calls with it
        else:
            self._transport.close()

    # Frames.

    def _on_frame(self, kind: int, flags: int, number: int, payload: memoryview) -> None:
        if not self._settled and kind != frames.SETTINGS:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "the client does not begin with its settings")
        unfinished = self._headers_in.stream
        if unfinished is not None and (kind != frames.CONTINUATION or number != unfinished):
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "another frame stands within the headers of a request")
        handler = self._frame_handlers.get(kind)
        if handler is None:
            return  # an extension that this server does not know
        try:
            handler(flags, number, payload)
        except StreamFault as fault:
            self._on_fault(fault)

    def _on_data(self, flags: int, number: int, payload: memoryview) -> None:
        if not self._window.take(len(payload)):
            raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "more data than the connection's window allows")
        increment = self._window.release(len(payload))
        if increment:
            self.out.write(frames.window_update(0, increment))
        stream = self._streams.get(number)
        if stream is not None:
            stream.received(flags, payload)
        elif self._is_over(number):
            raise StreamFault(number, ErrorCode.STREAM_CLOSED, "data on a closed stream")

    def _on_headers(self, flags: int, number: int, payload: memoryview) -> None:
        block = frames.unpadded(flags, payload)
        if not number % 2:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "headers on a stream that no client can open")
        if flags & frames.HAS_PRIORITY:
            _require_size(len(block) >= frames.PRIORITY_BYTES)
            self._refuse_circle(number, block)
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
        stream = self._streams.get(number)
        if stream is not None:
            if stream.remote_ended:
                raise StreamFault(number, ErrorCode.STREAM_CLOSED, "headers after the end of a request")
            require_trailers(block.fields)
            if not block.ends_stream:
                raise StreamFault(number, ErrorCode.PROTOCOL_ERROR, "trailers that do not end the stream")
            stream.end_remote()
        elif number > self._last_stream:
            self._open(number, block)
        elif self._is_over(number):
            raise ConnectionFault(ErrorCode.STREAM_CLOSED, "headers on a closed stream")

    def _open(self, number: int, block: HeaderBlock) -> None:
        self._last_stream = number
        request = Request.of(block.fields)
        if len(self._streams) >= _MOST_STREAMS:
            raise StreamFault(number, ErrorCode.REFUSED_STREAM, "too many streams")
        stream = Stream(self, number, request, window=_STREAM_WINDOW, send_window=self.out.stream_window)
        self._streams[number] = stream
        if block.ends_stream:
            stream.end_remote()
        stream.serve_with(self._serve(stream))

    def _on_priority(self, _flags: int, number: int, payload: memoryview) -> None:
        _require_stream(number)
        if len(payload) != frames.PRIORITY_BYTES:
            raise StreamFault(number, ErrorCode.FRAME_SIZE_ERROR, "a frame of a wrong size")
        self._refuse_circle(number, payload)

    def _refuse_circle(self, number: int, payload: memoryview) -> None:
        if frames.UINT32.unpack_from(payload)[0] & frames.STREAM_MASK == number:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a stream depends on itself")

    def _on_rst_stream(self, _flags: int, number: int, payload: memoryview) -> None:
        _require_stream(number)
        _require_size(len(payload) == frames.UINT32.size)
        self._require_opened(number)
        stream = self._streams.pop(number, None)
        if stream is not None:
            stream.abort()

    def _on_settings(self, flags: int, number: int, payload: memoryview) -> None:
        _require_connection(number)
        if flags & frames.ACK:
            _require_size(not payload)
            return
        _require_size(len(payload) % frames.SETTING.size == 0)
        for name, value in frames.SETTING.iter_unpack(payload):
            self.out.set(name, value, self._streams.values())
        self._settled = True
        self.out.answer(frames.frame(frames.SETTINGS, frames.ACK, 0))

    def _on_push_promise(self, _flags: int, _number: int, _payload: memoryview) -> None:
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a client cannot push")

    def _on_ping(self, flags: int, number: int, payload: memoryview) -> None:
        _require_connection(number)
        _require_size(len(payload) == frames.PING_BYTES)
        if not flags & frames.ACK:
            self.out.answer(frames.frame(frames.PING, frames.ACK, 0, payload))

    def _on_goaway(self, _flags: int, number: int, _payload: memoryview) -> None:
        _require_connection(number)  # a client that goes opens no more streams, and closes when it has its answers

    def _on_window_update(self, _flags: int, number: int, payload: memoryview) -> None:
        _require_size(len(payload) == frames.UINT32.size)
        increment = frames.UINT32.unpack(payload)[0] & frames.MOST_WINDOW
        if number:
            self._require_opened(number)
        stream = self._streams.get(number)
        if number and not increment:
            raise StreamFault(number, ErrorCode.PROTOCOL_ERROR, "a stream's window grows by nothing")
        if not increment:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "the connection's window grows by nothing")
        if (number and stream is None) or self.out.widen(stream, increment):
            return
        if number:
            raise StreamFault(number, ErrorCode.FLOW_CONTROL_ERROR, "a stream's window is too large")
        raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "the connection's window is too large")

    def _on_fault(self, fault: StreamFault) -> None:
        log.debug("a stream is reset", extra={"code": fault.code.name, "reason": str(fault)})
        stream = self._streams.pop(fault.stream, None)
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
        if number > self._last_stream or not number % 2:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a frame for a stream that was never opened")


def _require_connection(number: int) -> None:
    if number:
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a frame about the connection is on a stream")


def _require_stream(number: int) -> None:
    if not number:
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a frame about a stream is on none")


def _require_size(right: bool) -> None:  # noqa: FBT001 - a condition
    if not right:
        raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "a frame of a wrong size")
