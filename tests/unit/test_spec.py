from __future__ import annotations

import subprocess
import sys
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime
from typing import Any

import pytest

from cloudquery_s3.errors import SpecError
from cloudquery_s3.spec import Credentials, CsvSpec, JsonSpec, ParquetSpec, ServerSideEncryption, Spec
from cloudquery_s3.spec.aws_options import MAX_PART_SIZE, MIN_PART_SIZE
from cloudquery_s3.spec.option import values_of
from specs import INVOCATION_ID, LEFT_OUT, parsed

FIXED = "x/{{TABLE}}"
NO_LIMIT = {"batch_size": 0, "batch_size_bytes": 0, "batch_timeout": "0s"}
ENCRYPTION = "server_side_encryption_configuration"


def problem(**changes: Any) -> SpecError:
    """Return what is wrong with a small spec after changes."""
    with pytest.raises(SpecError) as caught:
        parsed(**changes)
    return caught.value


# --- defaults: the reference's four cases, and every field ---


def test_defaults() -> None:
    """A small spec has the reference's defaults in every field, and ours."""
    assert values_of(parsed()) == {
        "bucket": "b",
        "region": "r",
        "path": "{{TABLE}}/{{UUID}}.{{FORMAT}}",
        "format": "json",
        "format_spec": JsonSpec(),
        "compression": "",
        "no_rotate": False,
        "object_size": 0,
        "athena": False,
        "test_write": True,
        "content_type": "",
        "endpoint": "",
        "endpoint_skip_tls_verify": False,
        "use_path_style": False,
        "request_checksums": "when_supported",
        "create_only": "auto",
        "acl": "",
        ENCRYPTION: None,
        "write_empty_objects_for_empty_tables": False,
        "batch_size": 10_000,
        "batch_size_bytes": 52_428_800,
        "batch_timeout": "30s",
        "local_profile": "",
        "credentials": None,
        "aws_debug": False,
        "max_retries": 3,
        "max_backoff": 30,
        "part_size": 5_242_880,
        "memory_budget": 335_544_320,
        "max_open_partitions": 100,
        "upload_concurrency": 32,
        "compression_level": None,
        "gzip_level": None,
        "sort_by": [],
        "manifest": None,
        "iceberg": None,
        "glue": None,
    }
    assert parsed().batch_timeout_s == 30.0
    assert parsed().warnings == ()


def test_everything_set() -> None:
    """Every option that a user sets is what the spec says."""
    changes = {
        "compression": "gzip",
        "athena": True,
        "test_write": False,
        "content_type": "text/plain",
        "endpoint": "http://127.0.0.1:9000",
        "endpoint_skip_tls_verify": True,
        "use_path_style": True,
        "request_checksums": "when_required",
        "create_only": "always",
        "acl": "private",
        "batch_size": 7,
        "batch_size_bytes": 8,
        "batch_timeout": "1m",
        "aws_debug": True,
        "max_retries": 9,
        "max_backoff": 0,
        "part_size": MAX_PART_SIZE,
        "memory_budget": 1,
        "max_open_partitions": 7,
        "upload_concurrency": 64,
        "compression_level": 1,
        "sort_by": ["a", "b"],
    }
    spec = parsed(**changes)
    assert {name: getattr(spec, name) for name in changes} == changes
    assert spec.batch_timeout_s == 60.0


def test_explicit_format_spec_is_kept() -> None:
    """An explicit format_spec and a path with the table stay as they are."""
    spec = parsed(format="csv", path="{{TABLE}}/{{UUID}}", format_spec={"delimiter": "\t", "skip_header": True})
    assert spec.format_spec == CsvSpec(delimiter="\t", skip_header=True)
    assert spec.path == "{{TABLE}}/{{UUID}}"


@pytest.mark.parametrize(
    ("format_name", "default"),
    [
        ("csv", CsvSpec(delimiter=",", skip_header=False)),
        ("json", JsonSpec()),
        ("parquet", ParquetSpec(version="v2Latest", root_repetition="repeated", max_row_group_length=134_217_728)),
    ],
)
@pytest.mark.parametrize("format_spec", [LEFT_OUT, None, {}])
def test_format_spec_defaults(format_name: str, default: object, format_spec: object) -> None:
    """An absent, null or empty format_spec is the format's defaults."""
    assert parsed(format=format_name, format_spec=format_spec).format_spec == default


