"""The plugin's gRPC server with methods of a test, in a thread, behind a real socket."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import grpc

from cloudquery_s3.server.rpc import RpcError, Server, Status

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cloudquery_s3.server.limits import Limits
    from cloudquery_s3.server.rpc import Method

UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


def explained(path: str, error: BaseException) -> RpcError:
    """Word an error of a method."""
    return RpcError(Status.INTERNAL, f"{path}: {error!r}")


@contextmanager
def serving(methods: Mapping[str, Method], limits: Limits | None = None) -> Iterator[tuple[Server, str]]:
    """Run a server with these methods; yields it and its address."""
    ready: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event, Server, int]] = Future()

    async def serve() -> None:
        server, done = Server(methods, explained, limits), asyncio.Event()
        port = await server.listen("127.0.0.1", 0)
        ready.set_result((asyncio.get_running_loop(), done, server, port))
        await done.wait()
        await server.stop(0)

    thread = threading.Thread(target=asyncio.run, args=[serve()])
    thread.start()
    loop, done, server, port = ready.result(timeout=60)
    try:
        yield server, f"127.0.0.1:{port}"
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join()


@contextmanager
def connected(methods: Mapping[str, Method], **options: Any) -> Iterator[grpc.Channel]:
    """Run a server with these methods; yields gRPC's own client of it."""
    with serving(methods, **options) as (_, address), grpc.insecure_channel(address, UNLIMITED) as channel:
        yield channel
