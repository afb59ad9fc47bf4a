"""The plugin as a process: its arguments, its address, its signals, its end."""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import logging
import os
import signal
import sys
from typing import TYPE_CHECKING, Final

from cloudquery_s3.server import logs, servicer
from cloudquery_s3.server.rpc import Server

if TYPE_CHECKING:
    from collections.abc import Sequence

log = logging.getLogger(__name__)

_MAX_MESSAGE_BYTES: Final = 220 << 20
"""A little above the CLI's own limit of 200 MiB, which counts the payload alone."""

_STOP_GRACE_S: Final = 3.0
"""How long running RPCs may take to end after a signal; the CLI kills the process after 5 s."""

_PATIENCE_S: Final = 1.5
"""How long of that the uploads of interrupted Writes may take to end by themselves."""

_PARENT_POLL_S: Final = 1.0


def main(arguments: Sequence[str]) -> int:
    """Serve until a signal, or until the CLI that started this process is gone; return the exit status."""
    options = _parse(arguments)
    logs.configure(options.log_level, options.log_format)
    _keep_large_blocks()
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy starts threads for matrices; there are none here
    return asyncio.run(_serve(options))


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse what the CLI passes. What this plugin does not know is ignored: a newer CLI may pass more."""
    parser = argparse.ArgumentParser(
        prog="cloudquery-s3 serve", description="Serve the plugin over gRPC.", allow_abbrev=False
    )
    parser.add_argument("--address", default="localhost:7777", help="host:port, or the path of a Unix socket")
    parser.add_argument("--network", default="tcp", help="tcp, tcp4, tcp6 or unix")
    parser.add_argument("--log-level", default="info", help="trace, debug, info, warn or error")
    parser.add_argument("--log-format", default="text", help="text, or json as the CLI reads it")
    options, ignored = parser.parse_known_args(arguments)
    options.ignored = ignored
    return options


async def _serve(options: argparse.Namespace) -> int:
    plugin = servicer.PluginServicer()
    server = Server(servicer.methods(plugin), servicer.explain, most_message_bytes=_MAX_MESSAGE_BYTES)
    over_unix = options.network.startswith("unix")
    try:
        address = await _listen(server, options.address, over_unix=over_unix)
    except (OSError, ValueError) as error:
        log.error("cannot listen on %s: choose another --address (%s)", options.address, error)  # noqa: TRY400 -- no trace
        return 1
    log.info("serving", extra={"address": address})
    if options.ignored:
        log.debug("flags ignored", extra={"flags": options.ignored})
    stop = asyncio.Event()
    _on_signals(stop)
    background = [asyncio.create_task(plugin.preload())]
    if over_unix:
        background.append(asyncio.create_task(_watch_parent(stop)))
    await stop.wait()
    for task in background:
        task.cancel()
    await _stop(server, plugin)
    log.info("stopped")
    sys.stdout.flush()
    # An upload that hangs in a worker would keep the interpreter from ending; nothing partial can come of it.
    os._exit(0)


async def _listen(server: Server, address: str, *, over_unix: bool) -> str:
    """Listen at an address as the CLI gives it; return the address that it has become."""
    if over_unix:
        await server.listen_unix(address)
        return f"unix:{address}"
    host, _, port = address.rpartition(":")
    return f"{host}:{await server.listen(host.strip('[]') or None, int(port))}"


async def _stop(server: Server, plugin: servicer.PluginServicer) -> None:
    """Take no more calls, and end those that run: rows of open objects are dropped, their uploads taken back.

    What a store that is slow or hangs keeps from ending is not waited for, but its uploads are taken back as well.
    """
    plugin.interrupt()
    stopping = asyncio.ensure_future(server.stop(_STOP_GRACE_S))
    idle = asyncio.ensure_future(plugin.idle.wait())  # a call that the client has cancelled has ended for the server
    await asyncio.wait([idle], timeout=_PATIENCE_S)
    if not idle.done():
        abandoned = asyncio.ensure_future(plugin.abandon())
        await asyncio.wait([idle, abandoned], timeout=_STOP_GRACE_S - _PATIENCE_S)
    await stopping


def _on_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, stop.set)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop.set))


async def _watch_parent(stop: asyncio.Event) -> None:
    """Stop when the CLI is gone: killed, it leaves its plugins behind. A Unix socket is what the CLI starts us with."""
    parent = os.getppid()
    while os.getppid() == parent:  # noqa: ASYNC110 -- the kernel tells no event of it
        await asyncio.sleep(_PARENT_POLL_S)
    log.warning("the process that started this plugin is gone")
    stop.set()


_MALLOC_OPTIONS: Final = {
    -1: 1 << 30,  # M_TRIM_THRESHOLD: do not give back the top of the heap
    -3: 1 << 30,  # M_MMAP_THRESHOLD: no block is a mapping of its own
    -8: 1,  # M_ARENA_MAX: all threads share what is kept
}


def _keep_large_blocks() -> None:
    """Let glibc keep freed memory for the next message instead of giving it back page by page; Arrow uses it too.

    Halves the cost of receiving messages of megabytes (`docs/benchmarks.md`). Elsewhere than on glibc nothing happens.
    """
    if sys.platform != "linux":
        return
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return
    for option, value in _MALLOC_OPTIONS.items():
        mallopt(option, value)
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
