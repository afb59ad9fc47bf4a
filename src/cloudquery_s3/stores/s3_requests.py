"""One S3 request: composed, signed, sent, understood, and sent again while that may help."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlsplit

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest

from cloudquery_s3 import __version__
from cloudquery_s3.stores.body import Body
from cloudquery_s3.stores.checksums import crc32_checksum, sha256_checksum
from cloudquery_s3.stores.s3_errors import (
    EXPIRED_CODES,
    RequestFailedError,
    Target,
    document_failure,
    store_error,
    xml_fields,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import IO

    from botocore.credentials import ReadOnlyCredentials

    from cloudquery_s3.cancellation import Cancellation
    from cloudquery_s3.committed import Checksum
    from cloudquery_s3.stores.credentials import CredentialSource
    from cloudquery_s3.stores.endpoint import BucketUrl
    from cloudquery_s3.stores.retry import Pause, RetryPolicy
    from cloudquery_s3.stores.transport import Transport

log = logging.getLogger(__name__)
logging.getLogger("botocore").setLevel(logging.INFO)  # its DEBUG lines hold secrets, tokens and signatures

_USER_AGENT: Final = f"cloudquery-destination-s3/{__version__}"
_UNSIGNED: Final = "UNSIGNED-PAYLOAD"
_DATA: Final = frozenset({"PutObject", "UploadPart"})
_ANSWERS: Final[Mapping[str, str]] = {
    "CreateMultipartUpload": "InitiateMultipartUploadResult",
    "CompleteMultipartUpload": "CompleteMultipartUploadResult",
    "ListMultipartUploads": "ListMultipartUploadsResult",
}
"""The root element of the answers that are documents: status 200 alone does not make them a success."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of the store.

    Attributes:
        operation: S3's name for it.
        method: the HTTP method.
        key: of the object; "" asks the bucket.
        query: the URL's parameters, not yet quoted.
        headers: those of the operation; signing, length and checksum are added.
        body: what is sent.
        into: a file that takes the body of a success, which the answer is then without.
    """

    operation: str
    method: str
    key: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Body = field(default_factory=Body)
    into: IO[bytes] | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A success: headers (looked up in any case) and body."""

    headers: Mapping[str, str]
    body: bytes

    @property
    def etag(self) -> str:
        """The entity tag, without quotes; empty where there is none."""
        return self.headers.get("ETag", "").strip('"')


class S3Client:
    """Sends requests to one bucket. Safe to use from several threads.

    Every body is covered by a checksum that the store verifies: over TLS a CRC-32 in its own header, the signature
    then leaving the body out; otherwise (plain http, or `checksums` off) a SHA-256 inside the signature.
    """

    def __init__(  # noqa: PLR0913 - its parts, each made by one line of the caller
        self,
        *,
        url: BucketUrl,
        target: Target,
        credentials: CredentialSource,
        transport: Transport,
        policy: RetryPolicy,
        pause: Pause,
        checksums: bool,
        log_requests: bool,
    ) -> None:
        self.sends_crc32 = checksums and url.is_tls
        self._url = url
        self._target = target
        self._credentials = credentials
        self._transport = transport
        self._policy = policy
        self._pause = pause
        self._log_level = logging.INFO if log_requests else logging.DEBUG

    def checksum(self, body: Body) -> Checksum:
        """Return what is sent with a body for the store to check it against."""
        return crc32_checksum(body) if self.sends_crc32 else sha256_checksum(body)

    def send(
        self,
        request: Request,
        cancellation: Cancellation,
        failures: list[RequestFailedError] | None = None,
        *,
        policy: RetryPolicy | None = None,
    ) -> Answer:
        """Return the store's answer, once it is a success.

        Args:
            request: what is asked.
            cancellation: once it is set no further attempt begins, and nothing is waited for but a running attempt.
            failures: receives every failed attempt, also when the last one succeeds.
            policy: replaces the client's own.

        Raises:
            StoreError: it failed for good.
            ObjectCancelledError: the object was given up.
        """
        past = [] if failures is None else failures

        def on_retry(attempt: int, failure: RequestFailedError) -> None:
            past.append(failure)
            key = request.key or request.query.get("prefix", "")
            where = {"operation": request.operation, "key": key}
            log.warning("sending again", extra={**where, "attempt": attempt, "cause": str(failure)})

        def attempt() -> Answer:
            credentials = self._credentials.current(cancellation)
            try:
                return self._once(request, credentials)
            except RequestFailedError as failure:
                if failure.code not in EXPIRED_CODES or not self._credentials.renew(credentials, cancellation):
                    raise
                on_retry(1, failure)
            return self._once(request, self._credentials.current(cancellation))

        try:
            return (policy or self._policy).run(attempt, self._pause, cancellation, on_retry)
        except RequestFailedError as failure:
            past.append(failure)
            raise store_error(failure, operation=request.operation, key=request.key, target=self._target) from None

    def close(self) -> None:
        """Release connections."""
        self._transport.close()

    def _once(self, request: Request, credentials: ReadOnlyCredentials) -> Answer:
        began = time.monotonic()
        url = self._url.of(request.key)
        if request.query:
            url += "?" + "&".join(f"{_quoted(name)}={_quoted(value)}" for name, value in request.query.items())
        headers = self._signed_headers(request, url, credentials)
        answer = self._transport.send(request.method, url, headers, request.body, into=request.into)
        facts = {
            "operation": request.operation,
            "method": request.method,
            "host": urlsplit(url).netloc,
            "key": request.key,
            "bytes": request.body.size_bytes,
            "status": answer.status_code,
            "request_id": answer.headers.get("x-amz-request-id", ""),
            "seconds": round(time.monotonic() - began, 3),
        }
        log.log(self._log_level, "request", extra=facts)
        body = answer.content  # nothing is left of one that went into a file
        _check(request.operation, answer.status_code, answer.headers, body)
        return Answer(answer.headers, body)

    def _signed_headers(self, request: Request, url: str, credentials: ReadOnlyCredentials) -> Mapping[str, str]:
        headers = {"User-Agent": _USER_AGENT, **request.headers}
        payload = _UNSIGNED
        if request.operation in _DATA and self.sends_crc32:
            headers["x-amz-checksum-crc32"] = crc32_checksum(request.body).value
        else:
            payload = request.body.sha256.hex()
        signable = AWSRequest(request.method, url, headers=headers)
        _Signer(credentials, self._url.signing_region, payload).add_auth(signable)
        return dict(signable.headers.items())


class _Signer(S3SigV4Auth):
    """Signature version 4 over a body whose digest is known."""

    def __init__(self, credentials: ReadOnlyCredentials, region: str, payload: str) -> None:
        super().__init__(credentials, "s3", region)
        self._payload = payload

    def payload(self, request: AWSRequest) -> str:  # noqa: ARG002 - botocore's signature
        return self._payload


def _check(operation: str, status: int, headers: Mapping[str, str], body: bytes) -> None:
    """Raise what an answer says that is not a success, be it inside a status 200."""
    if not 200 <= status < 300:  # noqa: PLR2004 - HTTP's own numbers
        raise document_failure(status, headers, body)
    if operation == "GetObject":
        return  # its body is the object's own
    root = xml_fields(body).get("", "")
    if root == "Error":
        raise document_failure(status, headers, body)
    if root != _ANSWERS.get(operation, root) or (operation == "UploadPart" and not headers.get("ETag")):
        raise RequestFailedError("the store's answer is not whole", status=status, transient=True)


def _quoted(text: str) -> str:
    return quote(text, safe="-_.~")
