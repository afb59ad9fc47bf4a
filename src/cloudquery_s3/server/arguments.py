"""What `cloudquery-s3 serve` is started with. What it does not know is a warning: a newer CLI may pass more."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_DEFAULTS: Final = {
    "address": "localhost:7777",
    "network": "tcp",
    "log_level": "info",
    "log_format": "text",
    "otel_endpoint": "",
    "otel_endpoint_insecure": "false",
    "metrics_address": "",
}
_VALUES: Final = {
    "network": ("tcp", "tcp4", "tcp6", "unix"),
    "log_level": ("trace", "debug", "info", "warn", "error"),
    "log_format": ("text", "json"),
    "otel_endpoint_insecure": ("true", "false"),
}
_WITHOUT_EFFECT: Final = (
    # what the CLI, or people used to the Go plugin, pass on; there is nothing here that they could change
    "--license",
    "--no-sentry",
    "--otel-endpoint-headers",
    "--otel-endpoint-urlpath",
    "--sentry-dsn",
    "--telemetry-level",
)
_MOST_PORT: Final = 65_535


@dataclass(frozen=True, slots=True)
class Options:
    """The arguments, and what is odd about them.

    Attributes:
        address: host:port, or the path of a Unix socket.
        network: tcp, tcp4, tcp6 or unix.
        log_level: trace, debug, info, warn or error.
        log_format: text or json.
        otel_endpoint: host:port of a collector that takes OTLP over HTTP, or a URL; empty for none.
        otel_endpoint_insecure: `true` if that is reached without TLS.
        metrics_address: host:port at which Prometheus finds metrics; empty for none.
        warnings: one for each argument that is not known, or has a value that is not.
    """

    address: str
    network: str
    log_level: str
    log_format: str
    otel_endpoint: str
    otel_endpoint_insecure: str
    metrics_address: str
    warnings: list[str] = field(default_factory=list)


def parse(arguments: Sequence[str]) -> Options:
    """Return the options. With `--help` it prints them and ends the process."""
    parser = argparse.ArgumentParser(
        prog="cloudquery-s3 serve", description="Serve the plugin over gRPC.", allow_abbrev=False
    )
    parser.add_argument("--address", nargs="?", help="host:port, or the path of a Unix socket (localhost:7777)")
    for name, values in _VALUES.items():
        const = "true" if "true" in values else None  # a flag alone says yes
        parser.add_argument(_flag(name), nargs="?", const=const, help=f"{', '.join(values)} ({_DEFAULTS[name]})")
    parser.add_argument("--otel-endpoint", nargs="?", help="host:port of a collector: OTLP over HTTP")
    parser.add_argument("--metrics-address", nargs="?", help="host:port at which Prometheus finds metrics")
    for flag in _WITHOUT_EFFECT:
        parser.add_argument(flag, nargs="?", help=argparse.SUPPRESS)
    for name, default in _DEFAULTS.items():
        parser.set_defaults(**{name: default})
    known, unknown = parser.parse_known_args(arguments)
    warnings = list(_unknown_flags(unknown))
    taken = {name: _value(name, getattr(known, name), warnings) for name in _DEFAULTS}
    return Options(**taken, warnings=warnings)


def host_and_port(address: str) -> tuple[str | None, int]:
    """Return the two parts of `host:port`; no host is all interfaces.

    Raises:
        ValueError: it is not of that form; says what is wrong.
    """
    host, colon, port = address.rpartition(":")
    if not colon or (":" in host and not (host.startswith("[") and host.endswith("]"))):
        raise ValueError("an address is host:port, with an IPv6 address in brackets")
    if not (port.isascii() and port.isdecimal()) or int(port[:6]) > _MOST_PORT:
        raise ValueError(f"a port is a number from 0 to {_MOST_PORT}")
    return host.strip("[]") or None, int(port)


def _unknown_flags(unknown: Sequence[str]) -> list[str]:
    warnings = []
    takes_value = False
    for argument in unknown:
        is_flag = argument.startswith("-")
        if is_flag or not takes_value:
            # not what follows: the value of a flag that is not known may be a secret
            warnings.append(f"the argument {argument.partition('=')[0]} is not known, and ignored")
        takes_value = is_flag and "=" not in argument
    return warnings


def _value(name: str, value: str | None, warnings: list[str]) -> str:
    default = _DEFAULTS[name]
    if value is None:
        warnings.append(f"{_flag(name)} has no value: {default or 'none'} is taken")
        return default
    known = _VALUES.get(name)
    if known is not None and value not in known:
        warnings.append(f"{_flag(name)} {value!r} is none of {', '.join(known)}: {default} is taken")
        return default
    return value


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
