"""Tables as `cloudquery tables --format json` lists them, as the schemas that a sync of them would send.

Source: the CLI's `__tables.json`: `name`, `description`, `columns` of `name`, `type`, `description`, `incremental_key`,
and `relations`; a type is what Arrow's Go library prints.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from cloudquery_s3.catalogs.ddl.columns import DESCRIPTION
from cloudquery_s3.catalogs.layout import SOURCE_NAME, SYNC_TIME
from cloudquery_s3.errors import SpecError
from cloudquery_s3.table import EXTENSION_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator

_ADDED: Final = (pa.field(SYNC_TIME, pa.timestamp("us", tz="UTC")), pa.field(SOURCE_NAME, pa.string()))
"""What the CLI puts before a source's own columns."""

_PLAIN: Final = {
    "utf8": pa.string(),
    "large_utf8": pa.large_string(),
    "bool": pa.bool_(),
    "float16": pa.float16(),
    "float32": pa.float32(),
    "float64": pa.float64(),
    "binary": pa.binary(),
    "large_binary": pa.large_binary(),
    "date32": pa.date32(),
    "date64": pa.date64(),
    "null": pa.null(),
    "uuid": pa.binary(16),
    **dict.fromkeys(("json", "inet", "mac"), pa.binary()),
    **{f"{sign}int{bits}": getattr(pa, f"{sign}int{bits}")() for sign in ("", "u") for bits in (8, 16, 32, 64)},
}
_EXTENSIONS: Final = frozenset({"json", "uuid", "inet", "mac"})
_OF_UNIT: Final = re.compile(r"(timestamp|time32|time64|duration)\[(s|ms|us|ns)(?:, tz=([^\]]+))?\]")
_DECIMAL: Final = re.compile(r"decimal(?:128|256)?\((\d+), (-?\d+)\)")
_FIXED: Final = re.compile(r"fixed_size_binary\[(\d+)\]")
_MAX_DEPTH: Final = 50


def schemas(document: Any) -> Iterator[pa.Schema]:
    """Yield the schema of every table in a document, relations included; see `docs/ddl.md`.

    Raises:
        SpecError: it is not what the CLI writes.
    """
    if not isinstance(document, list):
        raise SpecError("is not what `cloudquery tables --format json` writes: a list of tables", field="--tables")
    for table in document:
        yield from _of_table(table, depth=0)


def _of_table(table: Any, depth: int) -> Iterator[pa.Schema]:
    if depth > _MAX_DEPTH or not isinstance(table, dict) or not isinstance(table.get("name"), str):
        raise SpecError("has a table without a name, or tables nested too deeply", field="--tables")
    name = table["name"]
    columns = [_column(name, column) for column in table.get("columns") or []]
    incremental = any(column.get("incremental_key") for column in table.get("columns") or [])
    metadata = {
        "cq:table_name": name,
        "cq:table_description": str(table.get("description") or ""),
        **({"cq:extension:incremental": "true"} if incremental or table.get("is_incremental") else {}),
    }
    yield pa.schema([*_ADDED, *columns], metadata=metadata)
    for relation in table.get("relations") or []:
        yield from _of_table(relation, depth + 1)


def _column(table: str, column: Any) -> pa.Field:
    if not isinstance(column, dict) or not isinstance(column.get("name"), str):
        raise SpecError(f"has a column without a name in table {table}", field="--tables")
    try:
        field = _field(column["name"], str(column.get("type")))
    except ValueError as error:
        raise SpecError(
            f"says of table {table}, column {column['name']}, a type that is not known: {error}", field="--tables"
        ) from None
    described = {DESCRIPTION: str(column["description"])} if column.get("description") else {}
    return field.with_metadata({**(field.metadata or {}), **described})


def _field(name: str, text: str, depth: int = 0) -> pa.Field:
    if depth > _MAX_DEPTH:
        raise ValueError("nested too deeply")
    text = text.strip().removesuffix(", nullable")
    extension = text if text in _EXTENSIONS else None
    metadata = {EXTENSION_NAME: extension.encode()} if extension else None
    return pa.field(name, _PLAIN[text] if text in _PLAIN else _type(text, depth), metadata=metadata)


def _type(text: str, depth: int) -> pa.DataType:
    head, bracket, inner = text.partition("<")
    if bracket and inner.endswith(">"):
        return _nested(head, inner[:-1], depth + 1)
    if match := _OF_UNIT.fullmatch(text):
        kind, unit, zone = match.groups()
        return pa.timestamp(unit, tz=zone) if kind == "timestamp" else getattr(pa, kind)(unit)
    if match := _DECIMAL.fullmatch(text):
        precision, scale = map(int, match.groups())
        return (pa.decimal128 if precision <= 38 else pa.decimal256)(precision, scale)  # noqa: PLR2004 -- what 128 bits hold
    if match := _FIXED.fullmatch(text):
        return pa.binary(int(match[1]))
    raise ValueError(text)


def _nested(head: str, inner: str, depth: int) -> pa.DataType:
    parts = [part.partition(": ") for part in _split(inner)]
    if head in {"list", "large_list"} or head.startswith("fixed_size_list"):
        return pa.list_(_field("item", parts[0][2] or parts[0][0], depth))
    if head == "struct":
        return pa.struct([_field(name, kind, depth) for name, _, kind in parts])
    if head == "map":
        key, item = _split(inner)[:2]
        return pa.map_(_field("key", key, depth).type, _field("value", item, depth).type)
    raise ValueError(head)


def _split(text: str) -> list[str]:
    """Return the parts of a list whose commas are on its own level; `, nullable` belongs to the part before it."""
    parts, depth, start = [], 0, 0
    for at, letter in enumerate(text):
        depth += (letter in "<[(") - (letter in ">])")
        if letter == "," and not depth and not text.startswith(", nullable", at):
            parts.append(text[start:at].strip())
            start = at + 1
    return [*parts, text[start:].strip()]
