"""The spec's JSON schema, which `cloudquery validate-config` applies; a sync does not.

Made from the list of options, so that it cannot fall behind. It is stricter than a sync where a sync forgives: unknown
keys, an empty batch. The CLI's validator is written in Go: patterns stay within RE2, and nothing is referred to.
Source: docs/spec.md.
"""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args, get_origin

from cloudquery_s3.spec.file_format import CsvSpec, JsonSpec, ParquetSpec
from cloudquery_s3.spec.model import Options
from cloudquery_s3.spec.option import Decoding, fields_of, without_none

if TYPE_CHECKING:
    from cloudquery_s3.spec.option import Field, OptionGroup

Schema: TypeAlias = dict[str, Any]

_HAS_UUID: Final = r"\{\{UUID\}\}"
_NOT_SET: Final[Schema] = {"type": "null"}
_EMPTY: Final[Schema] = {"maxLength": 0}
_JSON_TYPES: Final[dict[Any, str]] = {str: "string", int: "integer", bool: "boolean"}


@cache
def json_schema() -> str:
    """Return the JSON schema of a spec: draft 2020-12, as text."""
    schema = _object(Options)
    return json.dumps(
        {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "CloudQuery S3 destination",
            **schema,
            "description": "The `spec` of the S3 destination.",
            "allOf": _interplay(),
        },
        indent=2,
        ensure_ascii=False,
    )


def _object(group: type[OptionGroup]) -> Schema:
    """Return a group's schema, whole.

    A validator's message then points at the value that is wrong, not at a branch of alternatives.
    """
    fields = fields_of(group)
    schema: Schema = {"type": "object", "description": group.__doc__}
    required = [name for name, field in fields.items() if field.required]
    if required:
        schema["required"] = required
    if "server_side_encryption" in fields:
        schema["allOf"] = _encryption_interplay()
    properties = {name: _property(field) for name, field in fields.items()}
    return {**schema, "properties": properties, "additionalProperties": False}


def _property(field: Field) -> Schema:
    option = field.option
    if field.decoding is Decoding.LATER:
        return {"type": ["object", "null"], "description": option.about}
    only = without_none(field.kind)
    schema = {**_kind(only), **option.schema, "description": option.about, "examples": [option.example]}
    if only != field.kind or option.nullable:
        schema["type"] = [schema["type"], "null"]
    if not field.required and get_origin(only) is not list:
        schema["default"] = field.default
    return schema


def _kind(kind: Any) -> Schema:
    if get_origin(kind) is Literal:
        return {"type": "string", "enum": list(get_args(kind))}
    if get_origin(kind) is list:
        return {"type": "array", "items": {"type": "string"}}
    if get_origin(kind) is dict:
        return {"type": "object", "additionalProperties": {"type": "string"}}
    return {"type": _JSON_TYPES[kind]} if kind in _JSON_TYPES else _object(kind)


def _interplay() -> list[Schema]:
    """Return the rules that join several options."""
    formats: dict[str, type[OptionGroup]] = {"csv": CsvSpec, "json": JsonSpec, "parquet": ParquetSpec}
    return [
        *(
            _when("format", {"const": name}, {"format_spec": _nullable(_object(model))})
            for name, model in formats.items()
        ),
        _when("path", {"pattern": _HAS_UUID}, {"no_rotate": {"const": False}}),
        {
            **_when(
                "no_rotate",
                {"const": True},
                dict.fromkeys(("batch_size", "batch_size_bytes", "batch_timeout", "object_size"), _NOT_SET),
            ),
            "else": {"properties": {"path": {"pattern": _HAS_UUID}}},
        },
        _when("write_empty_objects_for_empty_tables", {"const": True}, {"format": {"const": "parquet"}}),
        _when("iceberg", {"not": _NOT_SET}, {"format": {"const": "parquet"}, "path": {"pattern": _HAS_UUID}}),
        _when("compression", {"minLength": 1}, {"format": {"enum": ["csv", "json"]}}),
        _when(
            "local_profile",
            {"minLength": 1},
            {
                "credentials": {
                    "properties": dict.fromkeys(
                        ("local_profile", "role_arn", "role_session_name", "external_id"), _EMPTY
                    )
                }
            },
        ),
    ]


def _encryption_interplay() -> list[Schema]:
    field = "server_side_encryption"
    kms = _when(field, {"enum": ["aws:kms", "aws:kms:dsse"]}, {})
    return [
        kms | {"then": {"required": ["sse_kms_key_id"]}},
        _when(field, {"const": "AES256"}, {"sse_kms_key_id": _EMPTY}),
    ]


def _when(option: str, value: Schema, then: Schema) -> Schema:
    return {"if": {"properties": {option: value}, "required": [option]}, "then": {"properties": then}}


def _nullable(schema: Schema) -> Schema:
    return {**schema, "type": ["object", "null"]}