def test_no_rotate_has_no_limits() -> None:
    """With no_rotate the three batch limits are 0."""
    spec = parsed(no_rotate=True, path=FIXED)
    assert (spec.batch_size, spec.batch_size_bytes, spec.batch_timeout_s) == (0, 0, 0.0)


def test_object_size_ends_objects_alone() -> None:
    """With object_size a batch limit that is not set is none, and one that is set stays."""
    spec = parsed(object_size=1 << 20)
    assert (spec.batch_size, spec.batch_size_bytes, spec.batch_timeout_s) == (0, 0, 0.0)
    spec = parsed(object_size=1 << 20, batch_size=7, batch_timeout="1m")
    assert (spec.batch_size, spec.batch_size_bytes, spec.batch_timeout_s) == (7, 0, 60.0)


def test_negative_limits_are_none() -> None:
    """A negative batch limit is no limit."""
    spec = parsed(batch_size=-1, batch_size_bytes=-5, batch_timeout="-3s")
    assert (spec.batch_size, spec.batch_size_bytes, spec.batch_timeout_s) == (0, 0, 0.0)


def test_local_profile_becomes_credentials() -> None:
    """A top-level local_profile stands for credentials that hold it; empty credentials beside it are fine."""
    expected = Credentials(local_profile="p")
    assert parsed(local_profile="p").credentials == expected
    assert parsed(local_profile="p", credentials={}).credentials == expected


@pytest.mark.parametrize(
    ("path", "changes", "expected"),
    [
        ("test/path", {"no_rotate": True}, "test/path/{{TABLE}}.json"),
        ("{{UUID}}", {"format": "csv"}, "{{UUID}}/{{TABLE}}.csv.{{UUID}}"),
        ("{{UUID}}", {"format": "csv", "compression": "gzip"}, "{{UUID}}/{{TABLE}}.csv.{{UUID}}"),
        ("test/path", NO_LIMIT, "test/path/{{TABLE}}.json.{{UUID}}"),
        ("x/{{TABLE_HYPHEN}}/{{UUID}}", {}, "x/{{TABLE_HYPHEN}}/{{UUID}}"),
        ("x/{{table}}/{{UUID}}", {}, "x/{{table}}/{{UUID}}/{{TABLE}}.json.{{UUID}}"),
    ],
)
def test_legacy_suffix(path: str, changes: dict[str, Any], expected: str) -> None:
    """A path that names no table gets the reference's suffix, without `.gz`; `{{TABLE_HYPHEN}}` names one."""
    assert parsed(path=path, **changes).path == expected


# --- the reference's order and cases of validation ---

