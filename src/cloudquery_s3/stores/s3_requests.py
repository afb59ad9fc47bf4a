"""One S3 request: composed, signed, sent, understood, and sent again while that may help."""

from __future__ import annotations

import itertools
import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlsplit

from cloudquery_s3 import __version__
from cloudquery_s3.stores.answers import Answer, check_answer
from cloudquery_s3.stores.body import Body
from cloudquery_s3.stores.checksums import crc32_checksum, sha256_checksum
from cloudquery_s3.stores.failures import EXPIRED_CODES, RequestFailedError
from cloudquery_s3.stores.object_store import ROWS, ObjectKind
from cloudquery_s3.stores.s3_errors import Target, store_error
from cloudquery_s3.stores.sent_request import SentRequest, ignore
from cloudquery_s3.stores.signature import Signer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import IO

    from botocore.credentials import ReadOnlyCredentials

    from cloudquery_s3.cancellation import Cancellation
    from cloudquery_s3.committed import Checksum
    from cloudquery_s3.stores.clock import Clock
    from cloudquery_s3.stores.credentials import CredentialSource
    from cloudquery_s3.stores.endpoint import BucketUrl
    from cloudquery_s3.stores.retry import Pause, RetryPolicy
    from cloudquery_s3.stores.sent_request import RequestListener
    from cloudquery_s3.stores.transport import Transport

log = logging.getLogger(__name__)
logging.getLogger("botocore").setLevel(logging.INFO)  # its DEBUG lines hold secrets, tokens and signatures

_USER_AGENT: Final = f"cloudquery-destination-s3/{__version__}"
ENCRYPTION_HEADER: Final = "x-amz-server-side-encryption"
_UNSIGNED: Final = "UNSIGNED-PAYLOAD"
_DATA: Final = frozenset({"PutObject", "UploadPart"})


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
        kind: what the object is for.
        into: a file that takes the body of a success, which the answer is then without.
    """

    operation: str
    method: str
    key: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Body = field(default_factory=Body)
    kind: ObjectKind = ROWS
    into: IO[bytes] | None = None


class S3Client:
    """Sends requests to one bucket, signed with `credentials`. Safe to use from several threads.

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
        clock: Clock,
        listener: RequestListener = ignore,
    ) -> None:
        self.at_custom_endpoint = url.is_custom
        self.sends_crc32 = checksums and url.is_tls
        self._url = url
        self._target = target
        self.credentials = credentials
        self._transport = transport
        self._policy = policy
        self._pause = pause
        self._clock = clock
        self._listener = listener
        self._has_warned = False
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
        resends = itertools.count()

        def on_retry(attempt: int, failure: RequestFailedError) -> None:
            past.append(failure)
            key = request.key or request.query.get("prefix", "")
            where = {"operation": request.operation, "key": key}
            log.warning("sending again", extra={**where, "attempt": attempt, "cause": str(failure)})

        def attempt() -> Answer:
            credentials = self.credentials.current(cancellation)
            try:
                return self._once(request, credentials, next(resends))
            except RequestFailedError as failure:
                is_late = self._clock.explains(failure.code, failure.date)
                is_expired = failure.code in EXPIRED_CODES and self.credentials.renew(credentials, cancellation)
                if not is_late and not is_expired:
                    raise
                on_retry(1, failure)
            return self._once(request, self.credentials.current(cancellation), next(resends))

        try:
            answer = (policy or self._policy).run(attempt, self._pause, cancellation, on_retry)
        except RequestFailedError as failure:
            past.append(failure)
            raise store_error(
                failure,
                operation=request.operation,
                key=request.key,
                target=self._target,
                conditional="If-None-Match" in request.headers,
                keys=request.kind.keys,
            ) from None
        return answer

    def close(self) -> None:
        """Release connections, and what renews credentials."""
        self.credentials.close()
        self._transport.close()

    def look_for_encryption(self, wanted: str, answers: Sequence[Answer]) -> None:
        """Warn, once, where no answer about an object confirms the encryption that was asked for."""
        confirmed = {answer.headers.get(ENCRYPTION_HEADER, "") for answer in answers}
        if not wanted or wanted in confirmed or not answers or self._has_warned:
            return
        self._has_warned = True
        log.warning(
            "the store does not confirm the encryption that was asked for: objects may be stored without it",
            extra={
                "asked": wanted,
                "confirmed": ", ".join(sorted(confirmed - {""})),
                "store": answers[0].headers.get("Server", ""),
                "endpoint": self._target.endpoint,
            },
        )

    def _once(self, request: Request, credentials: ReadOnlyCredentials, resends: int) -> Answer:
        url = self._url.of(request.key)
        if request.query:
            url += "?" + "&".join(f"{_quoted(name)}={_quoted(value)}" for name, value in request.query.items())
        headers = self._signed_headers(request, url, credentials)
        began, status = time.monotonic(), None
        try:
            answer = self._transport.send(request.method, url, headers, request.body, into=request.into)
            status = answer.status
        finally:
            seconds = time.monotonic() - began
            self._listener(SentRequest(request.operation, status, seconds, resends))
        facts = {
            "operation": request.operation,
            "method": request.method,
            "host": urlsplit(url).netloc,
            "key": request.key,
            "bytes": request.body.size_bytes,
            "status": answer.status,
            "request_id": answer.headers.get("x-amz-request-id", ""),
            "seconds": round(seconds, 3),
        }
        log.log(self._log_level, "request", extra=facts)
        check_answer(request.operation, answer.status, answer.headers, answer.body)
        return Answer(answer.headers, answer.body)

    def _signed_headers(self, request: Request, url: str, credentials: ReadOnlyCredentials) -> Mapping[str, str]:
        headers = {"User-Agent": _USER_AGENT, **request.headers}
        payload = _UNSIGNED
        if request.operation in _DATA and self.sends_crc32:
            headers["x-amz-checksum-crc32"] = crc32_checksum(request.body).value
        else:
            payload = request.body.sha256.hex()
        signer = Signer(credentials, self._url.signing_region, payload=payload, now=self._clock.now())
        return {
            **signer.signed(request.method, url, headers),
            "Content-Length": str(request.body.size_bytes),
        }


def _quoted(text: str) -> str:
    return quote(text, safe="-_.~")
