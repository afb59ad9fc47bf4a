"""Options of AWS: whose credentials, which encryption; who may read the objects, how large a part may be."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Final, Literal, TypeAlias

from cloudquery_s3.spec.option import CHOICE, Option, OptionGroup

Encryption: TypeAlias = Literal["AES256", "aws:kms", "aws:kms:dsse"]
Acl: TypeAlias = Literal[
    "",
    "private",
    "public-read",
    "public-read-write",
    "authenticated-read",
    "aws-exec-read",
    "bucket-owner-read",
    "bucket-owner-full-control",
]

MIN_PART_SIZE: Final = 5 * 1024 * 1024
"""The least that S3 accepts for any part of a multipart upload but the last."""

MAX_PART_SIZE: Final = 5 * 1024 * 1024 * 1024
"""The largest part that S3 accepts."""

ROLE_ARN_PATTERN: Final = r"^(arn(:[^:\n]*){5}([:/].*)?)?$"


@dataclass(frozen=True, kw_only=True)
class Credentials(OptionGroup):
    """Whose AWS credentials are used."""

    local_profile: Annotated[
        str, Option("Name of a profile in the shared AWS configuration files.", example="analytics")
    ] = ""
    role_arn: Annotated[
        str,
        Option(
            "ARN of an IAM role to assume, with the credentials found otherwise. It is assumed for an hour and again "
            "before that ends, for as long as the sync takes.",
            example="arn:aws:iam::123456789012:role/writer",
            schema={"pattern": ROLE_ARN_PATTERN},
        ),
    ] = ""
    role_session_name: Annotated[
        str, Option("Name under which the assumed role appears in AWS logs. Needs `role_arn`.", example="cloudquery")
    ] = ""
    external_id: Annotated[
        str,
        Option("External id that the role's trust policy asks for. Needs `role_arn`.", example="${EXTERNAL_ID}"),
    ] = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True)
class ServerSideEncryption(OptionGroup):
    """How S3 encrypts the objects at rest."""

    sse_kms_key_id: Annotated[
        str,
        Option(
            "Id, ARN or alias of the KMS key. Empty means the bucket's own key. Not for `AES256`, which has no key id.",
            example="alias/landing",
        ),
    ] = ""
    server_side_encryption: Annotated[Encryption, CHOICE, Option("The kind of encryption.", example="aws:kms")]
