"""An S3 server that takes everything and keeps nothing but counts: for more data than a disk should see."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from wire_server import Recorded, success

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK_BYTES = 1 << 20


@dataclass
class DiscardingServer:
    """The running server.

    Attributes:
        endpoint: its URL.
        calls: by operation.
        received: body bytes, by operation.
        open: requests are answered while this is set.
    """

    endpoint: str
    calls: Counter[str] = field(default_factory=Counter)
    received: Counter[str] = field(default_factory=Counter)
    open: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, operation: str, size_bytes: int) -> None:
        """Count a request."""
        with self.lock:
            self.calls[operation] += 1
            self.received[operation] += size_bytes


@contextmanager
def discarding_server() -> Iterator[DiscardingServer]:
    """Run a server on loopback at a free port; open."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def answer(self) -> None:
            size_bytes = rest = int(self.headers.get("Content-Length", 0))
            chunk = memoryview(bytearray(min(_CHUNK_BYTES, max(rest, 1))))
            while rest and (taken := self.rfile.readinto(chunk[: min(rest, len(chunk))])):  # type: ignore[attr-defined]
                rest -= taken
            request = Recorded(self.command, self.path, {}, b"")
            discarding.open.wait()
            discarding.count(request.operation, size_bytes - rest)
            reply = success(request)
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            if reply.status != 204:
                self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = answer  # noqa: N815 - the library's names

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    discarding = DiscardingServer(f"http://127.0.0.1:{server.server_address[1]}")
    discarding.open.set()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield discarding
    finally:
        discarding.open.set()
        server.shutdown()
        thread.join()
        server.server_close()
