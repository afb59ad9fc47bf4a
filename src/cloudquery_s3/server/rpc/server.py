"""Listening, and the life of calls."""

from __future__ import annotations

import asyncio
import errno
import re
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from cloudquery_s3.server.http2 import Connection, ErrorCode
from cloudquery_s3.server.rpc.call import Call
from cloudquery_s3.server.rpc.status import RpcError, Status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudquery_s3.server.http2 import Exchange, Request, Stream

Method: TypeAlias = Callable[[Call], Awaitable[None]]
"""Serves a call: takes its messages, sends its own; an error that it raises is the call's end."""

Explain: TypeAlias = Callable[[str, Exception], RpcError]
"""Words an error of a method (the first argument: its path) for the client."""

_MOST_CALLS: Final = 1_000
"""Over all connections; those that a client has given up count until nothing is left of them."""

_NOT_HERE: Final = frozenset(
    {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, None}
)  # none: what Python 3.13 makes of the first

_TIMEOUT: Final = re.compile(r"(\d{1,8})([HMSmun])", re.ASCII)
_CONTENT_TYPE: Final = re.compile(r"application/grpc([+;].*)?", re.IGNORECASE)
_EXPIRED: Final = RpcError(Status.DEADLINE_EXCEEDED, "the call took longer than its client is willing to wait")
_SECONDS: Final = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}


class Server:
    """Serves calls over any number of addresses.

    Lives on the event loop.
    """

    def __init__(self, methods: Mapping[str, Method], explain: Explain, *, most_message_bytes: int) -> None:
        """Make a server.

        Args:
            methods: by path, `/package.Service/Method`.
            explain: called with what a method raises, unless that is an RpcError.
            most_message_bytes: the largest message that is taken.
        """
        self._methods = methods
        self._explain = explain
        self._most_message_bytes = most_message_bytes
        self._connections: set[Connection] = set()
        self._calls: set[asyncio.Task[None]] = set()
        self._listeners: list[asyncio.Server] = []
        self._socket_files: list[Path] = []
        self._stopping = False

    async def listen(self, host: str | None, port: int) -> int:
        """Listen at a TCP address; port 0 is any that is free, no host is all interfaces. Return the port.

        A name may stand for addresses of families that this system does not have (`localhost` without IPv6): they are
        left out, as long as there is one that it has.

        Raises:
            OSError: it cannot be listened at.
        """
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
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

    async def listen_unix(self, path: str) -> None:
        """Listen at a Unix socket.

        Raises:
            OSError: it cannot be listened at.
        """
        self._listeners.append(await asyncio.get_running_loop().create_unix_server(self._connection, path))
        self._socket_files.append(Path(path))

    async def stop(self, grace_s: float) -> None:
        """Take no more calls; let those that run end by themselves for so long, then cancel them; hang up."""
        self._stopping = True
        for listener in self._listeners:
            listener.close()
        for file in self._socket_files:
            file.unlink(missing_ok=True)
        for connection in self._connections:
            connection.go_away()
        if self._calls:
            await asyncio.wait(self._calls, timeout=grace_s)
        for call in self._calls:
            call.cancel()
        for connection in list(self._connections):
            connection.close(ErrorCode.NO_ERROR)

    def _connection(self) -> Connection:
        return Connection(self._serve, self._connections)

    def _serve(self, stream: Stream) -> Exchange:
        call = Call(stream, self._most_message_bytes)
        if self._stopping or len(self._calls) >= _MOST_CALLS:
            stream.reset(ErrorCode.REFUSED_STREAM)
            return call
        status = _http_status(stream.request)
        if status is not None:
            stream.send_headers([(":status", status)], end=True)
            return call
        task = asyncio.get_running_loop().create_task(self._run(call, stream.request))
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)
        call.run_by(task)
        return call

    async def _run(self, call: Call, request: Request) -> None:
        try:
            async with asyncio.timeout(_timeout_s(request)) as limit:
                await self._method(request)(call)
        except RpcError as error:
            call.end(error.status, error.message)
        except asyncio.CancelledError:
            call.end(Status.CANCELLED, "the call was cancelled")
        except Exception as error:  # noqa: BLE001 - `explain` tells of it
            told = _EXPIRED if limit.expired() else self._explain(request.path, error)
            call.end(told.status, told.message)
        else:
            call.end(Status.OK)

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
