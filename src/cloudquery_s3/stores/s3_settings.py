"""What an S3 store is told: plain values, checked by the spec."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

MIB: Final = 1024 * 1024
SINGLE_PUT_MAX_BYTES: Final = 64 * MIB
"""Objects up to this size are held in memory and go up in one request."""


@dataclass(frozen=True, slots=True)
class AssumedRole:
    """An IAM role to take on with the base credentials; `role_session_name` and `external_id` may be empty."""

    arn: str
    role_session_name: str = ""
    external_id: str = ""


@dataclass(frozen=True, slots=True)
class S3Settings:
    """Where objects go, and with what headers.

    Attributes:
        bucket: its name, or an access point's ARN.
        region: where it is; signatures and STS use it.
        endpoint: URL of an S3-compatible store; empty means AWS, or what the environment configures.
        path_style: whether the bucket is in the path of URLs rather than in their host.
        skip_tls_verify: whether the endpoint's certificate is left unchecked.
        acl: canned ACL of new objects, or empty.
        encryption: server-side encryption of new objects (`AES256`, `aws:kms`, `aws:kms:dsse`), or empty.
        kms_key_id: the key for it, or empty.
        content_type: of new objects, or empty.
        checksums: whether bodies carry an `x-amz-checksum-crc32` header where TLS protects them, instead of a SHA-256
            in the signature.
        create_only: whether objects of unique keys are created only where nothing is: `always`, `never`, or `auto`, on
            AWS itself.
        part_size_bytes: the first parts of a multipart upload; 5 MiB to 5 GiB.
        single_put_max_bytes: an object up to this size is held and goes up in one request; at least `part_size_bytes`.
        max_attempts: how often a request is tried, the first time included.
        max_backoff_s: the longest wait between two attempts.
        connect_timeout_s: how long a connection may take to stand.
        read_timeout_s: how long the store may take to read on, or to answer.
        profile: of the shared AWS configuration, or empty.
        role: to assume, or None.
        log_requests: whether every request is logged at INFO rather than at DEBUG.
    """

    bucket: str
    region: str
    endpoint: str = ""
    path_style: bool = False
    skip_tls_verify: bool = False
    acl: str = ""
    encryption: str = ""
    kms_key_id: str = ""
    content_type: str = ""
    checksums: bool = True
    create_only: Literal["auto", "always", "never"] = "auto"
    part_size_bytes: int = 5 * MIB
    single_put_max_bytes: int = SINGLE_PUT_MAX_BYTES
    max_attempts: int = 3
    max_backoff_s: float = 30
    connect_timeout_s: float = 5
    read_timeout_s: float = 60
    profile: str = ""
    role: AssumedRole | None = None
    log_requests: bool = False

    def object_headers(self) -> dict[str, str]:
        """Return the headers that make a new object what the user asked for; on PutObject and CreateMultipartUpload."""
        wanted = {
            "x-amz-acl": self.acl,
            "x-amz-server-side-encryption": self.encryption,
            "x-amz-server-side-encryption-aws-kms-key-id": self.kms_key_id,
            "content-type": self.content_type,
        }
        return {name: value for name, value in wanted.items() if value}
