"""What a failed S3 request means: from answers and broken connections to the errors that a user reads.

Foreign exceptions end here: nothing of botocore's or urllib3's leaves the stores.
"""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as ET

from botocore import exceptions as botocore_errors

from cloudquery_s3.errors import CredentialsError, ObjectNotFoundError, StoreError, StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_TRANSIENT_STATUS: Final = frozenset({408, 429, 500, 502, 503, 504})
_UNSURE_STATUS: Final = frozenset({500, 502, 504})
"""Answers of a server that broke while it worked, or of a gateway that heard nothing from it; 503 is a refusal."""

_TRANSIENT_CODES: Final = frozenset(
    {
        "BadDigest",  # the body was damaged on its way; a checksum found it
        "IncompleteBody",
        "InternalError",
        "OperationAborted",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "XAmzContentChecksumMismatch",
        "XAmzContentSHA256Mismatch",
    }
)
EXPIRED_CODES: Final = frozenset({"ExpiredToken", "ExpiredTokenException", "InvalidToken", "TokenRefreshRequired"})
"""Answers to credentials that have ended; fresh ones may do."""

_CREDENTIALS_CODES: Final = EXPIRED_CODES | {
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSecurity",
    "MissingSecurityHeader",
    "NotSignedUp",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
_REDIRECTS: Final = frozenset({301, 302, 307, 308})
_EVERY_KEY_STATUS: Final = _REDIRECTS | {401, 403, 501}
_ADVICE: Final[Mapping[str, str]] = {
    "NoSuchBucket": "create it, or correct `bucket`",
    "InvalidBucketName": "correct `bucket`",
    "AccessDenied": "allow s3:PutObject on the keys of `path` (and the use of the KMS key, where one is set)",
    "AllAccessDisabled": "ask the bucket's owner",
    "AccountProblem": "ask AWS about the account",
    "AccessControlListNotSupported": "the bucket takes no ACLs: remove `acl`",
    "ExpiredToken": "renew the credentials (for SSO: log in again)",
    "InvalidAccessKeyId": "correct the access key, or choose another `credentials.local_profile`",
    "SignatureDoesNotMatch": "correct the secret key, or choose another `credentials.local_profile`",
    "InvalidToken": "correct or remove the token that stands beside the access key",
    "RequestTimeTooSkewed": "set this machine's clock",
    "NotImplemented": "the store does not know a header: try `request_checksums: when_required`, or remove `acl` or "
    "`server_side_encryption_configuration`",
}
_EVERY_KEY_CODES: Final = frozenset(_ADVICE) | {
    "AuthorizationHeaderMalformed",
    "IllegalLocationConstraintException",
    "InvalidArgument",
    "InvalidRequest",
    "PermanentRedirect",
    "TemporaryRedirect",
}


class RequestFailedError(Exception):
    """One attempt at a request failed. Internal to the stores: users see a `StoreError` made of it.

    Attributes:
        status: the HTTP status, or None where no whole answer came.
        code: the store's error code; empty where there is none.
        transient: whether the same request may succeed later.
        region: the region that the bucket is in, where the store names one; else empty.
        sent: whether anything was sent.
    """

    def __init__(
        self,
        cause: str,
        *,
        status: int | None = None,
        code: str = "",
        transient: bool = False,
        region: str = "",
        sent: bool = True,
    ) -> None:
        super().__init__(cause)
        self.status = status
        self.code = code
        self.transient = transient
        self.region = region
        self.sent = sent

    @property
    def may_have_worked(self) -> bool:
        """Whether the store may have done what was asked, its answer being lost or an error of its own."""
        return self.sent and (self.status is None or self.status < 300 or self.status in _UNSURE_STATUS)  # noqa: PLR2004 - HTTP's own numbers


@dataclass(frozen=True, slots=True)
class Target:
    """Where requests go, for messages.

    Attributes:
        bucket: the bucket's name.
        endpoint: the store's address without the bucket.
        region: the configured region.
    """

    bucket: str
    endpoint: str
    region: str


def answer_failure(status: int, *, code: str, message: str, region: str = "") -> RequestFailedError:
    """Return what an answer means that is not a success."""
    said = message or f"HTTP status {status} without an explanation"
    return RequestFailedError(
        f"{code}: {said}" if code else said,
        status=status,
        code=code,
        transient=status in _TRANSIENT_STATUS or code in _TRANSIENT_CODES,
        region=region,
    )


def document_failure(status: int, headers: Mapping[str, str], body: bytes) -> RequestFailedError:
    """Return what an S3 answer means that is not a success; `body` is S3's XML error document, or anything."""
    document = xml_fields(body)
    return answer_failure(
        status,
        code=document.get("Code") or ("NoSuchKey" if status == 404 else ""),  # noqa: PLR2004 - HEAD has no document
        message=document.get("Message", ""),
        region=headers.get("x-amz-bucket-region") or document.get("Region", ""),
    )


def transport_failure(error: Exception) -> RequestFailedError:
    """Return what an error of the HTTP client means. All may pass with time but a certificate that does not verify."""
    inner = tuple(_chain(error))
    if any(isinstance(one, ssl.SSLCertVerificationError) for one in inner):
        return RequestFailedError(f"the server's TLS certificate is not trusted ({inner[-1]})", code="TLS", sent=False)
    return RequestFailedError(_cause(inner), transient=True, sent=not isinstance(error, _NOT_CONNECTED))


def credentials_error(error: Exception, *, operation: str, key: str) -> CredentialsError:
    """Return the user's error for credentials that could not be had."""
    status, code = None, ""
    if isinstance(error, botocore_errors.ClientError):
        code = error.response.get("Error", {}).get("Code", "")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return CredentialsError(
        f"no AWS credentials: {error}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
        "`credentials.local_profile`, or run where a role is attached",
        operation=operation,
        key=key,
        status=status,
        code=code,
    )


def store_error(failure: RequestFailedError, *, operation: str, key: str, target: Target) -> StoreError:
    """Return the user's error for a request that failed for good: its class by what else would fail."""
    kind = _kind(failure, operation)
    message = _message(failure, target)
    return kind(message, operation=operation, key=key, status=failure.status, code=failure.code)


def xml_fields(body: bytes) -> dict[str, str]:
    """Return an XML document's leaf elements by name, and its root's name under ""; {} if it is no whole document.

    Where a name repeats, the first counts. Names are without their namespace.
    """
    root = _xml_root(body)
    return {} if root is None else {"": _local(root.tag), **_leaves(root)}


def xml_children(body: bytes, name: str) -> list[dict[str, str]]:
    """Return, of each element of this name, its leaf elements by name."""
    root = _xml_root(body)
    return [] if root is None else [_leaves(element) for element in root.iter() if _local(element.tag) == name]


def _xml_root(body: bytes) -> ET.Element | None:
    try:
        # The document comes from the store that the user chose, and expat refuses the known expansion attacks.
        return ET.fromstring(body)  # noqa: S314 - as said
    except ET.ParseError:
        return None


def _leaves(root: ET.Element) -> dict[str, str]:
    fields: dict[str, str] = {}
    for element in root.iter():
        if len(element) == 0:
            fields.setdefault(_local(element.tag), (element.text or "").strip())
    return fields


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def _kind(failure: RequestFailedError, operation: str) -> type[StoreError]:
    if failure.code in _CREDENTIALS_CODES:
        return CredentialsError
    if failure.status is None or failure.status in _EVERY_KEY_STATUS or failure.code in _EVERY_KEY_CODES:
        return StoreUnavailableError
    if failure.code == "NoSuchKey" and operation in {"GetObject", "HeadObject"}:
        return ObjectNotFoundError
    return StoreError


def _message(failure: RequestFailedError, target: Target) -> str:
    if failure.region not in {"", target.region} and (
        failure.status in _REDIRECTS or failure.code == "AuthorizationHeaderMalformed"
    ):
        return (
            f'bucket "{target.bucket}" is in region {failure.region}, not in {target.region}: '
            f"set `region: {failure.region}`"
        )
    known = {
        "NoSuchKey": f'there is no object at this key in bucket "{target.bucket}"',
        "NoSuchBucket": f'bucket "{target.bucket}" does not exist at {target.endpoint}: {_ADVICE["NoSuchBucket"]}',
        "TLS": f"{failure} at {target.endpoint}: point AWS_CA_BUNDLE at the authority's certificate, or set "
        "`endpoint_skip_tls_verify: true` for an endpoint of your own",
    }
    if failure.code in known:
        return known[failure.code]
    if failure.status is None:
        return f"{failure} at {target.endpoint}: check `endpoint`, `region`, the network and the proxy settings"
    advice = _ADVICE.get(failure.code)
    whole = f'{failure} (HTTP {failure.status}, bucket "{target.bucket}" at {target.endpoint})'
    return f"{whole}: {advice}" if advice else whole


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and, from the outside in, those that it was made of."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        held = next((argument for argument in current.args if isinstance(argument, BaseException)), None)
        current = held or current.__cause__ or current.__context__


def _cause(inner: tuple[BaseException, ...]) -> str:
    for kind, words in _CAUSES:
        if any(isinstance(one, kind) for one in inner):
            return words
    return "the connection was closed before a whole answer came"


_NOT_CONNECTED: Final = (
    botocore_errors.ConnectTimeoutError,
    botocore_errors.EndpointConnectionError,
    botocore_errors.ProxyConnectionError,
)
_CAUSES: Final = (
    (botocore_errors.ProxyConnectionError, "the proxy cannot be reached"),
    (socket.gaierror, "the host name cannot be resolved"),
    (botocore_errors.ConnectTimeoutError, "connecting timed out"),
    (botocore_errors.ReadTimeoutError, "the answer timed out"),
    (TimeoutError, "sending timed out"),
    (ConnectionRefusedError, "connection refused"),
)
"""What a broken connection is called: the first kind that the error is, or is made of."""
