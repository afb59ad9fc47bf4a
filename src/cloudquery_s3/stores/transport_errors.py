"""What a broken connection means, in words. Foreign exceptions of HTTP, TLS and sockets end here."""

from __future__ import annotations

import errno
import os
import re
import socket
import ssl
from http.client import HTTPException, IncompleteRead, RemoteDisconnected
from typing import TYPE_CHECKING, Final

from botocore import exceptions as botocore_errors
from urllib3 import exceptions as urllib3_errors

from cloudquery_s3.stores.failures import (
    NO_TLS,
    NOT_TRUSTED,
    PROXY,
    UNRESOLVED,
    WRONG_NAME,
    RequestFailedError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_CLOSED: Final = "the connection was closed before a whole answer came"
_HOSTNAME_MISMATCH: Final = 62  # OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH
_IP_MISMATCH: Final = 64
_NO_TLS_REASONS: Final = frozenset(
    {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"}
)
_TUNNEL: Final = re.compile(r"Tunnel connection failed: (\d+)(.*)")
_OF_SYSTEM: Final[Mapping[int | None, str]] = {
    errno.ECONNREFUSED: "connection refused",
    errno.ENETUNREACH: "there is no route to the network",
    errno.EHOSTUNREACH: "there is no route to the host",
    errno.EMFILE: "this process has too many open files: raise its limit (ulimit -n)",
    errno.ENFILE: "this machine has too many open files",
    errno.ECONNRESET: _CLOSED,
    errno.ECONNABORTED: _CLOSED,
    errno.EPIPE: _CLOSED,
}
_NOT_CONNECTED: Final = (
    botocore_errors.ConnectTimeoutError,
    botocore_errors.EndpointConnectionError,
    botocore_errors.ProxyConnectionError,
    urllib3_errors.ConnectTimeoutError,
    urllib3_errors.NewConnectionError,
    urllib3_errors.ProxyError,
)
_BY_KIND: Final[tuple[tuple[tuple[type[BaseException], ...], str], ...]] = (
    ((botocore_errors.ConnectTimeoutError, urllib3_errors.ConnectTimeoutError), "connecting timed out"),
    ((botocore_errors.ReadTimeoutError, urllib3_errors.ReadTimeoutError), "the answer timed out"),
    ((TimeoutError,), "sending timed out"),
    ((RemoteDisconnected, IncompleteRead, ssl.SSLEOFError, ssl.SSLZeroReturnError), _CLOSED),
)
"""What an error is called: the first kind that it is, or is made of, once its number says nothing."""


def transport_failure(error: Exception, *, proxy: str = "") -> RequestFailedError:
    """Return what an error of an HTTP client means; `proxy` is what the request went through.

    All may pass with time but what the other side is: a certificate that does not verify, a port without TLS, a proxy
    that refuses.
    """
    inner = tuple(_chain(error))
    permanent = _of_certificate(inner) or _of_protocol(inner) or _of_tunnel(inner, proxy)
    if permanent:
        return permanent
    sent = not any(isinstance(one, _NOT_CONNECTED) for one in inner[:1])
    cause, is_unresolved = _cause(inner), any(isinstance(one, socket.gaierror) for one in inner)
    if any(isinstance(one, (botocore_errors.ProxyConnectionError, urllib3_errors.ProxyError)) for one in inner):
        through = f" {proxy}" if proxy else ""
        return RequestFailedError(
            f"the proxy{through} cannot be reached ({cause})", transient=True, code=PROXY, sent=False
        )
    return RequestFailedError(cause, transient=True, code=UNRESOLVED if is_unresolved else "", sent=sent)


def _of_certificate(inner: tuple[BaseException, ...]) -> RequestFailedError | None:
    refused = next((one for one in inner if isinstance(one, ssl.SSLCertVerificationError)), None)
    if refused is None:
        return None
    if getattr(refused, "verify_code", None) in {_HOSTNAME_MISMATCH, _IP_MISMATCH}:
        said = f"the server's TLS certificate is for another name ({refused.verify_message})"
        return RequestFailedError(said, code=WRONG_NAME, sent=False)
    said = f"the server's TLS certificate is not trusted ({getattr(refused, 'verify_message', refused)})"
    return RequestFailedError(said, code=NOT_TRUSTED, sent=False)


def _of_protocol(inner: tuple[BaseException, ...]) -> RequestFailedError | None:
    for one in inner:
        if isinstance(one, ssl.SSLError) and (one.reason or "").upper() in _NO_TLS_REASONS:
            return RequestFailedError("the server does not speak TLS at this port", code=NO_TLS, sent=False)
    return None


def _of_tunnel(inner: tuple[BaseException, ...], proxy: str) -> RequestFailedError | None:
    for one in inner:
        if found := _TUNNEL.search(str(one)):
            status, words = found.groups()
            said = f"the proxy {proxy} refuses the connection: HTTP {status}{words.rstrip('.')}"
            return RequestFailedError(said, code=PROXY, transient=status.startswith("5"), sent=False)
    return None


def _cause(inner: tuple[BaseException, ...]) -> str:
    if any(isinstance(one, socket.gaierror) for one in inner):
        return "the host name cannot be resolved"
    numbers = [one.errno for one in inner if isinstance(one, OSError) and not isinstance(one, ssl.SSLError)]
    system = [_OF_SYSTEM.get(number) or os.strerror(number).lower() for number in numbers if number]
    named = [words for kinds, words in _BY_KIND if any(isinstance(one, kinds) for one in inner)]
    foreign = [words for one in inner if (words := _words(one))]
    return next(iter((*system, *named, *foreign)), _CLOSED)


def _words(error: BaseException) -> str:
    """Return words for an error that has no name here, without quoting what was received."""
    if isinstance(error, ssl.SSLError) and error.reason:
        return f"TLS failed ({error.reason.replace('_', ' ').lower()})"
    if isinstance(error, HTTPException):
        text = str(error)
        return f"the answer cannot be read ({text if text.startswith('got more than') else type(error).__name__})"
    return ""


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and, from the outside in, those that it was made of."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        held = next((argument for argument in current.args if isinstance(argument, BaseException)), None)
        current = held or current.__cause__ or current.__context__
