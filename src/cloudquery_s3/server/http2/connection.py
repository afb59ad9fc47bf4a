"""A client's connection: bytes to frames, and what concerns all of its streams.

Source: RFC 9113, sections 3.4, 4, 5.2 and 6.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import TYPE_CHECKING, Final, TypeAlias, cast

from cloudquery_s3.server.http2 import frames
from cloudquery_s3.server.http2.faults import ConnectionFault, ErrorCode
from cloudquery_s3.server.http2.frame_reader import FrameReader
from cloudquery_s3.server.http2.frames import Setting
from cloudquery_s3.server.http2.open_connections import OpenConnections
from cloudquery_s3.server.http2.outgoing import Outgoing
from cloudquery_s3.server.http2.streams import CONNECTION_WINDOW, Streams

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudquery_s3.server.http2.stream import Exchange, Stream

log = logging.getLogger(__name__)

_SMALL_READ_BYTES: Final = 64 << 10
_REST_S: Final = 0.001
"""After a small read the next one waits so long. A socket holds far more than comes meanwhile: nothing gets slower."""

_TURN: Final = 1024
_COSTLY_FRAME: Final = 8
_COST_BYTES: Final = 128
"""Other connections have their turn after so much work: a data frame is 1, any other 8 and 1 for each 128 bytes."""

_PROBES: Final = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}
"""A client's machine that has vanished is noticed after two minutes, where the system lets us say so."""


def _watch(opened: socket.socket) -> None:
    """Have the system notice that a client's machine is gone."""
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _PROBES.items():
        if hasattr(socket, name):
            opened.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _address(peername: object) -> str:
    """Return a client's address as host:port; a Unix socket's client has none."""
    match peername:
        case (str(host), int(port), *_):
            return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        case _:
            return ""


