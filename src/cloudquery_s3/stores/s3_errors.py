"""The errors that a user reads: what a failed request means for them, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from cloudquery_s3.errors import CredentialsError, ObjectNotFoundError, StoreError, StoreUnavailableError
from cloudquery_s3.stores.failures import (
    EXPIRED_CODES,
    NO_TLS,
    NOT_S3,
    NOT_TRUSTED,
    PROXY,
    UNRESOLVED,
    WRONG_NAME,
    RequestFailedError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_CREDENTIALS_CODES: Final = EXPIRED_CODES | {
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSecurity",
    "MissingSecurityHeader",
    "NotSignedUp",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
    "XAdminUserNotFound",
}
_REDIRECTS: Final = frozenset({301, 302, 307, 308})
_EVERY_KEY_STATUS: Final = _REDIRECTS | {401, 403, 407, 501}
_PRECONDITION_FAILED: Final = 412
_CONFLICT: Final = "ConditionalRequestConflict"
_UNKNOWN_HEADER: Final = frozenset({400, 501})
_UNKNOWN_HEADER_CODES: Final = frozenset({"", "NotImplemented", "InvalidArgument", "InvalidRequest", "BadRequest"})
"""What a store answers that does not know a header."""

_WRONG_ACCESS_KEY: Final = "correct the access key, or choose another `credentials.local_profile`"
_NETWORK: Final = "check `endpoint`, `region`, the network and the proxy settings"
_PATH_STYLE: Final = "set `use_path_style: true`"
_ADVICE: Final[Mapping[str, str]] = {
    "NoSuchBucket": "create it, or correct `bucket`",
    "InvalidBucketName": "correct `bucket`",
    "AccessDenied": "allow s3:PutObject on {keys} (and the use of the KMS key, where one is set)",
    "AllAccessDisabled": "ask the bucket's owner",
    "AccountProblem": "ask AWS about the account",
    "AccessControlListNotSupported": "the bucket takes no ACLs: remove `acl`",
    "ExpiredToken": "renew the credentials (for SSO: log in again)",
    "InvalidAccessKeyId": _WRONG_ACCESS_KEY,
    "SignatureDoesNotMatch": "correct the secret key, or choose another `credentials.local_profile`",
    "InvalidToken": "correct or remove the token that stands beside the access key",
    "RequestTimeTooSkewed": "set this machine's clock",
    "XAdminUserNotFound": _WRONG_ACCESS_KEY,  # versitygw
    "NotImplemented": "the store does not know a header: try `request_checksums: when_required`, or remove `acl` or "
    "`server_side_encryption_configuration`",
    NOT_S3: "correct `endpoint`: what answers there is not S3",
    NO_TLS: "write http:// in `endpoint`, or the port that speaks TLS",
    NOT_TRUSTED: "point AWS_CA_BUNDLE at the authority's certificate, or set `endpoint_skip_tls_verify: true` for an "
    "endpoint of your own",
    PROXY: "correct HTTPS_PROXY or HTTP_PROXY, or add the store's host to NO_PROXY",
    WRONG_NAME: "write the name that the certificate has into `endpoint`",
}
_ADVICE_WITH_BUCKET_IN_HOST: Final[Mapping[str, str]] = {
    UNRESOLVED: f"check `endpoint` and `region`; {_PATH_STYLE} where buckets have no host names",
    WRONG_NAME: f"{_PATH_STYLE}, or correct `endpoint`",
}
_ADVICE_WITHOUT_CODE: Final[Mapping[int, str]] = {
    **dict.fromkeys(_REDIRECTS, "write the address that it leads to into `endpoint`, or check `endpoint` and `region`"),
    400: "check the scheme and the port of `endpoint`",
    403: "allow s3:PutObject on {keys}, or ask who runs the proxy or firewall on the way",
    404: f"check `endpoint` and `bucket`, or {_PATH_STYLE}",
}
"""What to do about an answer that has no error document of S3's; `{keys}` are those that the request was about."""

