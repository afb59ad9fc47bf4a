"""A proxy on loopback that makes chosen calls to an S3 server fail, and passes all others on as they are.

Requests are signed with the `Host` that the client sees, so headers pass unchanged, and the server verifies them.
"""

from __future__ import annotations

import http.client
import socket
import struct
import threading
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import urlsplit

from wire_server import Recorded, error

if TYPE_CHECKING:
    from collections.abc import Iterator


class Fault(Enum):
    """What becomes of a call. Only `HELD` and the last three reach the server."""

    HELD = "waits until it is released"

    REFUSED = "reset, then connections refused"
    RESET_BEFORE_BODY = "reset before the body"
    RESET_IN_BODY = "reset in the middle of the body"
    RESET_AFTER_BODY = "reset after the body"
    NO_ANSWER = "timeout"
    TOO_MANY = "429"
    INTERNAL = "500"
    SLOW_DOWN = "503"
    FORBIDDEN = "403"
    EXPIRED = "expired credentials"
    ERROR_IN_200 = "an error inside a 200"
    DONE_AND_RESET = "done, the answer lost"
    DONE_AND_TRUNCATED = "done, half of the answer lost"
    DONE_AND_INTERNAL = "done, answered by 500"


_REPLIES = {
    Fault.TOO_MANY: error(429, "TooManyRequestsException"),
    Fault.INTERNAL: error(500, "InternalError"),
    Fault.SLOW_DOWN: error(503, "SlowDown"),
    Fault.FORBIDDEN: error(403, "AccessDenied"),
    Fault.EXPIRED: error(400, "ExpiredToken"),
    Fault.ERROR_IN_200: error(200, "InternalError"),
    Fault.DONE_AND_INTERNAL: error(500, "InternalError"),
}


@dataclass(frozen=True)
class Plan:
    """Which calls fail: those of an operation, from the `first` on, `times` times (None: for ever)."""

    operation: str
    fault: Fault
    first: int = 1
    times: int | None = 1

    def hits(self, operation: str, call: int) -> bool:
        """Whether the call of this number, from 1, fails."""
        due = call >= self.first and (self.times is None or call < self.first + self.times)
        return operation == self.operation and due


@dataclass(frozen=True)
class _Head:
    method: str
    target: str
    lines: list[tuple[str, str]]

    @property
    def size_bytes(self) -> int:
        """The announced size of the body."""
        return int({name.lower(): value for name, value in self.lines}.get("content-length", 0))

    @property
    def operation(self) -> str:
        """S3's or STS's name for it."""
        to_sts = self.method == "POST" and self.target == "/"
        return Recorded(self.method, self.target, {}, b"Action=AssumeRole" if to_sts else b"").operation