NAMED: list[tuple[str, dict[str, Any], str]] = [
    ("bucket", {"bucket": LEFT_OUT}, "is missing"),
    ("bucket", {"bucket": ""}, "is missing"),
    ("region", {"region": LEFT_OUT}, "is missing"),
    ("path", {"path": LEFT_OUT}, "is missing"),
    ("path", {"path": "/test/{{UUID}}"}, "must not start with /"),
    ("path", {"path": "//test/{{UUID}}"}, "must not start with /"),
    ("path", {"path": "test//{{UUID}}"}, 'write "test/{{UUID}}"'),
    ("path", {"path": "test/./{{UUID}}"}, 'write "test/{{UUID}}"'),
    ("path", {"path": "test/../{{UUID}}"}, 'write "{{UUID}}"'),
    ("path", {"path": "{{UUID}}/"}, "end in /"),
    ("path", {"path": "é" * 513 + "{{UUID}}"}, "is longer than S3 allows a key to be: 1024 bytes"),
    ("path", {"path": "../{{UUID}}"}, "must not lead out of the bucket"),
    ("path", {"path": "..", "no_rotate": True}, "must not lead out of the bucket"),
    ("path", {"path": ".", "no_rotate": True}, "must not lead out of the bucket"),
    (
        "write_empty_objects_for_empty_tables",
        {"write_empty_objects_for_empty_tables": True},
        "works with format: parquet only",
    ),
    ("local_profile", {"local_profile": "p", "credentials": {"local_profile": "p"}}, "beside credentials"),
    ("local_profile", {"local_profile": "p", "credentials": {"role_session_name": "s"}}, "beside credentials"),
    ("path", {"no_rotate": True}, "must not contain {{UUID}}"),
    ("batch_size", {"no_rotate": True, "path": FIXED, "batch_size": 1}, "no meaning with no_rotate"),
    ("batch_size_bytes", {"no_rotate": True, "path": FIXED, "batch_size_bytes": 1}, "no meaning with no_rotate"),
    ("batch_timeout", {"no_rotate": True, "path": FIXED, "batch_timeout": "1s"}, "no meaning with no_rotate"),
    ("path", {"path": FIXED, "batch_size": 1}, "must contain {{UUID}}"),
    ("path", {"path": FIXED, "object_size": 1 << 20}, "must contain {{UUID}} with object_size"),
    ("path", {"path": FIXED, "object_size": 1 << 20, "batch_size": 1}, "must contain {{UUID}}"),
    ("object_size", {"no_rotate": True, "path": FIXED, "object_size": 1 << 20}, "no meaning with no_rotate"),
    ("object_size", {"object_size": (1 << 20) - 1}, "must be 1048576 (1 MiB) or more"),
    ("object_size", {"object_size": -1}, "must be 1048576 (1 MiB) or more"),
    ("path", {"path": FIXED, **NO_LIMIT, "batch_size": LEFT_OUT}, "must contain {{UUID}}"),
    ("path", {"path": FIXED, **NO_LIMIT, "batch_timeout": None}, "must contain {{UUID}}"),
    ("acl", {"acl": "private-read"}, "is not one of private, public-read"),
    ("format", {"format": LEFT_OUT}, "is missing; write csv, json or parquet"),
    ("format", {"format": "CSV"}, "did you mean csv?"),
    ("format_spec", {"format_spec": []}, "must be an object"),
    ("format_spec", {"format_spec": "{}"}, "must be an object"),
    ("format_spec.delimitr", {"format": "csv", "format_spec": {"delimitr": ";"}}, "did you mean delimiter?"),
    ("format_spec.delimiter", {"format_spec": {"delimiter": ";"}}, "is not an option"),
    ("format_spec.skip_header", {"format": "csv", "format_spec": {"skip_header": "yes"}}, "must be true or false"),
    ("compression", {"compression": "zip"}, "is not one of gzip, zstd"),
    ("format_spec.delimiter", {"format": "csv", "format_spec": {"delimiter": ",,"}}, "exactly one"),
    ("format_spec.delimiter", {"format": "csv", "format_spec": {"delimiter": "é"}}, "exactly one"),
    ("format_spec.delimiter", {"format": "csv", "format_spec": {"delimiter": '"'}}, "cannot be a quote"),
    ("format_spec.delimiter", {"format": "csv", "format_spec": {"delimiter": "\n"}}, "cannot be a quote"),
    ("format_spec.delimiter", {"format": "csv", "format_spec": {"delimiter": "\r"}}, "cannot be a quote"),
    ("compression", {"format": "parquet", "compression": "gzip"}, "does not go with format: parquet"),
    ("format_spec.version", {"format": "parquet", "format_spec": {"version": "v3"}}, "is not one of v1.0"),
    ("format_spec.root_repetition", {"format": "parquet", "format_spec": {"root_repetition": "x"}}, "is not one of"),
    (
        "format_spec.max_row_group_length",
        {"format": "parquet", "format_spec": {"max_row_group_length": -1}},
        "must not be negative",
    ),
    ("create_only", {"create_only": "sometimes"}, "is not one of auto, always, never"),
    ("request_checksums", {"request_checksums": "never"}, "is not one of when_supported, when_required"),
    ("max_backoff", {"max_backoff": -1}, "must not be negative"),
    ("part_size", {"part_size": -1}, "S3's minimum is 5242880"),
    ("part_size", {"part_size": MAX_PART_SIZE + 1}, "is more than S3 allows"),
    ("memory_budget", {"memory_budget": 0}, "must be more than 0"),
    ("max_open_partitions", {"max_open_partitions": 0}, "must be more than 0"),
    ("path", {"path": "{{TABLE}}/{{COLUMN:r}}", "no_rotate": True}, "must contain {{UUID}} beside {{COLUMN:r}}"),
    ("upload_concurrency", {"upload_concurrency": 0}, "must be from 1 to 1024"),
    ("upload_concurrency", {"upload_concurrency": 1025}, "must be from 1 to 1024"),
    ("gzip_level", {"compression": "gzip", "gzip_level": 0}, "must be from 1"),
    ("gzip_level", {"compression": "gzip", "gzip_level": 10}, "must be from 1"),
    ("compression_level", {"compression": "gzip", "compression_level": 10}, "must be from 1 (fast) to 9"),
    ("compression_level", {"compression": "zstd", "compression_level": 23}, "must be from 1 (fast) to 22"),
    ("compression_level", {"compression": "zstd", "compression_level": 0}, "must be from 1"),
    (
        "compression_level",
        {"format": "parquet", "format_spec": {"compression": "gzip"}, "compression_level": 10},
        "must be from 1 (fast) to 9",
    ),
    (
        "format_spec.compression",
        {"format": "parquet", "format_spec": {"compression": "brotli"}},
        "is not one of snappy, zstd, gzip, lz4, none",
    ),
    ("format_spec.types", {"format": "parquet", "format_spec": {"types": "safe"}}, "is not one of arrow, portable"),
    ("format_spec.json_columns", {"format_spec": {"json_columns": "text"}}, "is not one of value, string"),
    ("format_spec.timestamp_separator", {"format_spec": {"timestamp_separator": "t"}}, "is not one of T"),
    ("sort_by", {"sort_by": "a"}, "must be a list of strings, not a string"),
    (
        "format_spec.bloom_filters",
        {"format": "parquet", "format_spec": {"bloom_filters": 1}},
        "must be a list of strings",
    ),
    ("content_type", {"content_type": "text/plain\r\nx-amz-acl: public-read"}, "must not contain a line end"),
    ("bucket", {"bucket": "s3://b"}, "is the bucket's name alone"),
    ("endpoint", {"endpoint": "localhost:9000"}, "write it as https://host:port"),
    ("endpoint", {"endpoint": "http://:9000"}, "is not a URL"),
    ("endpoint", {"endpoint": "http://h:99999"}, "is not a URL"),
    ("endpoint", {"endpoint": "http://user:secret@h"}, "must not hold a user name"),
    ("credentials.role_arn", {"credentials": {"role_arn": "writer"}}, "is not an ARN"),
    (f"{ENCRYPTION}.server_side_encryption", {ENCRYPTION: {}}, "is missing; write AES256, aws:kms or aws:kms:dsse"),
    (f"{ENCRYPTION}.server_side_encryption", {ENCRYPTION: {"server_side_encryption": "kms"}}, "is not one of AES256"),
    (
        f"{ENCRYPTION}.sse_kms_key_id",
        {ENCRYPTION: {"server_side_encryption": "AES256", "sse_kms_key_id": "k"}},
        "goes with aws:kms and aws:kms:dsse only",
    ),
    (
        f"{ENCRYPTION}.sse_kms_key_id",
        {ENCRYPTION: {"server_side_encryption": "aws:kms", "sse_kms_key_id": "k\n"}},
        "must not contain a line end",
    ),
]