_PERMISSIONS: Final[Mapping[str, str]] = {
    "ListObjectsV2": "s3:ListBucket on the bucket",
    "GetObject": "s3:GetObject on the keys (and the use of the KMS key, where one is set)",
    "HeadObject": "s3:GetObject on the keys",
    "DeleteObject": "s3:DeleteObject on the keys",
}
"""What an identity needs that reads or cleans up."""

_EVERY_KEY_CODES: Final = frozenset(_ADVICE) | {
    "AuthorizationHeaderMalformed",
    "IllegalLocationConstraintException",
    "InvalidArgument",
    "InvalidRequest",
    "PermanentRedirect",
    "TemporaryRedirect",
}


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

    @property
    def has_bucket_in_host(self) -> bool:
        """Whether the bucket's name is a part of the host name."""
        return (urlsplit(self.endpoint).hostname or "").startswith(f"{self.bucket.lower()}.")


def store_error(
    failure: RequestFailedError,
    *,
    operation: str,
    key: str,
    target: Target,
    keys: str,
    conditional: bool = False,
) -> StoreError:
    """Return the user's error for a request that failed for good: its class by what else would fail.

    Args:
        failure: its last attempt.
        operation: S3's name for it.
        key: of the object.
        target: where it was sent.
        keys: which keys it is one of, in words: see `ObjectKind`.
        conditional: whether it had the header of `create_only`.
    """
    kind = _kind(failure, operation)
    message = _message(failure, target, operation, keys)
    if conditional and failure.status in _UNKNOWN_HEADER and failure.code in _UNKNOWN_HEADER_CODES:
        message += "; the store may not know If-None-Match: write `create_only: never`"
    return kind(message, operation=operation, key=key, status=failure.status, code=failure.code)


def _kind(failure: RequestFailedError, operation: str) -> type[StoreError]:
    if failure.code in _CREDENTIALS_CODES:
        return CredentialsError
    if failure.status is None or failure.status in _EVERY_KEY_STATUS or failure.code in _EVERY_KEY_CODES:
        return StoreUnavailableError
    if failure.status in _ADVICE_WITHOUT_CODE and not failure.code:
        return StoreUnavailableError
    if failure.code == "NoSuchKey" and operation in {"GetObject", "HeadObject"}:
        return ObjectNotFoundError
    return StoreError


def _message(failure: RequestFailedError, target: Target, operation: str, keys: str) -> str:
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
    }
    if failure.code in known:
        return known[failure.code]
    if failure.code == _CONFLICT:
        return (
            "the store says that another request for this key is under way, and wants the object again from its start, "
            "which is no longer in memory: run the sync again"
            if operation == "CompleteMultipartUpload"
            else f"{failure} (HTTP {failure.status}): run the sync again"
        )
    if failure.status == _PRECONDITION_FAILED:
        return (
            "an object is at this key already, and `create_only` replaces none: look whose it is, or write "
            "`create_only: never`"
        )
    advice = _advice(failure, target, operation).replace("{keys}", keys)
    if failure.status is None:
        return f"{failure} at {target.endpoint}: {advice or _NETWORK}"
    whole = f'{failure} (HTTP {failure.status}, bucket "{target.bucket}" at {target.endpoint})'
    return f"{whole}: {advice}" if advice else whole


def _advice(failure: RequestFailedError, target: Target, operation: str) -> str:
    if operation in _PERMISSIONS and failure.status == 403 and failure.code in {"", "AccessDenied"}:  # noqa: PLR2004 - HTTP's own number
        return f"allow {_PERMISSIONS[operation]}"
    if target.has_bucket_in_host and failure.code in _ADVICE_WITH_BUCKET_IN_HOST:
        return _ADVICE_WITH_BUCKET_IN_HOST[failure.code]
    if not failure.code and failure.status is not None:
        return _ADVICE_WITHOUT_CODE.get(failure.status, "")
    return _ADVICE.get(failure.code, "")