class FaultProxy:
    """The running proxy.

    Attributes:
        endpoint: its URL, in place of the server's.
        calls: how many calls of each operation have come, those that failed included.
        injected: how many calls were made to fail, by operation.
        reached: set when a call is made to fail for the first time.
        released: to be set when calls that are held may go on.
    """

    def __init__(self, upstream: str, plans: tuple[Plan, ...] = ()) -> None:
        parts = urlsplit(upstream)
        self._upstream = (str(parts.hostname), int(parts.port or 80))
        self._plans = plans
        self.calls: Counter[str] = Counter()
        self.injected: Counter[str] = Counter()
        self.reached = threading.Event()
        self.released = threading.Event()
        self._lock = threading.Lock()
        self._quiet = threading.Condition(self._lock)
        self._forwarding = 0
        self._ended = threading.Event()
        self._clients: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._port = int(self._listener.getsockname()[1])
        self.endpoint = f"http://127.0.0.1:{self._port}"
        self._start()

    def reopen(self) -> None:
        """Let clients connect again, after `Fault.REFUSED`.

        What was on its way to the server by then has been answered, to nobody: a part that arrived behind the
        completion of its upload would make the server list the upload again, as S3 does not.
        """
        with self._quiet:
            self._quiet.wait_for(lambda: self._forwarding == 0)
            if self._listener.fileno() < 0 and not self._ended.is_set():
                self._listener = socket.create_server(("127.0.0.1", self._port), backlog=128)
                self._start()

    def close(self) -> None:
        """End: whoever waits for an answer is reset."""
        self._ended.set()
        self.released.set()
        with self._lock:
            self._refuse()

    def _start(self) -> None:
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._clients.add(client)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError, http.client.HTTPException), client.makefile("rb") as requests:
            while (head := _read_head(requests)) is not None:
                fault = self._fault_of(head.operation)
                if fault is None:
                    client.sendall(self._forward(head, requests.read(head.size_bytes)))
                elif not self._inject(fault, head, client, requests):
                    break
        with self._lock:
            self._clients.discard(client)
        _reset(client)

    def _fault_of(self, operation: str) -> Fault | None:
        with self._lock:
            self.calls[operation] += 1
            for plan in self._plans:
                if plan.hits(operation, self.calls[operation]):
                    self.injected[operation] += 1
                    self.reached.set()
                    return plan.fault
        return None

    def _inject(self, fault: Fault, head: _Head, client: socket.socket, requests: BinaryIO) -> bool:
        """Fail one call; return whether the connection goes on."""
        if fault is Fault.RESET_BEFORE_BODY:
            return False
        if fault is Fault.RESET_IN_BODY:
            self._forward(head, requests.read(head.size_bytes // 2))
            return False
        body = requests.read(head.size_bytes)
        if fault is Fault.HELD:
            self.released.wait()
            client.sendall(self._forward(head, body))
            return True
        if fault is Fault.REFUSED:
            with self._lock:
                self._refuse()
        elif fault is Fault.NO_ANSWER:
            self._ended.wait()
        elif fault is Fault.DONE_AND_RESET:
            self._forward(head, body)
        elif fault is Fault.DONE_AND_TRUNCATED:
            answer = self._forward(head, body)
            client.sendall(answer[: len(answer) // 2])
            client.shutdown(socket.SHUT_WR)
            requests.read(1)  # until the client has seen the end: a reset would overtake it
        elif fault in _REPLIES:
            if fault is Fault.DONE_AND_INTERNAL:
                self._forward(head, body)
            reply = _REPLIES[fault]
            client.sendall(_answer(reply.status, "as planned", [], reply.body, head.method))
            return True
        return False

    def _forward(self, head: _Head, body: bytes) -> bytes:
        """Return the server's answer; b"" to a request whose body is not whole, which is dropped on the way."""
        server = http.client.HTTPConnection(*self._upstream, timeout=60)
        with self._lock:
            self._forwarding += 1
        try:
            server.putrequest(head.method, head.target, skip_host=True, skip_accept_encoding=True)
            for name, value in head.lines:
                server.putheader(name, value)
            server.endheaders(body)
            if len(body) < head.size_bytes:
                return b""
            answer = server.getresponse()
            content = answer.read()
            return _answer(answer.status, answer.reason, answer.getheaders(), content, head.method)
        finally:
            server.close()
            with self._quiet:
                self._forwarding -= 1
                self._quiet.notify_all()

    def _refuse(self) -> None:
        """Stop listening, and reset every connection. The lock is held."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for client in self._clients:
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)


def _read_head(requests: BinaryIO) -> _Head | None:
    first = requests.readline().decode("latin-1").split()
    if len(first) != 3:
        return None
    lines = []
    while line := requests.readline().decode("latin-1").rstrip("\r\n"):
        name, _, value = line.partition(":")
        lines.append((name, value.strip()))
    return _Head(first[0], first[1], lines)


def _answer(status: int, reason: str, headers: list[tuple[str, str]], body: bytes, method: str) -> bytes:
    kept = [(name, value) for name, value in headers if name.lower() not in {"connection", "transfer-encoding"}]
    if status != 204 and "content-length" not in {name.lower() for name, _ in kept}:
        kept.append(("Content-Length", str(len(body))))
    lines = "".join(f"{name}: {value}\r\n" for name, value in kept)
    head = f"HTTP/1.1 {status} {reason}\r\n{lines}\r\n".encode("latin-1")
    return head if method == "HEAD" else head + body


def _reset(connection: socket.socket) -> None:
    """Close a connection the hard way: the peer sees a reset, not an end."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@contextmanager
def fault_proxy(upstream: str, *plans: Plan) -> Iterator[FaultProxy]:
    """Run a proxy before the server at this URL."""
    proxy = FaultProxy(upstream, plans)
    try:
        yield proxy
    finally:
        proxy.close()
