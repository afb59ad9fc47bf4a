from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from cloudquery_s3.errors import SpecError
from cloudquery_s3.spec.model import Options
from cloudquery_s3.spec.option import fields_of
from cloudquery_s3.spec.schema import json_schema
from specs import LEFT_OUT, parsed, written

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMA = json.loads(json_schema())
VALIDATOR = Draft202012Validator(SCHEMA)

ROTATED = "abc/{{UUID}}"
FIXED = "abc/{{TABLE}}"
CSV: dict[str, Any] = {"format": "csv", "path": ROTATED}
PARQUET: dict[str, Any] = {"format": "parquet", "path": ROTATED}
ICEBERG = {"catalog": {"type": "rest"}}
KMS = {"server_side_encryption": "aws:kms", "sse_kms_key_id": "1234"}
ENCRYPTION = "server_side_encryption_configuration"
EMPTY_OBJECTS = "write_empty_objects_for_empty_tables"
NO_BATCH = {"batch_size": None, "batch_size_bytes": None, "batch_timeout": None}

ACCEPTED: dict[str, dict[str, Any]] = {
    "minimal": {},
    "csv format_spec": {**CSV, "format_spec": {"delimiter": "#", "skip_header": True}},
    "null format_spec": {**CSV, "format_spec": None},
    "empty format_spec": {**CSV, "format_spec": {}},
    "no_rotate false": {"no_rotate": False},
    "no_rotate true": {"no_rotate": True, "path": FIXED},
    "batch_size null": {"batch_size": None},
    "batch_size 123": {"batch_size": 123},
    "batch_size_bytes null": {"batch_size_bytes": None},
    "batch_size_bytes 123": {"batch_size_bytes": 123},
    "batch_timeout null": {"batch_timeout": None},
    "batch_timeout 1ns": {"batch_timeout": "1ns"},
    "batch_timeout 20s": {"batch_timeout": "20s"},
    "batch_timeout -50m30s": {"batch_timeout": "-50m30s"},
    "no_rotate and no UUID": {"no_rotate": True, "path": FIXED, **NO_BATCH},
    "no_rotate and null batch_size": {"no_rotate": True, "path": FIXED, "batch_size": None},
    "no_rotate and null batch_size_bytes": {"no_rotate": True, "path": FIXED, "batch_size_bytes": None},
    "no_rotate and null batch_timeout": {"no_rotate": True, "path": FIXED, "batch_timeout": None},
    "rotation and batch_size": {"no_rotate": False, "batch_size": 1},
    "rotation and batch_size_bytes": {"no_rotate": False, "batch_size_bytes": 1},
    "rotation and batch_timeout": {"no_rotate": False, "batch_timeout": "1s"},
    "null batching with UUID": NO_BATCH,
    "object_size": {"object_size": 1 << 20},
    "object_size null": {"object_size": None, "no_rotate": True, "path": FIXED},
    "encryption null": {ENCRYPTION: None},
    "encryption": {ENCRYPTION: KMS},
    "encryption without KMS": {ENCRYPTION: {"server_side_encryption": "AES256"}},
    "encryption without KMS, empty key": {ENCRYPTION: {"server_side_encryption": "AES256", "sse_kms_key_id": ""}},
    "encryption with the bucket's key": {ENCRYPTION: KMS | {"sse_kms_key_id": ""}},
    "empty objects, parquet": {**PARQUET, EMPTY_OBJECTS: True},
    "no empty objects, csv": {**CSV, EMPTY_OBJECTS: False},
    "no empty objects, json": {EMPTY_OBJECTS: False},
    "no empty objects, parquet": {**PARQUET, EMPTY_OBJECTS: False},
    "tab": {**CSV, "format_spec": {"delimiter": "\t"}},
    "space": {**CSV, "format_spec": {"delimiter": " "}},
    "parquet format_spec": {
        **PARQUET,
        "format_spec": {"version": "v2.4", "root_repetition": "optional", "max_row_group_length": 0},
    },
    "json format_spec": {"format_spec": {}},
    "compression": {"compression": "gzip"},
    "zstd": {"format": "json", "compression": "zstd", "compression_level": 22},
    "parquet codec": {**PARQUET, "format_spec": {"compression": "zstd", "types": "portable", "bloom_filters": "auto"}},
    "bloom filters": {**PARQUET, "format_spec": {"bloom_filters": ["arn"]}},
    "sorted": {"sort_by": ["a", "b"]},
    "json columns": {"format": "json", "format_spec": {"json_columns": "string", "timestamp_separator": " "}},
    "credentials": {"credentials": {"local_profile": "p", "role_arn": "arn:aws:iam::1:role/x", "external_id": "e"}},
    "credentials null": {"credentials": None},
    "no role": {"credentials": {"role_arn": ""}},
    "local_profile": {"local_profile": "p", "credentials": {}},
    "nullable numbers": {"max_retries": None, "max_backoff": None, "part_size": None, "test_write": None},
    "our options": {
        "memory_budget": 1,
        "request_checksums": "when_required",
        "create_only": "always",
        "compression": "gzip",
        "gzip_level": 9,
    },
    "our options null": {"memory_budget": None, "gzip_level": None},
    "acl": {"acl": "bucket-owner-full-control"},
    "manifest null": {"manifest": None},
    "manifest defaults": {"manifest": {}},
    "manifest": {"manifest": {"part": "1", "statistics": True, "latest": "_cloudquery/latest/{{SOURCE}}.json"}},
    "iceberg null": {"iceberg": None},
    "iceberg": {**PARQUET, "iceberg": {"catalog": {"type": "rest", "s3.port": 1, "x": True}, "table": "a{{TABLE}}"}},
    "glue null": {"glue": None},
    "glue": {"glue": {"database": "d", "required": True}},
}