class Connection(asyncio.BufferedProtocol):
    """One connection. What a client does wrong ends its stream, or the connection, and nothing else.

    Lives on the event loop.

    Attributes:
        kept: whether it stays open without calls for any time.
        address: the client's, host:port; empty over a Unix socket.
        streams: what the client has opened, once there is a connection.
    """

    streams: Streams

    def __init__(
        self,
        serve: Callable[[Stream], Exchange],
        neighbours: Connections,
        opened: Callable[[socket.socket], None] = _watch,
    ) -> None:
        """Make the protocol of a connection.

        Args:
            serve: called with each stream that a client opens.
            neighbours: where it is while it is open, and what it shares with them.
            opened: called with the socket, as soon as there is a client.
        """
        self.kept = False
        self.address = ""
        self._serve = serve
        self._neighbours = neighbours
        self._opened = opened
        self._limits = neighbours.limits
        self._frames_in = FrameReader()
        self._settled = False
        self._closing = False
        self._closed_callbacks: list[Callable[[], None]] = []
        self._idle = False
        self._look: asyncio.TimerHandle | None = None

    @property
    def stream_count(self) -> int:
        """How many streams are open."""
        return len(self.streams)

    @property
    def expendable(self) -> int:
        """See `Shared`."""
        if self._closing or self.kept or self.streams:
            return 0
        return 1 if self._settled else 2

    def make_room(self) -> None:
        """See `Shared`."""
        self.close(ErrorCode.ENHANCE_YOUR_CALM, "too many connections")

    @property
    def forwards(self) -> bool:
        """Whether it is a proxy's, on which the calls of different clients may come. nginx is known by its settings."""
        return self._out.keeps_no_headers

    def when_closed(self, callback: Callable[[], None]) -> None:
        """Have `callback` called when the connection has ended; at once where it has."""
        if self in self._neighbours:
            self._closed_callbacks.append(callback)
        else:
            callback()

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet the client."""
        self._transport = cast("asyncio.Transport", transport)
        self.address = _address(transport.get_extra_info("peername"))
        self._out = Outgoing(self._transport, unread_bytes=self._limits.unread_bytes)
        self.streams = Streams(
            self._serve, self._out, self, limits=self._limits, window_bytes=lambda: self._neighbours.window_bytes
        )
        if not self._neighbours.add(self):
            log.warning("a connection is refused: there are too many", extra={"connections": self._limits.connections})
            self.close(ErrorCode.ENHANCE_YOUR_CALM, "too many connections")
            return
        opened = transport.get_extra_info("socket")
        if opened is not None:
            self._opened(opened)
        self._look_again(self._limits.greeting_s)
        offered = {
            Setting.MAX_CONCURRENT_STREAMS: self._limits.streams,
            Setting.INITIAL_WINDOW_SIZE: self._limits.least_window_bytes,
            Setting.MAX_HEADER_LIST_SIZE: self._limits.header_bytes,
        }
        self._out.write(frames.settings(offered))
        self._out.write(frames.window_update(0, CONNECTION_WINDOW - frames.DEFAULT_WINDOW))

    def get_buffer(self, _hint: int) -> memoryview:
        """Return where the next bytes go."""
        return self._frames_in.room

    def buffer_updated(self, count: int) -> None:
        """Take the bytes that came."""
        if self._closing:
            return
        self._frames_in.received(count)
        if not self.work():
            self._transport.pause_reading()
            asyncio.get_running_loop().call_soon(self._go_on)
        elif count < _SMALL_READ_BYTES:
            # bytes gather for a moment: a read costs more than the handling of the small message that it brings
            self._transport.pause_reading()
            asyncio.get_running_loop().call_later(_REST_S, self._transport.resume_reading)

    def pause_writing(self) -> None:
        """Hold data back."""
        self._out.pause()

    def resume_writing(self) -> None:
        """Let data go on."""
        self._out.resume()

    def connection_lost(self, _error: Exception | None) -> None:
        """Abort what has not ended."""
        self._closing = True
        self._neighbours.discard(self)
        if self._look is not None:
            self._look.cancel()
        self.streams.abort()
        callbacks, self._closed_callbacks = self._closed_callbacks, []
        for callback in callbacks:
            callback()

    # What the server calls.

    def go_away(self) -> None:
        """Tell the client to open no more streams here; those that are open go on."""
        self._out.write(frames.goaway(self.streams.last, ErrorCode.NO_ERROR))

    def close(self, code: ErrorCode, reason: str = "") -> None:
        """End the connection, and say why."""
        if self._closing:
            return
        self._closing = True
        if code:
            log.debug("a connection is closed", extra={"code": code.name, "reason": reason})
        self._out.write(frames.goaway(self.streams.last, code, reason))
        if code and self._transport.get_write_buffer_size():
            self._transport.abort()  # closing would wait for a client that does not read, and its calls with it
        else:
            self._transport.close()

    # Frames.

    def work(self) -> bool:
        """Handle what has come, for one turn; return whether that was all."""
        done = 0
        try:
            for kind, flags, number, payload in self._frames_in.frames():
                self._on_frame(kind, flags, number, payload)
                if self._closing:
                    break
                done += 1 if kind == frames.DATA else _COSTLY_FRAME + len(payload) // _COST_BYTES
                if done >= _TURN:
                    break
            self.streams.hand_on()
        except ConnectionFault as fault:
            self.close(fault.code, fault.reason)
        self._idle = False
        return done < _TURN or self._closing

    def _go_on(self) -> None:
        if self._closing:
            return
        if self.work():
            self._transport.resume_reading()
        else:
            asyncio.get_running_loop().call_soon(self._go_on)

    def _on_frame(self, kind: int, flags: int, number: int, payload: memoryview) -> None:
        if not self._settled and kind != frames.SETTINGS:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "the client does not begin with its settings")
        if self.streams.on_frame(kind, flags, number, payload):
            return
        match kind:
            case frames.SETTINGS:
                self._on_settings(flags, number, payload)
            case frames.PUSH_PROMISE:
                raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a client cannot push")
            case frames.PING:
                self._on_ping(flags, number, payload)
            case frames.GOAWAY:
                _require_connection(number)  # such a client opens no more streams, and closes when it has its answers
            case _:
                pass  # an extension that this server does not know

    def _on_settings(self, flags: int, number: int, payload: memoryview) -> None:
        _require_connection(number)
        if flags & frames.ACK:
            frames.require_size(not payload)
            return
        frames.require_size(len(payload) % frames.SETTING.size == 0)
        settings = list(frames.SETTING.iter_unpack(payload))
        if len(settings) > self._limits.settings:
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "too many settings in one frame")
        for name, value in settings:
            self._out.set(name, value)
            if name == Setting.INITIAL_WINDOW_SIZE:
                self.streams.set_send_window(value)
        self._settled = True
        self._out.answer(frames.frame(frames.SETTINGS, frames.ACK, 0))

    def _on_ping(self, flags: int, number: int, payload: memoryview) -> None:
        _require_connection(number)
        frames.require_size(len(payload) == frames.PING_BYTES)
        if not flags & frames.ACK:
            self._out.answer(frames.frame(frames.PING, frames.ACK, 0, payload))

    # Clients that do nothing.

    def _look_again(self, delay_s: float) -> None:
        self._look = asyncio.get_running_loop().call_later(delay_s, self._look_at_idleness)

    def _look_at_idleness(self) -> None:
        if not self._settled:
            self.close(ErrorCode.SETTINGS_TIMEOUT, "the client has not introduced itself in time")
        elif self._idle:
            self.close(ErrorCode.NO_ERROR, "no call for a long time")
        else:
            self._idle = not self.streams and not self.kept
            self._look_again(self._limits.idle_s / 2)  # idle at two looks is idle for so long at least


Connections: TypeAlias = OpenConnections[Connection]


def _require_connection(number: int) -> None:
    if number:
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a frame about the connection is on a stream")
