"""What makes options impossible, in the order in which the reference looks. Source: docs/spec.md.

Each function yields the problems of its part; the caller raises the first one, and the rest is never computed.
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, Final, get_args
from urllib.parse import urlsplit

from cloudquery_s3.errors import SpecError
from cloudquery_s3.object_key import MAX_KEY_BYTES, literal_bytes, partition_fields
from cloudquery_s3.spec import manifest
from cloudquery_s3.spec.aws_options import MAX_PART_SIZE, ROLE_ARN_PATTERN, Acl, Encryption
from cloudquery_s3.spec.decode import quoted, suggestion
from cloudquery_s3.spec.duration import duration_s
from cloudquery_s3.spec.file_format import (
    COMPRESSION_SUFFIXES,
    HIGHEST_LEVELS,
    Compression,
    CsvSpec,
    FormatName,
    JsonColumns,
    JsonSpec,
    ParquetCompression,
    ParquetSpec,
    ParquetTypes,
    ParquetVersion,
    RootRepetition,
    TimestampSeparator,
)
from cloudquery_s3.spec.lake import glue_problems, iceberg_problems
from cloudquery_s3.spec.model import LEAST_OBJECT_SIZE, Checksums, CreateOnly, Options
from cloudquery_s3.spec.option import values_of

if TYPE_CHECKING:
    from collections.abc import Iterator

_BATCH_SIZES: Final = ("batch_size", "batch_size_bytes")
_BATCH_FIELDS: Final = (*_BATCH_SIZES, "batch_timeout")
_MAX_UPLOADS: Final = 1024
_BUCKET_ARN: Final = re.compile(r"arn:[^:]*:s3:::")
_SEPARATOR_FIELD: Final = "format_spec.timestamp_separator"
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


def before_format(options: Options) -> Iterator[SpecError]:
    """Yield what is wrong with place and batching: rules 1 to 11."""
    yield from _duration(options)
    yield from _place(options)
    if options.write_empty_objects_for_empty_tables and options.format != "parquet":
        yield SpecError(
            "works with format: parquet only; remove it, or choose parquet",
            field="write_empty_objects_for_empty_tables",
        )
    credentials = options.credentials
    if options.local_profile and credentials and any(values_of(credentials).values()):
        yield SpecError("cannot stand beside credentials; move it to credentials.local_profile", field="local_profile")
    yield from _batching(options)
    yield from _choice(options.acl, Acl, "acl")


def after_format(options: Options) -> Iterator[SpecError]:
    """Yield what is wrong once the format's own options are decoded: rules 13 and 14, and this plugin's own."""
    yield from _choice(options.compression, Compression, "compression")
    yield from _object_size(options)
    if isinstance(options.format_spec, CsvSpec):
        yield from _csv(options.format_spec)
    if isinstance(options.format_spec, ParquetSpec):
        yield from _parquet(options.format_spec, options.compression)
    if isinstance(options.format_spec, JsonSpec):
        yield from _choice(options.format_spec.json_columns, JsonColumns, "format_spec.json_columns")
    if isinstance(options.format_spec, (CsvSpec, JsonSpec)):
        yield from _choice(options.format_spec.timestamp_separator, TimestampSeparator, _SEPARATOR_FIELD)
    yield from _levels(options)
    yield from _uploads(options)
    yield from _identity(options)
    yield from _encryption(options)
    yield from _manifest(options)
    if options.iceberg is not None:
        details = options.format_spec
        types = details.types if isinstance(details, ParquetSpec) and "types" in details.written else ""
        yield from iceberg_problems(options.iceberg, path=options.path, file_format=options.format, types=types)
    if options.glue is not None:
        yield from glue_problems(options.glue, path=options.path)


def unknown_format(options: Options) -> Iterator[SpecError]:
    """Yield that the format is none of those there are: rule 12."""
    if not options.format:
        yield SpecError("is missing; write csv, json or parquet", field="format")
    yield from _choice(options.format, FormatName, "format")


def batching(options: Options) -> bool:
    """Return whether a batch limit ends objects before the sync ends.

    One that is not set counts, since it has a default, unless `object_size` takes its place.
    """
    return not options.no_rotate and any(
        _limit(options, name) > 0 if name in options.written else not options.object_size for name in _BATCH_FIELDS
    )


def _duration(options: Options) -> Iterator[SpecError]:
    try:
        duration_s(options.batch_timeout)
    except ValueError as error:
        yield SpecError(str(error), field="batch_timeout")


def _place(options: Options) -> Iterator[SpecError]:
    path = options.path
    if not options.bucket:
        yield SpecError("is missing; write the bucket's name", field="bucket")
    if not options.region:
        yield SpecError("is missing; write the bucket's AWS region, such as us-east-1", field="region")
    if not path:
        yield SpecError("is missing; write where objects go, such as {{TABLE}}/{{UUID}}.{{FORMAT}}", field="path")
    if path.startswith("/"):
        yield SpecError("must not start with /; remove it", field="path")
    clean = posixpath.normpath(path)
    if path != clean:
        yield SpecError(f"must not contain //, ./ or ../ or end in /; write {quoted(clean)}", field="path")
    if clean in {".", ".."} or clean.startswith("../"):
        yield SpecError("must not lead out of the bucket; remove the dots", field="path")
    if literal_bytes(path) > MAX_KEY_BYTES:
        yield SpecError(f"is longer than S3 allows a key to be: {MAX_KEY_BYTES} bytes; shorten it", field="path")


def _batching(options: Options) -> Iterator[SpecError]:
    has_uuid = "{{UUID}}" in options.path
    if options.no_rotate and has_uuid:
        yield SpecError("must not contain {{UUID}} with no_rotate: true; remove one of the two", field="path")
    for name in _BATCH_FIELDS:
        if options.no_rotate and name in options.written and _limit(options, name) > 0:
            yield SpecError("has no meaning with no_rotate: true; remove one of the two", field=name)
    if not has_uuid and (fields := partition_fields(options.path)):
        used = f"{{{{{fields[0].kind}:{fields[0].column}}}}}"
        yield SpecError(f"must contain {{{{UUID}}}} beside {used}: a partition has many objects; add it", field="path")
    if batching(options) and not has_uuid:
        yield SpecError(
            "must contain {{UUID}}, or objects of one table would replace each other; add it, or write no_rotate: true",
            field="path",
        )


def _object_size(options: Options) -> Iterator[SpecError]:
    size = options.object_size
    if size and size < LEAST_OBJECT_SIZE:
        yield SpecError("must be 1048576 (1 MiB) or more; write 0 for no size", field="object_size")
    if size and options.no_rotate:
        yield SpecError("has no meaning with no_rotate: true; remove one of the two", field="object_size")
    elif size and "{{UUID}}" not in options.path:
        yield SpecError("must contain {{UUID}} with object_size: a table has many objects; add it", field="path")


def _limit(options: Options, name: str) -> float:
    return duration_s(options.batch_timeout) if name == "batch_timeout" else getattr(options, name)


def _choice(value: str, choices: object, field: str) -> Iterator[SpecError]:
    known = get_args(choices)
    if value not in known:
        listed = ", ".join(choice for choice in known if choice)
        yield SpecError(f"{quoted(value)} is not one of {listed}{suggestion(value.lower(), known)}", field=field)


def _csv(csv: CsvSpec) -> Iterator[SpecError]:
    field = "format_spec.delimiter"
    if len(csv.delimiter.encode()) != 1:
        yield SpecError('must be exactly one ASCII character, such as ";"', field=field)
    if csv.delimiter in '"\r\n\0':
        yield SpecError('cannot be a quote, a line end or NUL; write another character, such as ";"', field=field)


def _parquet(parquet: ParquetSpec, compression: str) -> Iterator[SpecError]:
    if compression:
        problem = "does not go with format: parquet, which compresses by itself"
        yield SpecError(f"{problem}; remove it, or write format_spec.compression", field="compression")
    yield from _choice(parquet.version, ParquetVersion, "format_spec.version")
    yield from _choice(parquet.compression, ParquetCompression, "format_spec.compression")
    yield from _choice(parquet.types, ParquetTypes, "format_spec.types")
    yield from _choice(parquet.root_repetition, RootRepetition, "format_spec.root_repetition")
    if parquet.max_row_group_length < 0:
        yield SpecError("must not be negative; write 0 for no limit", field="format_spec.max_row_group_length")


def _levels(options: Options) -> Iterator[SpecError]:
    details = options.format_spec
    codec = details.compression if isinstance(details, ParquetSpec) else options.compression
    highest = HIGHEST_LEVELS.get(codec, max(HIGHEST_LEVELS.values()))
    for name, level, most in (
        ("compression_level", options.compression_level, highest),
        ("gzip_level", options.gzip_level, HIGHEST_LEVELS["gzip"]),
    ):
        if level is not None and not 1 <= level <= most:
            yield SpecError(f"must be from 1 (fast) to {most} (small)", field=name)


def _uploads(options: Options) -> Iterator[SpecError]:
    yield from _choice(options.request_checksums, Checksums, "request_checksums")
    yield from _choice(options.create_only, CreateOnly, "create_only")
    if options.max_backoff < 0:
        yield SpecError("must not be negative; write 0 for no wait between attempts", field="max_backoff")
    if options.part_size < 0:
        yield SpecError("must not be negative; S3's minimum is 5242880 (5 MiB)", field="part_size")
    if options.part_size > MAX_PART_SIZE:
        yield SpecError("is more than S3 allows: 5368709120 (5 GiB) at most", field="part_size")
    if options.memory_budget < 1:
        yield SpecError("must be more than 0; write a number of bytes, such as 201326592", field="memory_budget")
    if options.max_open_partitions < 1:
        yield SpecError("must be more than 0; the default is 100", field="max_open_partitions")
    if not 1 <= options.upload_concurrency <= _MAX_UPLOADS:
        yield SpecError("must be from 1 to 1024; the default is 32", field="upload_concurrency")
    if _CONTROL.search(options.content_type):
        yield SpecError("must not contain a line end or another control character", field="content_type")


def _identity(options: Options) -> Iterator[SpecError]:
    yield from _bucket(options.bucket)
    if re.search(r"[\s/]", options.region):
        yield SpecError("must not contain a space, a line end or a slash; write it as eu-central-1", field="region")
    if options.endpoint:
        yield from _endpoint(options.endpoint)
    if options.credentials and not re.search(ROLE_ARN_PATTERN, options.credentials.role_arn):
        yield SpecError("is not an ARN; write it as arn:aws:iam::<account>:role/<name>", field="credentials.role_arn")


def _bucket(bucket: str) -> Iterator[SpecError]:
    scheme, url, _ = bucket.rpartition("://")
    name, slash, _ = bucket.partition("/")
    if re.search(r"\s|[\x00-\x1f\x7f]", bucket):
        yield SpecError("must not contain a space or a line end; write the name alone, on one line", field="bucket")
    elif url:
        yield SpecError(
            f"is the bucket's name alone; remove {quoted(scheme + url)}, and write a prefix into path", field="bucket"
        )
    elif _BUCKET_ARN.match(bucket):
        name = bucket.rpartition(":")[2].partition("/")[0]
        yield SpecError(f"is a bucket's ARN; write its name alone, {quoted(name)}", field="bucket")
    elif slash and ":" not in name:
        yield SpecError(f"is the bucket's name alone; write {quoted(name)}, and the rest into path", field="bucket")


def _endpoint(endpoint: str) -> Iterator[SpecError]:
    try:
        url = urlsplit(endpoint)
        usable = url.scheme in {"http", "https"} and bool(url.hostname) and url.port != 0
    except ValueError:
        usable = False
    if not usable or _CONTROL.search(endpoint):
        yield SpecError("is not a URL; write it as https://host:port", field="endpoint")
    elif url.username is not None:
        yield SpecError("must not hold a user name or password; remove them, and see `credentials`", field="endpoint")


def _encryption(options: Options) -> Iterator[SpecError]:
    encryption = options.server_side_encryption_configuration
    if encryption is None:
        return
    parent = "server_side_encryption_configuration"
    if not encryption.server_side_encryption:
        yield SpecError("is missing; write AES256, aws:kms or aws:kms:dsse", field=f"{parent}.server_side_encryption")
    yield from _choice(encryption.server_side_encryption, Encryption, f"{parent}.server_side_encryption")
    if encryption.server_side_encryption == "AES256" and encryption.sse_kms_key_id:
        yield SpecError(
            "goes with aws:kms and aws:kms:dsse only, S3 refuses it with AES256; remove it, or write aws:kms",
            field=f"{parent}.sse_kms_key_id",
        )
    if _CONTROL.search(encryption.sse_kms_key_id):
        yield SpecError("must not contain a line end or another control character", field=f"{parent}.sse_kms_key_id")


def legacy_suffix(options: Options) -> str:
    """Return what is appended to a path that names the table nowhere. Source: docs/path.md, "Without {{TABLE}}"."""
    if "{{TABLE}}" in options.path or "{{TABLE_HYPHEN}}" in options.path:
        return ""
    return f"/{{{{TABLE}}}}.{options.format}{'' if options.no_rotate else '.{{UUID}}'}"


def _manifest(options: Options) -> Iterator[SpecError]:
    if options.manifest is not None:
        file_format = options.format + COMPRESSION_SUFFIXES.get(options.compression, "")
        path = options.path + legacy_suffix(options)
        yield from manifest.problems(options.manifest, path=path, file_format=file_format)
