"""Whether this process tells of its metrics and traces, and since when: a CLI that waits for us must not notice."""

from __future__ import annotations

import asyncio
import logging
import os
from typing import TYPE_CHECKING, TypeAlias

from cloudquery_s3.server.address_advice import advice
from cloudquery_s3.server.arguments import host_and_port
from cloudquery_s3.telemetry.settings import EXTRA, missing_modules, settings_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudquery_s3.server.arguments import Options
    from cloudquery_s3.telemetry.load import Load
    from cloudquery_s3.telemetry.settings import Settings
    from cloudquery_s3.telemetry.telemetry import Telemetry

log = logging.getLogger(__name__)

Starting: TypeAlias = "asyncio.Future[Telemetry | None]"
"""Telemetry, once it has begun; None where it cannot."""


class TelemetryRefusedError(Exception):
    """A flag asks for telemetry that cannot be; says why."""


async def begin(options: Options, load: Callable[[], Load]) -> Starting | None:
    """Let telemetry begin in the background, if somebody asks for it; return None where nobody does.

    Where Prometheus shall find metrics, they are there on return.

    Args:
        options: the flags.
        load: tells the present state, from any thread.

    Raises:
        TelemetryRefusedError: a flag asks for what is not installed, or the address cannot be listened at.
    """
    settings = _settings(options)
    for warning in settings.warnings:
        log.warning("%s", warning)
    if settings.is_off or not _is_installed(settings):
        return None
    starting = asyncio.ensure_future(_start(settings, load))
    if settings.metrics_address is not None:
        try:
            await starting
        except Exception as error:  # noqa: BLE001 -- whatever it is, Prometheus would find nothing
            raise _unusable(options.metrics_address, error) from None
    return starting


async def end(starting: Starting | None, patience_s: float) -> None:
    """Send what has not been sent yet, for so long at the most."""
    if starting is None or not starting.done():
        return
    telemetry = starting.result()
    if telemetry is not None:
        await asyncio.to_thread(telemetry.close, patience_s)


def _settings(options: Options) -> Settings:
    try:
        address = host_and_port(options.metrics_address) if options.metrics_address else None
    except ValueError as error:
        raise _unusable(options.metrics_address, error) from None
    return settings_of(
        endpoint=options.otel_endpoint,
        insecure=options.otel_endpoint_insecure == "true",
        metrics_address=address,
        variables=os.environ,
    )


def _unusable(address: str, error: Exception) -> TelemetryRefusedError:
    return TelemetryRefusedError(f"cannot serve metrics on {address}: {advice('--metrics-address', address, error)}")


def _is_installed(settings: Settings) -> bool:
    missing = missing_modules()
    if not missing:
        return True
    advice = f"install it: pip install 'cloudquery-destination-s3[{EXTRA}]'"
    what = f"metrics and traces want the extra '{EXTRA}', of which {missing[0]} is missing; {advice}"
    if settings.by_flag:
        raise TelemetryRefusedError(what)
    log.warning("%s; OTEL_* variables are ignored until then", what)
    return False


async def _start(settings: Settings, load: Callable[[], Load]) -> Telemetry | None:
    try:
        return await asyncio.to_thread(_started, settings, load)
    except Exception as error:
        if settings.metrics_address is not None:
            raise
        # rows matter more: a sync goes on without telemetry
        log.warning("there are neither metrics nor traces: %s: %s", type(error).__name__, error)
        return None


def _started(settings: Settings, load: Callable[[], Load]) -> Telemetry:
    from cloudquery_s3.telemetry.telemetry import Telemetry  # noqa: PLC0415 -- its imports take half a second

    return Telemetry(settings, load)