REFUSED: dict[str, dict[str, Any]] = {
    "bad format": {"format": "orc"},
    "iceberg without catalog": {**PARQUET, "iceberg": {}},
    "iceberg with an empty catalog": {**PARQUET, "iceberg": {"catalog": {}}},
    "iceberg with a nested catalog": {**PARQUET, "iceberg": {"catalog": {"type": {}}}},
    "iceberg, json": {"iceberg": {"catalog": {"type": "rest"}}},
    "iceberg, no_rotate": {
        "format": "parquet",
        "no_rotate": True,
        "path": FIXED,
        "iceberg": {"catalog": {"type": "r"}},
    },
    "iceberg, all tables one": {**PARQUET, "iceberg": {"catalog": {"type": "rest"}, "table": "t"}},
    "glue without database": {"glue": {}},
    "glue, required 1": {"glue": {"database": "d", "required": 1}},
    "format missing": {"format": LEFT_OUT},
    "format null": {"format": None},
    "unknown option": {"buckets": "b"},
    "path missing": {"path": LEFT_OUT},
    "path empty": {"path": ""},
    "path null": {"path": None},
    "path 123": {"path": 123},
    "path begins with /": {"path": "/{{UUID}}"},
    "path with //": {"path": "{{UUID}}//x"},
    "path with ./": {"path": "{{UUID}}/./x"},
    "path with ../": {"path": "{{UUID}}/../x"},
    "path begins with ../": {"path": "../{{UUID}}"},
    "path ends in /": {"path": "{{UUID}}/"},
    "path ends in /..": {"path": "{{UUID}}/.."},
    "manifest path begins with /": {"manifest": {"path": "/_x/{{SYNC_ID}}/{{UUID}}"}},
    "manifest path 123": {"manifest": {"path": 123}},
    "manifest latest with //": {"manifest": {"latest": "_x//latest.json"}},
    "manifest part 3": {"manifest": {"part": 3}},
    "path .": {"path": ".", "no_rotate": True},
    "path ..": {"path": "..", "no_rotate": True},
    **{
        f"{field} {name}": {field: value}
        for field in ("bucket", "region")
        for name, value in {"missing": LEFT_OUT, "empty": "", "null": None, "123": 123}.items()
    },
    "no_rotate null": {"no_rotate": None},
    "no_rotate 123": {"no_rotate": 123},
    **{
        f"{field} {value}": {field: value}
        for field in ("batch_size", "batch_size_bytes")
        for value in (0, 5.3, False, "1", -1)
    },
    "batch_timeout empty": {"batch_timeout": ""},
    "batch_timeout 1": {"batch_timeout": 1},
    "batch_timeout without unit": {"batch_timeout": "1"},
    "batch_timeout in days": {"batch_timeout": "1d"},
    "no_rotate and UUID": {"no_rotate": True, "path": ROTATED},
    "no_rotate and object_size": {"no_rotate": True, "path": FIXED, "object_size": 1 << 20},
    "object_size without UUID": {"path": FIXED, "object_size": 1 << 20},
    "object_size below 1 MiB": {"object_size": 1000},
    "rotation without UUID": {"no_rotate": False, "path": FIXED},
    "default rotation without UUID": {"path": FIXED},
    "no_rotate and batch_size": {"no_rotate": True, "path": FIXED, "batch_size": 1},
    "no_rotate and batch_size_bytes": {"no_rotate": True, "path": FIXED, "batch_size_bytes": 1},
    "no_rotate and batch_timeout": {"no_rotate": True, "path": FIXED, "batch_timeout": "1s"},
    "batch_size without UUID": {"path": FIXED, "batch_size": 1},
    "batch_size_bytes without UUID": {"path": FIXED, "batch_size_bytes": 1},
    "batch_timeout without UUID": {"path": FIXED, "batch_timeout": "1s"},
    "encryption empty": {ENCRYPTION: {}},
    "encryption without type": {ENCRYPTION: {"sse_kms_key_id": "1234"}},
    "encryption without key": {ENCRYPTION: {"server_side_encryption": "aws:kms"}},
    "encryption of another type": {ENCRYPTION: KMS | {"server_side_encryption": "rot13"}},
    "encryption with an unknown key": {ENCRYPTION: KMS | {"key": "x"}},
    "AES256 with a key": {ENCRYPTION: {"server_side_encryption": "AES256", "sse_kms_key_id": "1234"}},
    "empty objects, csv": {**CSV, EMPTY_OBJECTS: True},
    "empty objects, json": {EMPTY_OBJECTS: True},
    "format_spec with an unknown key": {**CSV, "format_spec": {"header": True}},
    "format_spec string": {**CSV, "format_spec": "x"},
    "format_spec list": {**CSV, "format_spec": []},
    "skip_header null": {**CSV, "format_spec": {"skip_header": None}},
    "skip_header string": {**CSV, "format_spec": {"skip_header": "true"}},
    **{
        f"delimiter {value!r}": {**CSV, "format_spec": {"delimiter": value}}
        for value in ("", None, 123, ",,", '"', "\n", "\r", "\0", "é")
    },
    "version v1": {**PARQUET, "format_spec": {"version": "v1"}},
    "root_repetition any": {**PARQUET, "format_spec": {"root_repetition": "any"}},
    "max_row_group_length -1": {**PARQUET, "format_spec": {"max_row_group_length": -1}},
    "max_row_group_length 1.5": {**PARQUET, "format_spec": {"max_row_group_length": 1.5}},
    "csv format_spec for json": {"format_spec": {"delimiter": ","}},
    "csv format_spec for parquet": {**PARQUET, "format_spec": {"delimiter": ","}},
    "parquet format_spec for json": {"format_spec": {"version": "v2.4"}},
    "parquet format_spec for csv": {**CSV, "format_spec": {"version": "v2.4"}},
    "compressed parquet": {**PARQUET, "compression": "gzip"},
    "compression zip": {"compression": "zip"},
    "role_arn not an ARN": {"credentials": {"role_arn": "role"}},
    "credentials with an unknown key": {"credentials": {"profile": "p"}},
    "credentials list": {"credentials": []},
    "local_profile twice": {"local_profile": "p", "credentials": {"local_profile": "p"}},
    "local_profile and a role": {"local_profile": "p", "credentials": {"role_session_name": "s"}},
    "acl open": {"acl": "open"},
    "athena null": {"athena": None},
    "memory_budget 0": {"memory_budget": 0},
    "gzip_level 10": {"gzip_level": 10},
    "request_checksums never": {"request_checksums": "never"},
    "create_only sometimes": {"create_only": "sometimes"},
    "part_size -1": {"part_size": -1},
    "max_backoff -1": {"max_backoff": -1},
}

