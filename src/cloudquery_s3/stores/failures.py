"""One attempt at a request that failed, and what kind of failure it is."""

from __future__ import annotations

from typing import Final

NOT_TRUSTED: Final = "TLS"
WRONG_NAME: Final = "TLSName"
NO_TLS: Final = "NotTLS"
NOT_S3: Final = "NotS3"
PROXY: Final = "Proxy"
UNRESOLVED: Final = "Unresolved"
"""Codes that no store sends: they choose the advice."""

UNREACHED_CODES: Final = frozenset({NOT_TRUSTED, WRONG_NAME, NO_TLS, PROXY, UNRESOLVED})
"""Those of them that say that the other side was not reached."""

EXPIRED_CODES: Final = frozenset({"ExpiredToken", "ExpiredTokenException", "InvalidToken", "TokenRefreshRequired"})
"""Answers to credentials that have ended; fresh ones may do."""

_LONGEST: Final = 1_000
"""How much is shown of what a store says, in characters."""

_TRANSIENT_STATUS: Final = frozenset({408, 429, 500, 502, 503, 504})
_UNSURE_STATUS: Final = frozenset({500, 502, 504})
"""Answers of a server that broke while it worked, or of a gateway that heard nothing from it; 503 is a refusal."""

_TRANSIENT_CODES: Final = frozenset(
    {
        "BadDigest",  # the body was damaged on its way; a checksum found it
        "BandwidthLimitExceeded",
        "ConditionalRequestConflict",  # another attempt at the same key is under way
        "EC2ThrottledException",
        "IDPCommunicationError",
        "IncompleteBody",
        "InternalError",
        "InvalidIdentityToken",  # a token that STS does not know yet
        "LimitExceededException",
        "OperationAborted",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceUnavailable",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionInProgressException",
        "XAmzContentChecksumMismatch",
        "XAmzContentSHA256Mismatch",
    }
)
_WRONG_KEYS: Final = (("no such key", "InvalidAccessKeyId"), ("invalid signature", "SignatureDoesNotMatch"))
"""What Garage says of keys, all under the code AccessDenied, and AWS's codes for it."""


class RequestFailedError(Exception):
    """One attempt at a request failed. Internal to the stores: users see a `StoreError` made of it.

    Attributes:
        status: the HTTP status, or None where no whole answer came.
        code: the store's error code; empty where there is none.
        transient: whether the same request may succeed later.
        region: the region that the bucket is in, where the store names one; else empty.
        sent: whether anything was sent.
        date: when the other side answered, by its own clock, as a header says; or empty.
    """

    def __init__(  # noqa: PLR0913 - the facts of one failure, by name
        self,
        cause: str,
        *,
        status: int | None = None,
        code: str = "",
        transient: bool = False,
        region: str = "",
        sent: bool = True,
        date: str = "",
    ) -> None:
        super().__init__(cause)
        self.status = status
        self.code = code
        self.transient = transient
        self.region = region
        self.sent = sent
        self.date = date

    @property
    def may_have_worked(self) -> bool:
        """Whether the store may have done what was asked, its answer being lost or an error of its own."""
        return self.sent and (self.status is None or self.status < 300 or self.status in _UNSURE_STATUS)  # noqa: PLR2004 - HTTP's own numbers


def answer_failure(status: int, *, code: str, message: str, region: str = "", date: str = "") -> RequestFailedError:
    """Return what an answer means that is not a success."""
    if code == "AccessDenied":
        code = next((known for said, known in _WRONG_KEYS if said in message.lower()), code)
    said = message[:_LONGEST] or f"HTTP status {status} without an explanation"
    code = code[:_LONGEST]
    return RequestFailedError(
        f"{code}: {said}" if code else said,
        status=status,
        code=code,
        transient=status in _TRANSIENT_STATUS or code in _TRANSIENT_CODES,
        region=region,
        date=date,
    )
