"""A gRPC server that drops every message, in a process of its own: what receiving costs with nothing behind it.

`python -m benchmarks.receiver SOCKET [read]`: with `read`, each message's headers are read as the plugin reads them.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import grpc

from cloudquery_s3.ipc import IpcReader
from cloudquery_s3.server import wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


async def _drop(requests: AsyncIterator[bytes], _context: Any) -> bytes:
    async for _ in requests:
        pass
    return b""


async def _read(requests: AsyncIterator[bytes], _context: Any) -> bytes:
    reader = IpcReader()
    async for raw in requests:
        reader.read(wire.parse(raw).payload)
    return b""


async def _serve(socket: str, method: Any) -> None:
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", -1)])
    handler = grpc.stream_unary_rpc_method_handler(method)
    server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler("cloudquery.plugin.v3.Plugin", {"Write": handler})]
    )
    server.add_insecure_port(f"unix:{socket}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], _read if sys.argv[2:] == ["read"] else _drop))
