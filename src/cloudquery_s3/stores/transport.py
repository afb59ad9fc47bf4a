"""HTTP: pooled connections, TLS, proxies; its connect timeout does not cut off slow uploads."""

from __future__ import annotations

import http.client
import socket
import threading
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlsplit

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager, ProxyManager, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.util import make_headers, parse_url

from cloudquery_s3.errors import SpecError
from cloudquery_s3.stores.proxies import proxy_of, without_password
from cloudquery_s3.stores.transport_errors import transport_failure
from cloudquery_s3.stores.trust import careless_context

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Collection, Iterable, Mapping
    from typing import IO

    from urllib3.response import BaseHTTPResponse

_CONNECTIONS: Final = 64
"""How many idle connections are kept for each host; more may be in use."""

_BLOCK_BYTES: Final = 128 * 1024
_COPY_BYTES: Final = 1024 * 1024
_SOCKET_OPTIONS: Final = [
    # Header and body go out in several calls: they must not wait for each other's acknowledgement.
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
]


class HttpAnswer(NamedTuple):
    """A whole answer; headers are looked up in any case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class _Route(NamedTuple):
    proxy: str | None
    target: str
    verified: bool


class _WholeLines:
    """The lines of an answer's head, each of which has an end: http.client takes a closed connection for the last."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def readline(self, limit: int) -> bytes:
        line = self._file.readline(limit)
        if not line.endswith(b"\n") and len(line) < limit:
            raise http.client.RemoteDisconnected("the connection was closed inside the head of an answer")
        return line

    def close(self) -> None:
        self._file.close()


class _StrictResponse(http.client.HTTPResponse):
    """An answer whose head is whole, or none at all.

    Its length may be said twice (`Content-Length: 0, 0`), as a chain of proxies may leave it.
    """

    def begin(self) -> None:
        file = self.fp
        self.fp = _WholeLines(file)  # type: ignore[assignment] # all that reading a head needs of a file
        try:
            super().begin()
        finally:
            if self.fp is not None:  # it is None after a status line that cannot be read
                self.fp = file
        if self.length is None and not self.chunked:
            said = {part.strip() for part in self.headers.get("Content-Length", "").split(",")}
            if len(said) == 1 and (only := said.pop()).isdigit():
                self.length = int(only)


class _PatientSend:
    """A connection whose connect timeout ends with connecting: the body's pieces have the read timeout, each.

    urllib3 knows two timeouts, and counts sending under the first.
    """

    read_timeout_s: float
    sock: socket.socket | None
    response_class = _StrictResponse

    def send(self, data: Any) -> None:
        if self.sock is not None:
            self.sock.settimeout(self.read_timeout_s)
        super().send(data)  # type: ignore[misc] # a mixin: the class beside it sends


