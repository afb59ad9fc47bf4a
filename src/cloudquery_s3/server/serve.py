"""The plugin as a process: its address, its signals, its end."""

from __future__ import annotations

import asyncio
import contextlib
import io
import logging
import os
import signal
import socket
import sys
from typing import TYPE_CHECKING, Final

from cloudquery_s3.server import allocator, arguments, health, logs, reflection, servicer, telemetry
from cloudquery_s3.server.address_advice import advice
from cloudquery_s3.server.limits import Limits
from cloudquery_s3.server.rpc import Server
from cloudquery_s3.server.starter import Starter

if TYPE_CHECKING:
    from collections.abc import Sequence

log = logging.getLogger(__name__)

_STOP_GRACE_S: Final = 3.0
"""How long running RPCs may take to end after a signal; the CLI kills the process after 5 s."""

_PATIENCE_S: Final = 1.5
"""How long of that the uploads of interrupted Writes may take to end by themselves."""

_TELEMETRY_S: Final = 1.0
"""How long after that metrics and traces may take to be sent."""

_FAMILIES: Final = {"tcp": socket.AF_UNSPEC, "tcp4": socket.AF_INET, "tcp6": socket.AF_INET6}


def main(given: Sequence[str]) -> int:
    """Serve until a signal, or until the CLI that started this process is gone; return the exit status."""
    _open_standard_streams()
    options = arguments.parse(given)
    # The CLI adds the time itself: it starts a program at a Unix socket, and a container with a terminal.
    logs.configure(options.log_level, options.log_format, reader_adds_time=_is_read_by_cli(options))
    for warning in options.warnings:
        log.warning("%s", warning)
    allocator.keep_large_blocks()
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy starts threads for matrices; there are none here
    return asyncio.run(_serve(options))


def _is_read_by_cli(options: arguments.Options) -> bool:
    return options.log_format == "json" and (options.network == "unix" or sys.stdout.isatty())


async def _serve(options: arguments.Options) -> int:
    limits, starter = Limits(), Starter()
    plugin, state = servicer.PluginServicer(limits), health.HealthServicer()
    methods = {**servicer.methods(plugin), **health.methods(state), **reflection.methods()}
    server = Server(methods, servicer.explain, limits)
    try:
        plugin.telemetry = await telemetry.begin(options, plugin.load)
    except telemetry.TelemetryRefusedError as error:
        log.error("%s", error)  # noqa: TRY400 -- no trace
        return 1
    try:
        address = await _listen(server, options, starter)
    except (OSError, ValueError) as error:
        what = advice("--address", options.address, error, unix=options.network == "unix")
        log.error("cannot listen on %s: %s", options.address, what)  # noqa: TRY400 -- no trace
        return 1
    log.info("serving", extra={"address": address})
    stop = asyncio.Event()
    _on_signals(stop)
    background = [asyncio.create_task(plugin.preload())]
    if options.network == "unix":
        background.append(asyncio.create_task(_stop_after(starter, stop)))
    await stop.wait()
    for task in background:
        task.cancel()
    state.stop()
    await _stop(server, plugin)
    await telemetry.end(plugin.telemetry, _TELEMETRY_S)
    log.info("stopped")
    with contextlib.suppress(OSError, ValueError):  # nobody reads any more
        sys.stdout.flush()
    # An upload that hangs in a worker would keep the interpreter from ending; nothing partial can come of it.
    os._exit(0)


async def _listen(server: Server, options: arguments.Options, starter: Starter) -> str:
    """Listen at an address as the CLI gives it; return the address that it has become."""
    if options.network == "unix":
        await server.listen_unix(options.address, connected=starter.connected)
        return f"unix:{options.address}"
    host, port = arguments.host_and_port(options.address)
    bound = await server.listen(host, port, family=_FAMILIES[options.network])
    return f"{options.address.rpartition(':')[0]}:{bound}"


async def _stop_after(starter: Starter, stop: asyncio.Event) -> None:
    await starter.gone()
    log.warning("the process that started this plugin is gone")
    stop.set()


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
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is None or (name == "SIGHUP" and signal.getsignal(number) is signal.SIG_IGN):
            continue  # there is none on Windows; `nohup` has it ignored
        try:
            loop.add_signal_handler(number, stop.set)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop.set))


def _open_standard_streams() -> None:
    """Have the three standard streams open, so that no socket gets their numbers, and all text can be printed."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free: this one
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w", encoding="utf-8")
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", encoding="utf-8")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # what no encoding has: bytes of a variable that is no UTF-8
