"""What a CloudQuery file may hold around the specs of its plugins, as CLI 6 has it; and the schema of a whole file.

Source: cloudquery/cloudquery, cli/internal/specs/v0/schema.json.
"""

from __future__ import annotations

import json
from typing import Any, Final

from cloudquery_s3.spec.schema import Schema, json_schema

KINDS: Final = ("source", "destination", "transformer")
REGISTRIES: Final = ("cloudquery", "docker", "github", "grpc", "local")
DOWNLOADED: Final = ("cloudquery", "github")
"""Registries that the CLI downloads plugins from, by `team/name`; the first where none is written."""
WRITE_MODES: Final = ("append", "overwrite", "overwrite-delete-stale")

_TEXT: Final[Schema] = {"type": "string"}
_TEXTS: Final[Schema] = {"type": ["array", "null"], "items": _TEXT}

_PLUGIN: Final[dict[str, Schema]] = {
    "name": {"type": "string", "minLength": 1, "description": "What the plugin is called in this file."},
    "registry": {"enum": ["", *REGISTRIES], "description": "How the CLI reaches the plugin.", "default": "cloudquery"},
    "path": {
        "type": "string",
        "minLength": 1,
        "description": "With `local` the path of the program, with `grpc` host:port, with `docker` the image, else "
        "team/name.",
    },
    "version": {"type": "string", "description": "Version of a plugin that is downloaded."},
    "docker_registry_auth_token": _TEXT,
    "spec": {"type": ["object", "null"], "description": "The plugin's own options."},
}
_DESTINATION: Final[dict[str, Schema]] = {
    **_PLUGIN,
    "write_mode": {
        "enum": list(WRITE_MODES),
        "description": "This plugin appends; with `iceberg` in its spec every mode works.",
        "default": "overwrite-delete-stale",
    },
    "migrate_mode": {"enum": ["safe", "forced"]},
    "pk_mode": {"enum": ["default", "cq-id-only"]},
    "sync_group_id": _TEXT,
    "send_sync_summary": {"type": "boolean"},
    "transformers": _TEXTS,
}
_SOURCE: Final[dict[str, Schema]] = {
    **_PLUGIN,
    "tables": _TEXTS,
    "skip_tables": _TEXTS,
    "skip_dependent_tables": {"type": ["boolean", "null"]},
    "destinations": _TEXTS,
    "backend_options": {"type": ["object", "null"]},
    "deterministic_cq_id": {"type": "boolean"},
    "otel_endpoint": _TEXT,
    "otel_endpoint_insecure": {"type": "boolean"},
}

DESTINATION_KEYS: Final = tuple(_DESTINATION)
"""What may stand beside `name` in a destination: the CLI refuses any other key."""

_VARIABLE: Final[Schema] = {"type": "string", "pattern": r"\$\{[^}]+\}"}
"""A text that is another once the CLI has put its variables in."""

_WITH_TABLES: Final[Schema] = {"properties": {"spec": {"required": ["iceberg"]}}, "required": ["spec"]}
"""A destination that may have every write mode."""

_NAMED_S3: Final[Schema] = {"pattern": r"(^|[^A-Za-z0-9])[sS]3([^A-Za-z0-9]|$)"}
_ENDS_IN_S3: Final[Schema] = {"pattern": r"(^|[^A-Za-z0-9])[sS]3([^A-Za-z0-9/\\][^/\\]*)?$"}
_DOWNLOADED_S3: Final[Schema] = {"pattern": r"(^|[/\\])[sS]3$"}
_OURS: Final[Schema] = {
    "anyOf": [
        {"properties": {"registry": {"enum": ["", *DOWNLOADED]}, "path": _DOWNLOADED_S3}, "required": ["path"]},
        {
            "properties": {"registry": {"not": {"enum": ["", *DOWNLOADED]}}},
            "required": ["registry"],
            "anyOf": [
                {"properties": {"name": _NAMED_S3}, "required": ["name"]},
                {"properties": {"path": _ENDS_IN_S3}, "required": ["path"]},
            ],
        },
    ]
}
"""A destination that `check` takes for this plugin's: see `destinations.is_s3`."""


def file_schema() -> str:
    """Return the JSON schema of each document of a CloudQuery file, for editors: draft 2020-12, as text.

    A destination that is named as this plugin's has its options; of other plugins nothing is known. A `${VARIABLE}` may
    stand for any value.
    """
    own = json.loads(json_schema())
    draft = own.pop("$schema")
    schemas = {
        "source": _object(_SOURCE, required=["name", "path", "tables", "destinations"]),
        "destination": {
            **_object(_DESTINATION, required=["name", "path"]),
            "if": _OURS,
            "then": {
                "properties": {"spec": _with_variables(own)},
                "required": ["spec"],
                "if": _WITH_TABLES,
                "else": {"properties": {"write_mode": {"const": "append"}}, "required": ["write_mode"]},
            },
        },
        "transformer": _object(_PLUGIN, required=["name", "path"]),
    }
    return json.dumps(
        {
            "$schema": draft,
            "title": "CloudQuery file with the S3 destination",
            "type": "object",
            "properties": {"kind": {"enum": list(KINDS)}, "spec": {}},
            "required": ["kind", "spec"],
            "additionalProperties": False,
            "allOf": [
                {
                    "if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]},
                    "then": {"properties": {"spec": schemas[kind]}},
                }
                for kind in KINDS
            ],
        },
        indent=2,
        ensure_ascii=False,
    )


def _object(properties: dict[str, Schema], *, required: list[str]) -> Schema:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _with_variables(schema: Schema) -> Schema:
    """Return a schema of options in which a variable may stand for each value."""
    changed = dict(schema)
    if "properties" in schema:
        changed["properties"] = {
            name: _or_variable(_with_variables(value)) for name, value in schema["properties"].items()
        }
    if "allOf" in schema:
        changed["allOf"] = [_condition(part) for part in schema["allOf"]]
    return changed


def _condition(part: Schema) -> Schema:
    return {key: _with_variables(value) if key in {"then", "else"} else value for key, value in part.items()}


def _or_variable(schema: Schema) -> Schema:
    about: dict[str, Any] = {name: schema[name] for name in ("description", "examples", "default") if name in schema}
    return {**about, "anyOf": [schema, _VARIABLE]}
