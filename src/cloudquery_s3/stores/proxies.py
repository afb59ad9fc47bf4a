"""Which proxy leads to a URL, as the environment says."""

from __future__ import annotations

import ipaddress
import os
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

_PORTS: Final[Mapping[str, int]] = {"http": 80, "https": 443}


def proxy_of(url: str, environ: Mapping[str, str] = os.environ) -> str | None:
    """Return the URL of the proxy for requests to an `http` or `https` URL, or None where they go straight there.

    HTTP_PROXY and HTTPS_PROXY hold, in capitals or not; a proxy without a scheme is one of `http`. Loopback is never
    reached through a proxy, nor is what NO_PROXY lists: `*` for all, a host with all names below it, `.domain` or
    `*.domain` for the names below it alone, an IP address or a range of them (CIDR), each with a port where only that
    one is meant.

    Source: golang.org/x/net/http/httpproxy, which the Go plugin uses; names below `localhost` are ours.
    """
    parts = urlsplit(url)
    host, port = (parts.hostname or "").rstrip("."), parts.port or _PORTS[parts.scheme]
    proxy = _variable(environ, f"{parts.scheme.upper()}_PROXY")
    if not proxy or _is_loopback(host) or _is_excepted(host, port, _variable(environ, "NO_PROXY")):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def without_password(proxy: str) -> str:
    """Return a proxy's URL as it may be shown."""
    return proxy.replace(urlsplit(proxy).netloc.rpartition("@")[0] + "@", "") if "@" in proxy else proxy


def _variable(environ: Mapping[str, str], name: str) -> str:
    return environ.get(name) or environ.get(name.lower()) or ""


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return None


def _is_loopback(host: str) -> bool:
    address = _address(host)
    return address.is_loopback if address else host == "localhost" or host.endswith(".localhost")


def _is_excepted(host: str, port: int, listed: str) -> bool:
    return any(_covers(entry.strip().lower(), host.lower(), port) for entry in listed.split(",") if entry.strip())


def _covers(entry: str, host: str, port: int) -> bool:
    address = _address(host)
    if "/" in entry:
        network = _network(entry)
        return address is not None and network is not None and address in network
    name, only_port = _split_port(entry)
    if only_port not in {"", str(port)}:
        return False
    if (excepted := _address(name)) is not None:
        return address == excepted
    below = name.removeprefix("*")
    return below in {"", host} or host.endswith(below if below.startswith(".") else f".{below}")


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def _split_port(entry: str) -> tuple[str, str]:
    """Return an entry's host and port; an IPv6 address has a port only behind brackets."""
    host, colon, port = entry.rpartition(":")
    if colon and port.isdigit() and (":" not in host or host.endswith("]")):
        return host, port
    return entry, ""
