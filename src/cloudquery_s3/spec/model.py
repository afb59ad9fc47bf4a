"""Every option that a user may set: name, type, default, meaning. The one list of them.

The JSON schema and `docs/spec.md` are made from it. Names and defaults are those of the Go plugin's spec;
`memory_budget`, `request_checksums`, `upload_concurrency`, `compression_level`, `gzip_level`, `sort_by` and
`object_size` are this plugin's own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Final, Literal, TypeAlias

from cloudquery_s3.spec.aws_options import MAX_PART_SIZE, MIN_PART_SIZE, Acl, Credentials, ServerSideEncryption
from cloudquery_s3.spec.file_format import Compression, FormatName, FormatSpec, JsonSpec
from cloudquery_s3.spec.lake import Glue, Iceberg
from cloudquery_s3.spec.manifest import DEFAULT_PATH, Manifest
from cloudquery_s3.spec.option import CHOICE, LATER, Option, OptionGroup

CreateOnly: TypeAlias = Literal["auto", "always", "never"]
Checksums: TypeAlias = Literal["when_supported", "when_required"]

LEAST_OBJECT_SIZE: Final = 1024 * 1024
"""Smaller objects are not made to measure: that would cost more than it is worth."""

DURATION_PATTERN: Final = r"^[-+]?(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|ms|s|m|h))+$"
_BUCKET_FAULTS: Final = r"[\s\x00-\x1f\x7f]|://|^arn:[^:]*:s3:::|^[^:]*/"
_PATH_FAULTS: Final = r"//|\./|/$|(^|/)\.\.?$"


@dataclass(frozen=True, kw_only=True)
class Options(OptionGroup):
    """All options, each of the right JSON kind and in itself; `Spec` is what has passed the rules."""

    bucket: Annotated[
        str,
        Option(
            "Name of the bucket, or ARN of an access point.",
            example="my-bucket",
            schema={"minLength": 1, "not": {"pattern": _BUCKET_FAULTS}},
        ),
    ]
    region: Annotated[
        str,
        Option(
            "AWS region of the bucket. It is used for S3 and for assuming a role; S3-compatible stores often take any.",
            example="eu-central-1",
            schema={"minLength": 1, "not": {"pattern": r"[\s/]"}},
        ),
    ]
    path: Annotated[
        str,
        Option(
            "Where objects go: a key with placeholders. Without `{{TABLE}}` or `{{TABLE_HYPHEN}}` in it, "
            "`/{{TABLE}}.<format>` is appended and, unless `no_rotate`, `.{{UUID}}`.",
            example="data/{{TABLE}}/{{YEAR}}-{{MONTH}}-{{DAY}}/{{UUID}}.{{FORMAT}}",
            schema={"pattern": "^[^/].*$", "not": {"pattern": _PATH_FAULTS}},
        ),
    ]
    format: Annotated[FormatName, CHOICE, Option("Format of the files.", example="parquet")]
    format_spec: Annotated[
        FormatSpec,
        LATER,
        Option(
            "Details of the format; each format has its own.", example={}, nullable=True, default_text="the format's"
        ),
    ] = field(default_factory=JsonSpec)
    compression: Annotated[
        Compression,
        CHOICE,
        Option(
            "Compresses CSV and JSON files, and `{{FORMAT}}` then ends in `.gz` or `.zst`. Parquet compresses by "
            "itself: together they are an error; see `format_spec.compression`.",
            example="gzip",
            default_text="none",
        ),
    ] = ""
    no_rotate: Annotated[
        bool,
        Option(
            "Whether a sync writes one object per table, at a key that every sync replaces. Needs a path without "
            "`{{UUID}}`, and goes with none of the batch options.",
            example=True,
        ),
    ] = False
    athena: Annotated[
        bool,
        Option(
            "Whether keys inside JSON columns are made fit for Athena: every character but letters, digits and `_` "
            "becomes `_`. Values stay as they are.",
            example=True,
        ),
    ] = False
    test_write: Annotated[
        bool,
        Option(
            "Whether a small object is written before the sync begins, to find missing permissions early. It is "
            "removed again where the credentials allow that.",
            example=False,
            nullable=True,
        ),
    ] = True
    content_type: Annotated[
        str,
        Option(
            "Content-Type of the objects. Derived from format and compression where it is not set.",
            example="text/plain",
            default_text="by format",
        ),
    ] = ""
    endpoint: Annotated[
        str,
        Option(
            "URL of an S3-compatible store to use in place of AWS. STS, for roles, is not affected.",
            example="https://minio.example.com:9000",
            default_text="AWS",
        ),
    ] = ""
    endpoint_skip_tls_verify: Annotated[
        bool,
        Option(
            "Whether the endpoint's TLS certificate is left unchecked. For tests: it gives up the protection of TLS.",
            example=True,
        ),
    ] = False
    use_path_style: Annotated[
        bool,
        Option(
            "Whether requests go to `https://host/bucket/key` in place of `https://bucket.host/key`. Many "
            "S3-compatible stores need it.",
            example=True,
        ),
    ] = False
    request_checksums: Annotated[
        Checksums,
        CHOICE,
        Option(
            "Whether uploads carry a CRC32 checksum that S3 verifies. `when_required` sends none: for S3-compatible "
            "stores that refuse the header.",
            example="when_required",
        ),
    ] = "when_supported"
    create_only: Annotated[
        CreateOnly,
        CHOICE,
        Option(
            "Whether S3 is asked to create objects and never to replace one, where `path` has `{{UUID}}`. A request "
            "whose answer was lost can then be sent again without doubt about its outcome. `auto` is `always` on AWS, "
            "and `never` with an `endpoint`, whose store may not know the header (`If-None-Match: *`).",
            example="always",
        ),
    ] = "auto"
    acl: Annotated[
        Acl, CHOICE, Option("Canned ACL of the objects.", example="bucket-owner-full-control", default_text="none")
    ] = ""
    server_side_encryption_configuration: Annotated[
        ServerSideEncryption | None,
        Option(
            "How S3 encrypts the objects at rest. Not set, the bucket's own configuration decides.",
            example={"server_side_encryption": "aws:kms", "sse_kms_key_id": "alias/landing"},
            default_text="the bucket's",
        ),
    ] = None
    write_empty_objects_for_empty_tables: Annotated[
        bool,
        Option(
            "Whether a table without rows still gets an object, with its columns and no rows. Parquet only.",
            example=True,
        ),
    ] = False
    batch_size: Annotated[
        int,
        Option(
            "The most rows in one object. `0` is no limit.",
            example=100_000,
            nullable=True,
            schema={"minimum": 1},
            default_text="`10000`, `0` with `no_rotate` or `object_size`",
        ),
    ] = 10_000
    batch_size_bytes: Annotated[
        int,
        Option(
            "The most bytes in one object, counted as Arrow data in memory: files are smaller. `0` is no limit.",
            example=268_435_456,
            nullable=True,
            schema={"minimum": 1},
            default_text="`52428800` (50 MiB), `0` with `no_rotate` or `object_size`",
        ),
    ] = 50 * 1024 * 1024
    batch_timeout: Annotated[
        str,
        Option(
            "The longest that an object may stay open: a number and a unit (`ns`, `us`, `ms`, `s`, `m`, `h`), "
            'several in a row if need be. `"0s"` is no limit.',
            example="1m30s",
            nullable=True,
            schema={"pattern": DURATION_PATTERN},
            default_text='`"30s"`, `"0s"` with `no_rotate` or `object_size`',
        ),
    ] = "30s"
    object_size: Annotated[
        int,
        Option(
            "The bytes of one object as they are stored, whatever the format and the codec: from 10 % less to 15 % "
            "more, and the last object of a table is smaller. The batch options then have no limit unless they are "
            "set. From 1048576 (1 MiB) on; `0` is no size. Needs `{{UUID}}` in `path`, and does not go with "
            "`no_rotate`.",
            example=134_217_728,
            nullable=True,
            schema={"minimum": LEAST_OBJECT_SIZE},
            default_text="no size",
        ),
    ] = 0
    local_profile: Annotated[
        str,
        Option("Older way to write `credentials.local_profile`. Not together with `credentials`.", example="analytics"),
    ] = ""
    credentials: Annotated[
        Credentials | None,
        Option(
            "Whose AWS credentials are used. Not set, they are looked for as every AWS tool does: environment, shared "
            "files, SSO, web identity, container and instance roles.",
            example={"role_arn": "arn:aws:iam::123456789012:role/writer"},
            default_text="the AWS chain",
        ),
    ] = None
    aws_debug: Annotated[
        bool,
        Option(
            "Whether requests to AWS are logged. Bodies, credentials and signatures are left out, so that the log can "
            "be shown around.",
            example=True,
        ),
    ] = False
    max_retries: Annotated[
        int,
        Option(
            "How often a request to AWS is attempted, the first time included: `3` is one try and two more. `0` is "
            "one try; a negative number is 100.",
            example=10,
            nullable=True,
        ),
    ] = 3
    max_backoff: Annotated[
        int,
        Option("The longest wait between two attempts, in seconds.", example=60, nullable=True, schema={"minimum": 0}),
    ] = 30
    part_size: Annotated[
        int,
        Option(
            "Bytes in one part of a multipart upload; smaller objects are sent in one request. S3's minimum is "
            "5242880 (5 MiB): a lesser value is raised to it, and `0` is the default.",
            example=16_777_216,
            nullable=True,
            schema={"minimum": 0, "maximum": MAX_PART_SIZE},
            default_text="`5242880` (5 MiB)",
        ),
    ] = MIN_PART_SIZE
    memory_budget: Annotated[
        int,
        Option(
            "Bytes that the rows on their way may take in memory, over all tables. The source waits when it is used "
            "up.",
            example=1_073_741_824,
            nullable=True,
            schema={"minimum": 1},
            default_text="`335544320` (320 MiB)",
        ),
    ] = 320 * 1024 * 1024
    max_open_partitions: Annotated[
        int,
        Option(
            "How many partitions of one table may have an open object at the same time, where `path` has columns. "
            "Above that, the object that was opened first ends.",
            example=500,
            nullable=True,
            schema={"minimum": 1},
        ),
    ] = 100
    upload_concurrency: Annotated[
        int,
        Option(
            "How many objects may be on their way to the store at the same time. More help where each request takes "
            "long; what waits for the store is part of `memory_budget`.",
            example=64,
            nullable=True,
            schema={"minimum": 1, "maximum": 1024},
        ),
    ] = 32
    compression_level: Annotated[
        int | None,
        Option(
            "How hard the codec of `compression`, or of Parquet's `format_spec.compression`, tries: `gzip` from 1 "
            "(fast) to 9 (small), `zstd` from 1 to 22. Not set, gzip files are 1 to 10 % larger than the Go plugin's; "
            "with `7` they are as small as those or smaller.",
            example=1,
            schema={"minimum": 1, "maximum": 22},
            default_text="the codec's",
        ),
    ] = None
    gzip_level: Annotated[
        int | None,
        Option(
            "Older name of `compression_level`, for `compression: gzip` alone.",
            example=1,
            schema={"minimum": 1, "maximum": 9},
            default_text="`compression_level`",
        ),
    ] = None
    sort_by: Annotated[
        list[str],
        Option(
            "Columns by which the rows of an object are sorted: ascending, NULLs last. Readers that look for some of "
            "their values then skip most of a file: sorted Parquet has a row group for every 8 MiB in memory. An "
            "object of more than 64 MiB in memory is sorted in parts. Names that a table lacks are passed over; a "
            "column without an order (JSON, lists, structs, maps) fails its table.",
            example=["account_id", "region"],
            default_text="none",
        ),
    ] = field(default_factory=list)
    manifest: Annotated[
        Manifest | None,
        Option(
            "Whether each Write ends with a manifest, a JSON document that lists the Write's objects and tells whether "
            "it is complete. `manifest: {}` writes it with the defaults.",
            example={"path": DEFAULT_PATH},
            default_text="no manifest",
        ),
    ] = None
    iceberg: Annotated[
        Iceberg | None,
        Option(
            "Whether the objects of a Write become rows of Iceberg tables, one commit a table, when the Write has "
            "succeeded. Needs `format: parquet`, whose types are then `portable`, and the extra "
            "`cloudquery-destination-s3[iceberg]`. With it every "
            "`write_mode` works.",
            example={"catalog": {"type": "glue"}, "namespace": "cloudquery"},
            default_text="no tables",
        ),
    ] = None
    glue: Annotated[
        Glue | None,
        Option(
            "Whether a table of AWS Glue is created or updated for each table of a Write that has succeeded: for "
            "Athena, Redshift Spectrum and others that read files. No crawler is needed, and no partitions are added.",
            example={"database": "cloudquery"},
            default_text="no tables",
        ),
    ] = None
