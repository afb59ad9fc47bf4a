"""A client and the plugin's HTTP/2 server, joined in memory: `h2` plays the client and checks all that it is sent."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import h2.config
import h2.connection
import h2.events

from cloudquery_s3.server.http2 import Connection, Connections, OpenConnections
from cloudquery_s3.server.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from cloudquery_s3.server.http2 import Exchange, Stream

REQUEST = [
    (":method", "POST"),
    (":scheme", "http"),
    (":path", "/a/b"),
    (":authority", "memory"),
    ("content-type", "application/grpc"),
]


class MemoryTransport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.unread_bytes = 0
        self.reading = True
        self.aborted = False
        self._closing = False

    def write(self, data: Any) -> None:
        self.written += data

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        self._closing = True

    def abort(self) -> None:
        self.aborted = self._closing = True

    def get_write_buffer_size(self) -> int:
        return self.unread_bytes


def feed(server: Connection, octets: bytes, pieces: Iterable[int] = ()) -> None:
    """Hand bytes to a server as a socket does, cut at these places."""
    start = 0
    for end in [*sorted(pieces), len(octets)]:
        piece = octets[start:end]
        start = end
        while piece:
            room = server.get_buffer(-1)
            size = min(len(room), len(piece))
            room[:size] = piece[:size]
            server.buffer_updated(size)
            while not server.work():
                pass
            piece = piece[size:]


class Recorded:
    """An exchange that writes down what happens to it, and lets more data come if it is told to."""

    def __init__(self, stream: Stream, *, releases: bool) -> None:
        self.stream = stream
        self.data = bytearray()
        self.events: list[str] = []
        self._releases = releases

    def data_received(self, pieces: Sequence[memoryview]) -> None:
        for piece in pieces:
            self.data += piece
            if self._releases:
                self.stream.release(len(piece))

    def end_received(self) -> None:
        self.events.append("end")

    def aborted(self) -> None:
        self.events.append("aborted")


class Joined:
    """A connection with both of its ends.

    Attributes:
        client: the client's end; what it wants to send goes with `flush`.
        transport: the server's way out.
        exchanges: one for each request, in order; Recorded ones, unless the test has its own.
    """

    def __init__(self, serve: Callable[[Stream], Exchange] | None = None, *, releases: bool = True) -> None:
        self.client = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.transport = MemoryTransport()
        self.exchanges: list[Any] = []
        self.connections: Connections = OpenConnections(Limits())
        make = serve or (lambda stream: Recorded(stream, releases=releases))
        self.server = Connection(lambda stream: self._kept(make(stream)), self.connections)
        self.server.connection_made(self.transport)
        self.client.initiate_connection()
        self.flush()

    def request(self, stream: int = 1, *, end: bool = False, headers: Iterable[tuple[str, str]] = REQUEST) -> None:
        """Send a request's head."""
        self.client.send_headers(stream, list(headers), end_stream=end)
        self.flush()

    def send(self, octets: bytes, *, pieces: Iterable[int] = ()) -> None:
        """Hand bytes to the server, cut at these places."""
        feed(self.server, octets, pieces)

    def flush(self) -> list[h2.events.Event]:
        """Send what the client has to say, and return what it makes of all that the server has said."""
        self.send(self.client.data_to_send())
        return self.received()

    def received(self) -> list[h2.events.Event]:
        """Return what the client makes of what the server has said, and let it answer."""
        said, self.transport.written = bytes(self.transport.written), bytearray()
        events: list[h2.events.Event] = self.client.receive_data(said)
        answer = self.client.data_to_send()
        if answer and not self.transport.is_closing():
            self.send(answer)
        return events

    def _kept(self, exchange: Exchange) -> Exchange:
        self.exchanges.append(exchange)
        return exchange