@pytest.mark.parametrize(("field", "changes", "text"), NAMED)
def test_refused(field: str, changes: dict[str, Any], text: str) -> None:
    """What is impossible is refused, with the field first and then what is wrong and what to write."""
    error = problem(**changes)
    assert error.field == field
    assert str(error).startswith(f"{field}: ")
    assert text in str(error)


@pytest.mark.parametrize(
    "changes",
    [
        {"path": FIXED, **NO_LIMIT, "acl": "private"},
        {"path": FIXED, "batch_size": -1, "batch_size_bytes": 0, "batch_timeout": "0"},
        {"path": "{{TABLE}}/{{UUID}}"},
        {"format": "parquet", "write_empty_objects_for_empty_tables": True},
        {"write_empty_objects_for_empty_tables": False},
        {"local_profile": "p"},
        {"credentials": {"local_profile": "p"}},
        {"no_rotate": True, "path": FIXED, **NO_LIMIT},
        {"no_rotate": True, "path": FIXED, "batch_size": -1},
        {"path": "a./{{UUID}}"},
        {"path": "é" * 512 + "{{UUID}}{{TABLE}}"},
        {"format": "parquet", "format_spec": {"root_repetition": "optional", "max_row_group_length": 0}},
    ],
)
def test_accepted(changes: dict[str, Any]) -> None:
    """What the reference accepts at run time is accepted."""
    parsed(**changes)


