"""HTTP as botocore does it: TLS, proxies, pooled connections; its connect timeout does not cut off slow uploads."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Any, Final

from botocore.awsrequest import (
    AWSHTTPConnection,
    AWSHTTPConnectionPool,
    AWSHTTPSConnection,
    AWSHTTPSConnectionPool,
    AWSPreparedRequest,
    AWSResponse,
    HeadersDict,
)
from botocore.exceptions import BotoCoreError, ReadTimeoutError
from botocore.httpsession import URLLib3Session
from botocore.utils import get_environ_proxies
from urllib3.exceptions import HTTPError
from urllib3.exceptions import ReadTimeoutError as BodyTimeoutError

from cloudquery_s3.stores.s3_errors import RequestFailedError, transport_failure

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import IO

    from botocore.session import Session

    from cloudquery_s3.stores.body import Body

_COPY_BYTES: Final = 1 << 20
_CONNECTIONS: Final = 64
"""How many idle connections are kept; more may be in use."""


class _PatientSend:
    """A connection whose connect timeout ends with connecting: the body's pieces have the read timeout, each.

    urllib3 knows two timeouts, and counts sending under the first.
    """

    read_timeout_s: float
    sock: socket.socket | None

    def send(self, data: Any) -> None:
        if self.sock is not None:
            self.sock.settimeout(self.read_timeout_s)
        super().send(data)  # type: ignore[misc] # a mixin: the class beside it sends


class Transport:
    """Sends HTTP requests. Safe to use from several threads."""

    def __init__(
        self,
        aws: Session,
        url: str,
        *,
        verify: bool,
        connect_timeout_s: float,
        read_timeout_s: float,
    ) -> None:
        """Prepare for requests to one host; `url` decides about proxies, `verify` about checking certificates."""
        client: Any = URLLib3Session  # its stubs know neither its argument types nor how to choose a connection's class
        self._http = client(
            verify=_certificates(aws) if verify else False,
            proxies=get_environ_proxies(url),
            timeout=(connect_timeout_s, read_timeout_s),
            max_pool_connections=_CONNECTIONS,
            # Header and body go out in several calls: they must not wait for each other's acknowledgement.
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)],
        )
        # There is no public way to choose the connection's class. The dict is shared by all of its pool managers.
        self._http._pool_classes_by_scheme.update(_pool_classes(read_timeout_s))  # noqa: SLF001 - as said

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: Body, *, into: IO[bytes] | None = None
    ) -> AWSResponse:
        """Send one request and return its whole answer; the body of a success goes into a file, where there is one.

        Raises:
            RequestFailedError: no whole answer came.
        """
        request: Any = AWSPreparedRequest  # its stubs do not know iterable bodies
        prepared = request(
            method,
            url,
            HeadersDict({**headers, "Content-Length": str(body.size_bytes)}),
            body,
            stream_output=into is not None,
        )
        try:
            answer: AWSResponse = self._http.send(prepared)
            success = 200 <= answer.status_code < 300  # noqa: PLR2004 - HTTP's own numbers
            size_bytes = _copied(answer, into) if into and success else len(answer.content)
        except BodyTimeoutError as error:
            raise transport_failure(ReadTimeoutError(endpoint_url=url, error=error)) from None
        except (BotoCoreError, HTTPError) as error:
            raise transport_failure(error) from None
        announced = answer.headers.get("Content-Length")
        if announced is not None and method != "HEAD" and int(announced) != size_bytes:
            raise RequestFailedError("the connection was closed before a whole answer came", transient=True)
        return answer

    def close(self) -> None:
        """Close all idle connections."""
        self._http.close()


def _copied(answer: AWSResponse, into: IO[bytes]) -> int:
    """Replace a file's content by an answer's body; return its size."""
    into.seek(0)
    into.truncate()
    return sum(into.write(block) for block in answer.raw.stream(_COPY_BYTES))


def _certificates(aws: Session) -> str | bool:
    """Return the file of trusted authorities that the user's configuration names, or True for botocore's own."""
    return aws.get_config_variable("ca_bundle") or os.environ.get("REQUESTS_CA_BUNDLE") or True


def _pool_classes(read_timeout_s: float) -> dict[str, type]:
    timeout = {"read_timeout_s": read_timeout_s}
    plain = type("PatientConnection", (_PatientSend, AWSHTTPConnection), timeout)
    tls = type("PatientTlsConnection", (_PatientSend, AWSHTTPSConnection), timeout)
    return {
        "http": type("PatientPool", (AWSHTTPConnectionPool,), {"ConnectionCls": plain}),
        "https": type("PatientTlsPool", (AWSHTTPSConnectionPool,), {"ConnectionCls": tls}),
    }