FORGIVEN = {
    "unknown option",
    "no_rotate null",
    "athena null",
    "skip_header null",
    "delimiter None",
    "delimiter ''",
    "batch_size 0",
    "batch_size -1",
    "batch_size_bytes 0",
    "batch_size_bytes -1",
    "encryption without key",
    "encryption with an unknown key",
    "credentials with an unknown key",
}
"""What the schema refuses and a sync accepts, as in the reference."""


@pytest.mark.parametrize("changes", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_accepted(changes: dict[str, Any]) -> None:
    """The schema accepts what a user may write, and so does a sync."""
    assert [error.message for error in VALIDATOR.iter_errors(written(**changes))] == []
    parsed(**changes)


@pytest.mark.parametrize(("name", "changes"), REFUSED.items(), ids=REFUSED.keys())
def test_refused(name: str, changes: dict[str, Any]) -> None:
    """The schema refuses what is wrong, and a sync too, but for what it forgives."""
    assert not VALIDATOR.is_valid(written(**changes))
    if name in FORGIVEN:
        parsed(**changes)
    else:
        with pytest.raises(SpecError):
            parsed(**changes)


def test_the_schema_is_a_schema() -> None:
    """The text is a valid draft 2020-12 schema."""
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_every_option_is_in_the_schema() -> None:
    """The schema's options are the code's, in order, and no others."""
    assert list(SCHEMA["properties"]) == list(fields_of(Options))


def test_every_property_has_a_description() -> None:
    """Every option at every depth is described to the user."""
    described = [
        (name, "description" in option)
        for part in _parts(SCHEMA)
        if part.get("additionalProperties") is False
        for name, option in part["properties"].items()
    ]
    assert described
    assert [name for name, has in described if not has] == []


def test_the_cli_can_compile_it() -> None:
    """Patterns stay within RE2 and nothing is referred to: a schema that does not compile switches validation off."""
    patterns = [part["pattern"] for part in _parts(SCHEMA) if isinstance(part.get("pattern"), str)]
    assert patterns
    for pattern in patterns:
        assert not re.search(r"\(\?[=!<]|\\[1-9]|[*+?}]\+", pattern), pattern
        re.compile(pattern)
    assert not [part for part in _parts(SCHEMA) if "$ref" in part or "$dynamicRef" in part]


def test_every_example_is_valid() -> None:
    """The example of every option is one that the schema accepts."""
    for name, option in SCHEMA["properties"].items():
        for value in option.get("examples", []):
            changes = {name: value}
            changes |= {"path": FIXED} if name == "no_rotate" else {}
            changes |= {"format": "parquet"} if name in {EMPTY_OBJECTS, "iceberg"} else {}
            assert VALIDATOR.is_valid(written(**changes)), name


def test_unknown_keys_are_refused_everywhere() -> None:
    """No object takes an unknown key; what `format_spec` takes, each format says, and a catalogue has its own."""
    objects = [part for part in _parts(SCHEMA) if "object" in (part.get("type") or ())]
    closed = [part for part in objects if part.get("additionalProperties") is False]
    open_objects = [part for part in objects if part not in closed]
    assert len(closed) == 9
    catalog = SCHEMA["properties"]["iceberg"]["properties"]["catalog"]
    assert open_objects == [SCHEMA["properties"]["format_spec"], catalog]


def _parts(schema: object) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        yield schema
        for value in schema.values():
            yield from _parts(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _parts(value)
