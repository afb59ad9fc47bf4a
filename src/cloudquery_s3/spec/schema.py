"""The spec's JSON schema, which `cloudquery validate-config` applies; a sync does not.

Made from the list of options, so that it cannot fall behind. It is stricter than a sync where a sync forgives: unknown
keys, an empty batch. The CLI's validator is written in Go: patterns stay within RE2, and nothing is referred to.
Source: docs/spec.md.
"""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from cloudquery_s3.spec.file_format import CsvSpec, JsonSpec, ParquetSpec
from cloudquery_s3.spec.model import Options

if TYPE_CHECKING:
    from pydantic import BaseModel

Schema: TypeAlias = dict[str, Any]

_HAS_UUID: Final = r"\{\{UUID\}\}"
_NOT_SET: Final[Schema] = {"type": "null"}
_EMPTY: Final[Schema] = {"maxLength": 0}


@cache
def json_schema() -> str:
    """Return the JSON schema of a spec: draft 2020-12, as text."""
    schema = _inlined(Options.model_json_schema())
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


def _inlined(schema: Schema) -> Schema:
    """Return pydantic's schema of a model without references, titles and unions.

    A validator's message then points at the value that is wrong, not at a branch of alternatives.
    """
    definitions = schema.get("$defs", {})
    properties = {name: _property(value, definitions) for name, value in schema.get("properties", {}).items()}
    if "format_spec" in properties:
        about = properties["format_spec"]["description"]
        properties["format_spec"] = {"type": ["object", "null"], "description": about}
    if "server_side_encryption" in properties:
        schema = schema | {"allOf": _encryption_interplay()}
    kept = {name: value for name, value in schema.items() if name in {"type", "description", "required", "allOf"}}
    return {**kept, "properties": properties, "additionalProperties": False}


def _property(schema: Schema, definitions: Schema) -> Schema:
    kept = {name: value for name, value in schema.items() if name not in {"title", "anyOf"}}
    if schema.get("anyOf", [])[1:] == [_NOT_SET]:
        only = schema["anyOf"][0]
        only = _inlined(definitions[only["$ref"].rpartition("/")[2]]) if "$ref" in only else only
        kept = {**only, "type": [only["type"], "null"], **kept}
    return kept


def _interplay() -> list[Schema]:
    """Return the rules that join several options."""
    formats: dict[str, type[BaseModel]] = {"csv": CsvSpec, "json": JsonSpec, "parquet": ParquetSpec}
    return [
        *(
            _when("format", {"const": name}, {"format_spec": _nullable(_inlined(model.model_json_schema()))})
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