class Transport:
    """Sends HTTP requests. Safe to use from several threads."""

    def __init__(
        self,
        trusting: Callable[[], ssl.SSLContext],
        *,
        unverified: Collection[str],
        connect_timeout_s: float,
        read_timeout_s: float,
    ) -> None:
        """Connect to nothing yet.

        Args:
            trusting: makes the context that verifies certificates, when one is needed.
            unverified: hosts, with their ports as URLs have them, whose certificates are not verified.
            connect_timeout_s: how long a connection may take to stand.
            read_timeout_s: how long the other side may take to read on, or to answer.
        """
        self._trusting = trusting
        self._unverified = unverified
        self._timeout = Timeout(connect=connect_timeout_s, read=read_timeout_s)
        self._read_timeout_s = read_timeout_s
        self._lock = threading.Lock()
        self._managers: dict[tuple[str | None, bool], PoolManager] = {}

    def prepare(self, url: str) -> None:
        """Make what requests to a URL need but the connection.

        Raises:
            SpecError: the certificates that shall be trusted cannot be read, or the proxy is of no known kind.
        """
        self._manager_of(self._route(url))

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: Iterable[Any],
        *,
        into: IO[bytes] | None = None,
    ) -> HttpAnswer:
        """Send one request and return its whole answer.

        Args:
            method: the HTTP method.
            url: where to.
            headers: they say how long the body is.
            body: its pieces.
            into: a file that takes the body of a success, which the answer is then without.

        Raises:
            RequestFailedError: no whole answer came.
            SpecError: as `prepare` says.
        """
        route = self._route(url)
        pool = self._manager_of(route).connection_from_url(url)
        try:
            answer = pool.urlopen(
                method,
                route.target,
                body=body,
                headers=headers,
                retries=False,
                redirect=False,
                assert_same_host=False,
                decode_content=False,
                preload_content=into is None,
            )
            success = 200 <= answer.status < 300  # noqa: PLR2004 - HTTP's own numbers
            said = _copied(answer, into) if into is not None and success else answer.data
        except (HTTPError, OSError, http.client.HTTPException) as error:
            raise transport_failure(error, proxy=without_password(route.proxy or "")) from None
        return HttpAnswer(answer.status, answer.headers, said)

    def close(self) -> None:
        """Close all idle connections."""
        for manager in self._managers.values():
            manager.clear()

    def _route(self, url: str) -> _Route:
        parts, proxy = urlsplit(url), proxy_of(url)
        forwards = proxy is not None and parts.scheme == "http" and not proxy.startswith("socks")
        target = url if forwards else (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        verified = parts.scheme == "https" and parts.netloc not in self._unverified
        return _Route(proxy, target, verified=verified)

    def _manager_of(self, route: _Route) -> PoolManager:
        key = (route.proxy, route.verified)
        with self._lock:
            if key not in self._managers:
                self._managers[key] = self._new_manager(route)
            return self._managers[key]

    def _new_manager(self, route: _Route) -> PoolManager:
        options: dict[str, Any] = {
            "ssl_context": self._trusting() if route.verified else careless_context(),
            "timeout": self._timeout,
            "maxsize": _CONNECTIONS,
            "blocksize": _BLOCK_BYTES,
            "socket_options": _SOCKET_OPTIONS,
        }
        if route.proxy is None:
            manager: PoolManager = PoolManager(**options)
            classes = _pool_classes(HTTPConnection, HTTPSConnection, self._read_timeout_s)
        elif route.proxy.startswith("socks"):
            manager, classes = _socks(route.proxy, options, self._read_timeout_s)
        else:
            manager = _http_proxy(route.proxy, options)
            classes = _pool_classes(HTTPConnection, HTTPSConnection, self._read_timeout_s)
        manager.pool_classes_by_scheme = classes
        return manager


def _copied(answer: BaseHTTPResponse, into: IO[bytes]) -> bytes:
    """Replace a file's content by an answer's body; return what is left of it: nothing."""
    into.seek(0)
    into.truncate()
    for block in answer.stream(_COPY_BYTES, decode_content=False):
        into.write(block)
    return b""


def _http_proxy(proxy: str, options: dict[str, Any]) -> PoolManager:
    if urlsplit(proxy).scheme not in {"http", "https"}:
        known = "write http://, https:// or socks5://"
        raise SpecError(f"{without_password(proxy)} is no proxy of a known kind; {known}", field="HTTPS_PROXY")
    authority = parse_url(proxy).auth_decoded
    headers = make_headers(proxy_basic_auth=":".join(part or "" for part in authority)) if authority[0] else None
    return ProxyManager(proxy, proxy_headers=headers, **options)


def _socks(proxy: str, options: dict[str, Any], read_timeout_s: float) -> tuple[PoolManager, dict[str, type]]:
    """Return a manager whose connections go through a SOCKS proxy; it resolves the names, as with Go."""
    from urllib3.contrib import socks  # noqa: PLC0415 - most have none

    by_name = proxy.replace("socks5://", "socks5h://", 1)
    return socks.SOCKSProxyManager(by_name, **options), _pool_classes(
        socks.SOCKSConnection, socks.SOCKSHTTPSConnection, read_timeout_s
    )


def _pool_classes(plain: type, tls: type, read_timeout_s: float) -> dict[str, type]:
    timeout = {"read_timeout_s": read_timeout_s}
    patient_plain = type("PatientConnection", (_PatientSend, plain), timeout)
    patient_tls = type("PatientTlsConnection", (_PatientSend, tls), timeout)
    return {
        "http": type("PatientPool", (HTTPConnectionPool,), {"ConnectionCls": patient_plain}),
        "https": type("PatientTlsPool", (HTTPSConnectionPool,), {"ConnectionCls": patient_tls}),
    }