ORDER: list[dict[str, Any]] = [
    {"batch_size": "1"},  # the wrong kind, found while decoding
    {"bucket": ""},
    {"region": ""},
    {"path": ""},
    {"path": "/x"},
    {"path": "x//y"},
    {"write_empty_objects_for_empty_tables": True},
    {"local_profile": "p", "credentials": {"role_arn": "x"}},
    {"no_rotate": True},
    {"no_rotate": True, "path": "x", "batch_size": 1},
    {"path": "x", "no_rotate": False},
    {"acl": "x"},
    {"format": "x"},
    {"compression": "x"},
    {"format": "csv", "format_spec": {"delimiter": ",,"}},
]


@pytest.mark.parametrize("place", range(len(ORDER) - 1))
def test_order(place: int) -> None:
    """Of two problems the one that the reference finds first is reported."""
    earlier = ORDER[place]
    for later in ORDER[place + 1 :]:
        if not set(earlier) & set(later):
            assert str(problem(**later, **earlier)) == str(problem(**earlier))


def test_format_spec_comes_before_compression() -> None:
    """A format_spec that does not decode is reported before an unknown compression, its values after."""
    assert problem(format_spec={"x": 1}, compression="x").field == "format_spec.x"
    assert problem(format="csv", format_spec={"delimiter": ",,"}, compression="x").field == "compression"


@pytest.mark.parametrize(
    ("file_format", "name"),
    [
        ("csv", "delimiter"),
        ("csv", "timestamp_separator"),
        ("json", "json_columns"),
        ("parquet", "version"),
        ("parquet", "root_repetition"),
        ("parquet", "compression"),
    ],
)
def test_an_empty_text_in_format_spec_is_the_default(file_format: str, name: str) -> None:
    """What is written as an empty text in format_spec counts as not written, as with the Go plugin."""
    empty, absent = (parsed(format=file_format, format_spec=written) for written in ({name: ""}, {}))
    assert empty.format_spec == absent.format_spec


def test_sync_id() -> None:
    """`{{SYNC_ID}}` needs an invocation id, and is the last thing that is checked."""
    data = b'{"bucket":"b","region":"r","path":"{{SYNC_ID}}/{{UUID}}","format":"json"}'
    with pytest.raises(SpecError, match=r"^path: contains \{\{SYNC_ID\}\}, .* use a newer CloudQuery CLI$"):
        Spec.parse(data, invocation_id="")
    assert "{{SYNC_ID}}" in Spec.parse(data, invocation_id="i").path


# --- what is changed with a warning ---


