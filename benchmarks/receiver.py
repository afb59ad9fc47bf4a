"""Servers that only receive, each in a process of its own: what receiving costs with nothing behind it.

`python -m benchmarks.receiver drop SOCKET`: a bare `grpc.aio` server that drops every message, as a floor.
`python -m benchmarks.receiver read SOCKET`: the plugin's own server, which reads the headers of each message as well.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any, Final

import grpc

from cloudquery_s3.ipc import IpcReader
from cloudquery_s3.server import wire
from cloudquery_s3.server.limits import Limits
from cloudquery_s3.server.rpc import RpcError, Server, Status

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

from cloudquery_s3.server.rpc import Call

_SERVICE: Final = "cloudquery.plugin.v3.Plugin"


async def _drop(requests: AsyncIterator[bytes], _context: Any) -> bytes:
    async for _ in requests:
        pass
    return b""


async def _serve_grpcio(socket: str) -> None:
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", -1)])
    handler = grpc.stream_unary_rpc_method_handler(_drop)
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(_SERVICE, {"Write": handler})])
    server.add_insecure_port(f"unix:{socket}")
    await server.start()
    await server.wait_for_termination()


async def _read(call: Call) -> None:
    reader = IpcReader()
    async for raw in call:
        reader.read(wire.parse(raw).payload)
    await call.send(b"")


def _unexpected(_path: str, error: BaseException) -> RpcError:
    return RpcError(Status.INTERNAL, repr(error))


async def _serve_own(socket: str) -> None:
    server = Server({f"/{_SERVICE}/Write": _read}, _unexpected, Limits(message_bytes=2**31 - 1))
    await server.listen_unix(socket)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run({"drop": _serve_grpcio, "read": _serve_own}[sys.argv[1]](sys.argv[2]))
