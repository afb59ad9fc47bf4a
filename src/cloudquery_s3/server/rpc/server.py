"""Listening, and the life of calls."""

from __future__ import annotations

import asyncio
import errno
import logging
import re
import socket
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, TypeAlias

from cloudquery_s3.server.http2 import Connection, Connections, ErrorCode, OpenConnections
from cloudquery_s3.server.limits import Limits
from cloudquery_s3.server.rpc.call import Call
from cloudquery_s3.server.rpc.large_messages import LargeMessages
from cloudquery_s3.server.rpc.status import RpcError, Status
from cloudquery_s3.server.rpc.unix_socket import UnixSocket, peer_process

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudquery_s3.server.http2 import Exchange, Request, Stream

log = logging.getLogger(__name__)

Method: TypeAlias = Callable[[Call], Awaitable[None]]
"""Serves a call: takes its messages, sends its own; an error that it raises is the call's end."""

Explain: TypeAlias = Callable[[str, BaseException], RpcError]
"""Words an error of a method (the first argument: its path) for the client."""

_NOT_HERE: Final = frozenset(
    {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, None}
)  # none: what Python 3.13 makes of the first

_TIMEOUT: Final = re.compile(r"(\d{1,8})([HMSmun])", re.ASCII)
_CONTENT_TYPE: Final = re.compile(r"application/grpc([+;].*)?", re.IGNORECASE)
_DONE: Final = RpcError(Status.OK, "")
_CANCELLED: Final = RpcError(Status.CANCELLED, "the call was cancelled")
_EXPIRED: Final = RpcError(Status.DEADLINE_EXCEEDED, "the call took longer than its client is willing to wait")
_SECONDS: Final = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}


class Server:
    """Serves calls over any number of addresses.

    Lives on the event loop.
    """

    def __init__(self, methods: Mapping[str, Method], explain: Explain, limits: Limits | None = None) -> None:
        """Make a server.

        Args:
            methods: by path, `/package.Service/Method`.
            explain: called with what a method raises, unless that is an RpcError.
            limits: what clients can make it hold or do.
        """
        self._methods = methods
        self._explain = explain
        self._limits = limits or Limits()
        self._large_messages = LargeMessages(self._limits)
        self._connections: Connections = OpenConnections(self._limits)
        self._calls: set[asyncio.Task[None]] = set()
        self._listeners: list[asyncio.Server] = []
        self._sockets: list[UnixSocket] = []
        self._stopping = False

    async def listen(self, host: str | None, port: int, *, family: int = socket.AF_UNSPEC) -> int:
        """Listen at a TCP address; port 0 is any that is free, no host is all interfaces. Return the port.

        A name may stand for addresses of families that this system does not have (`localhost` without IPv6): they are
        left out, as long as there is one that it has.

        Raises:
            OSError: it cannot be listened at.
        """
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        absent: OSError | None = None
        for address in dict.fromkeys(str(where[0]) for *_, where in found):
            try:
                listener = await loop.create_server(self._connection, address, port)
            except OSError as error:
                if error.errno not in _NOT_HERE:
                    raise
                absent = error
                continue
            self._listeners.append(listener)
            port = int(listener.sockets[0].getsockname()[1])
        if not self._listeners and absent is not None:
            raise absent
        return port

    async def listen_unix(self, path: str, *, connected: Callable[[int | None], None] | None = None) -> None:
        """Listen at a Unix socket. A socket that nobody listens at any more is replaced.

        Args:
            path: of the socket.
            connected: called with the number of each process that connects, or None where the system does not tell.

        Raises:
            OSError: it cannot be listened at; EADDRINUSE, where somebody else does.
        """
        tell = connected or (lambda _process: None)
        place = UnixSocket(path)
        self._listeners.append(
            await asyncio.get_running_loop().create_unix_server(
                lambda: Connection(self._serve, self._connections, lambda opened: tell(peer_process(opened))),
                sock=place.bind(),
            )
        )
        self._sockets.append(place)

    async def stop(self, grace_s: float) -> None:
        """Take no more calls; let those that run end by themselves for so long, then cancel them; hang up."""
        self._stopping = True
        for listener in self._listeners:
            listener.close()
        for place in self._sockets:
            place.remove()
        for connection in self._connections:
            connection.go_away()
        if self._calls:
            await asyncio.wait(self._calls, timeout=grace_s)
        for call in self._calls:
            call.cancel()
        for connection in self._connections:
            connection.close(ErrorCode.NO_ERROR)

    def _connection(self) -> Connection:
        return Connection(self._serve, self._connections)

    def _serve(self, stream: Stream) -> Exchange:
        call = Call(stream, self._limits, self._large_messages)
        if self._stopping or len(self._calls) >= self._limits.calls:
            stream.reset(ErrorCode.REFUSED_STREAM)
            return call
        status = _http_status(stream.request)
        if status is not None:
            stream.send_headers([(":status", status)], end=True)
            return call
        task = asyncio.get_running_loop().create_task(self._run(call, stream.request))
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)
        task.add_done_callback(lambda _task: call.end(_CANCELLED.status))  # if nothing else has ended it
        call.run_by(task)
        return call

    async def _run(self, call: Call, request: Request) -> None:
        try:
            async with asyncio.timeout(_timeout_s(request)) as limit:
                await self._method(request)(call)
        except RpcError as error:
            told = error
        except asyncio.CancelledError:
            told = _CANCELLED
        except BaseException as error:  # noqa: BLE001 - a panic of a library must not leave a client without an answer
            told = _EXPIRED if limit.expired() else self._explained(request.path, error)
        else:
            told = _DONE
        call.end(told.status, told.message)

    def _explained(self, path: str, error: BaseException) -> RpcError:
        try:
            return self._explain(path, error)
        except Exception:
            log.exception("an error that cannot be explained", extra={"path": path})
            return RpcError(Status.INTERNAL, f"an error of the kind {type(error).__name__}; the log may say more")

    def _method(self, request: Request) -> Method:
        method = self._methods.get(request.path)
        if method is None:
            raise RpcError(Status.UNIMPLEMENTED, f"there is no method {request.path}")
        encoding = request.headers.get("grpc-encoding", "identity")
        if encoding != "identity":
            raise RpcError(
                Status.UNIMPLEMENTED, f"messages compressed by {encoding} are not read: send them as they are"
            )
        return method


def _http_status(request: Request) -> str | None:
    """Return the status of a request that is none of gRPC's; None where it is one."""
    if request.method != "POST":
        return "405"
    kind = request.headers.get("content-type", "")
    return None if _CONTENT_TYPE.fullmatch(kind) else "415"


def _timeout_s(request: Request) -> float | None:
    """Return how long the client is willing to wait; None is forever."""
    told = request.headers.get("grpc-timeout")
    if told is None:
        return None
    match = _TIMEOUT.fullmatch(told)
    if match is None:
        raise RpcError(Status.INTERNAL, f"grpc-timeout {told!r} is not a time")
    return int(match[1]) * _SECONDS[match[2]]