@pytest.mark.parametrize(
    ("changes", "field", "used", "warning"),
    [
        ({"max_retries": 0}, "max_retries", 1, "max_retries: 0 is taken as one attempt"),
        ({"max_retries": -1}, "max_retries", 100, "max_retries: -1 is taken as 100 attempts"),
        ({"part_size": 1}, "part_size", MIN_PART_SIZE, "part_size: 1 is below S3's minimum; 5242880 (5 MiB) is used"),
        ({"aws_debug": True}, "aws_debug", True, "aws_debug: requests to AWS are logged, without bodies"),
        ({"gzip_level": 3}, "gzip_level", 3, "gzip_level: has no effect without compression: gzip"),
        (
            {"gzip_level": 3, "compression": "gzip"},
            "compression_level",
            3,
            "gzip_level: is called compression_level now; rename it",
        ),
        (
            {"gzip_level": 3, "compression_level": 4, "compression": "gzip"},
            "compression_level",
            4,
            "gzip_level: has no effect beside compression_level",
        ),
        (
            {"compression_level": 3},
            "compression_level",
            3,
            "compression_level: has no effect without a codec that has levels",
        ),
        ({"path": "{{DATE}}/{{TABLE}}/{{UUID}}"}, "format", "json", 'path: "{{DATE}}" is not a placeholder'),
        (
            {"path": "{{UUID}}", "compression": "gzip"},
            "compression",
            "gzip",
            "path: the suffix that is appended has no .gz",
        ),
        (
            {"credentials": {"external_id": "hidden"}},
            "credentials",
            Credentials(external_id="hidden"),
            "credentials.external_id: has no effect without credentials.role_arn",
        ),
        ({"batch_sise": 3}, "batch_size", 10_000, "batch_sise: is not an option; did you mean batch_size?"),
    ],
)
def test_warnings(changes: dict[str, Any], field: str, used: object, warning: str) -> None:
    """What is not used as it was written, or has no effect, is said in one warning."""
    spec = parsed(**changes)
    assert getattr(spec, field) == used
    assert len(spec.warnings) == 1
    assert spec.warnings[0].startswith(warning)


@pytest.mark.parametrize("part_size", [0, None, MIN_PART_SIZE])
def test_part_size_default(part_size: int | None) -> None:
    """A part_size of 0 is the default, without a warning."""
    spec = parsed(part_size=part_size)
    assert (spec.part_size, spec.warnings) == (MIN_PART_SIZE, ())


# --- encryption ---


@pytest.mark.parametrize(
    ("encryption", "key"),
    [("AES256", LEFT_OUT), ("AES256", ""), ("AES256", None), ("aws:kms", "k"), ("aws:kms", ""), ("aws:kms:dsse", "k")],
)
def test_encryption(encryption: str, key: object) -> None:
    """AES256 needs no key id, and KMS without one uses the bucket's."""
    configuration = {"server_side_encryption": encryption, "sse_kms_key_id": key}
    spec = parsed(**{ENCRYPTION: {name: value for name, value in configuration.items() if value is not LEFT_OUT}})
    expected = ServerSideEncryption(server_side_encryption=encryption, sse_kms_key_id=key if key == "k" else "")
    assert spec.server_side_encryption_configuration == expected


# --- the object ---


def test_frozen() -> None:
    """A spec cannot be changed."""
    with pytest.raises(FrozenInstanceError):
        parsed().bucket = "other"


def test_no_secret_in_repr() -> None:
    """Neither the external id nor a password shows in a spec's text or in an error."""
    credentials = {"role_arn": "arn:aws:iam::1:role/x", "external_id": "hunter2"}
    spec = parsed(credentials=credentials)
    assert spec.credentials
    assert spec.credentials.external_id == "hunter2"
    assert "hunter2" not in f"{spec!r} {spec} {spec.credentials!r} {spec.warnings}"
    for changes in ({"role_arn": "x"}, {"external_id": ["hunter2"]}, {"role_arn": 1}):
        assert "hunter2" not in str(problem(credentials=credentials | changes))
    assert "hunter2" not in str(problem(endpoint="http://a:hunter2@h"))


@pytest.mark.parametrize(("compression", "file_format"), [("", "csv"), ("gzip", "csv.gz"), ("zstd", "csv.zst")])
def test_file_format(compression: str, file_format: str) -> None:
    """`{{FORMAT}}` is the format, with `.gz` when compressed."""
    assert parsed(format="csv", compression=compression).file_format == file_format


def test_path_template() -> None:
    """A spec knows where its objects go."""
    spec = parsed(path="{{SYNC_ID}}/{{TABLE}}.{{FORMAT}}.{{UUID}}", compression="gzip")
    template = spec.path_template(sync_id=INVOCATION_ID)
    assert template.has_file_id
    assert template.render("t", file_id="f", now=datetime.now(UTC)) == f"{INVOCATION_ID}/t.json.gz.f"


def test_import_is_light() -> None:
    """Importing the spec loads neither Arrow nor gRPC nor the S3 client."""
    program = "import sys, cloudquery_s3.spec; print({'pyarrow', 'grpc', 'botocore', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)
    assert done.stdout.strip() == "set()"
