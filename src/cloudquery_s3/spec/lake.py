"""The options of table catalogues, and what makes them impossible."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Final

from cloudquery_s3.errors import SpecError
from cloudquery_s3.spec.option import Before, Option, OptionGroup

if TYPE_CHECKING:
    from collections.abc import Iterator

_TABLE: Final = ("{{TABLE}}", "{{TABLE_HYPHEN}}")
_IN_BRACES: Final = re.compile(r"\{\{[^{}]*\}\}")


def _properties(value: Any) -> Any:
    """Return a JSON object as a dict of texts; a value that is no text, number or boolean stays for the type check."""
    if not isinstance(value, list):
        return value
    return {key: _text(item) for key, item in value if item is not None}


def _text(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


@dataclass(frozen=True, kw_only=True)
class Iceberg(OptionGroup):
    """Which Iceberg tables hear of the objects."""

    catalog: Annotated[
        dict[str, str],
        Before(_properties),
        Option(
            "The catalogue, by pyiceberg's properties: `type` (`rest`, `glue`, `sql`, `hive`, `dynamodb`), `uri`, "
            "`warehouse`, `credential` and others, handed through as they are. Values never reach a log.",
            example={"type": "rest", "uri": "https://catalog.example.com", "warehouse": "lake"},
            schema={"additionalProperties": {"type": ["string", "number", "boolean", "null"]}, "minProperties": 1},
        ),
    ] = field(repr=False)
    namespace: Annotated[
        str,
        Option(
            "The namespace of the tables, levels divided by dots. It is created where it is missing.",
            example="cloudquery",
            schema={"minLength": 1},
        ),
    ] = "cloudquery"
    table: Annotated[
        str,
        Option(
            "The name of a table, with `{{TABLE}}` or `{{TABLE_HYPHEN}}` in it.",
            example="aws_{{TABLE}}",
            schema={"pattern": r"\{\{TABLE(_HYPHEN)?\}\}"},
        ),
    ] = "{{TABLE}}"

    def identifier(self, table: str) -> tuple[str, ...]:
        """Return the name of a table of CloudQuery in the catalogue, namespace first."""
        name = self.table.replace("{{TABLE}}", table).replace("{{TABLE_HYPHEN}}", table.replace("_", "-"))
        return (*self.namespace.split("."), name)


@dataclass(frozen=True, kw_only=True)
class Glue(OptionGroup):
    """Which Glue database hears of the tables."""

    database: Annotated[
        str,
        Option(
            "The Glue database whose tables are created and updated. It has to exist.",
            example="cloudquery",
            schema={"minLength": 1},
        ),
    ]
    required: Annotated[
        bool,
        Option("Whether a sync fails if Glue refuses a table. Otherwise it is a warning.", example=True),
    ] = False


def iceberg_problems(iceberg: Iceberg, *, path: str, file_format: str, types: str) -> Iterator[SpecError]:
    """Yield what is wrong with the options of Iceberg.

    Args:
        iceberg: the options.
        path: where the tables' objects go.
        file_format: `csv`, `json` or `parquet`.
        types: what is written for `format_spec.types`; empty where it is not.
    """
    if file_format != "parquet":
        yield SpecError("works with format: parquet only; remove it, or choose parquet", field="iceberg")
    if types not in {"", "portable"}:
        yield SpecError(
            "must be portable with iceberg, which has no types for some of Arrow's; remove it",
            field="format_spec.types",
        )
    if "{{UUID}}" not in path:
        yield SpecError(
            "must contain {{UUID}} with iceberg: an object that a table lists must never be replaced", field="path"
        )
    if not iceberg.catalog:
        yield SpecError("is missing; write at least the type, such as {type: glue}", field="iceberg.catalog")
    if not iceberg.namespace or not all(iceberg.namespace.split(".")):
        yield SpecError("must be names divided by single dots, such as lake.cloudquery", field="iceberg.namespace")
    if not any(name in iceberg.table for name in _TABLE):
        yield SpecError("must contain {{TABLE}}, or all tables would be one", field="iceberg.table")
    for name in _IN_BRACES.findall(iceberg.table):
        if name not in _TABLE:
            yield SpecError(f"must not contain {name[:60]}; it may contain {{{{TABLE}}}}", field="iceberg.table")


def glue_problems(glue: Glue, *, path: str) -> Iterator[SpecError]:
    """Yield what is wrong with the options of Glue.

    Args:
        glue: the options.
        path: where the tables' objects go.
    """
    if not glue.database:
        yield SpecError("is missing; write the name of a Glue database", field="glue.database")
    folders = path.split("/")[:-1]
    at = next((at for at, folder in enumerate(folders) if any(name in folder for name in _TABLE)), None)
    if at is None or any(set(_IN_BRACES.findall(folder)) - {*_TABLE, "{{FORMAT}}"} for folder in folders[: at + 1]):
        yield SpecError(
            "gives a table no folder of its own, which glue needs: write {{TABLE}}/ before what varies", field="path"
        )
