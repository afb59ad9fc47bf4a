"""What a table is on the wire: an Arrow schema with CloudQuery's metadata and extension types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    import pyarrow as pa

Extension: TypeAlias = Literal["json", "uuid", "inet", "mac", "bool8", "interval_month", "interval_day_time"]
"""How a column's bytes are meant.

`json`, `uuid`, `inet`, `mac` are CloudQuery's; Arrow's own `arrow.json` and `arrow.uuid` are the same, and `bool8` is
its `arrow.bool8`, a bool in an int8. The two intervals are Arrow types that pyarrow cannot show to Python:
the reader of the IPC stream hands them on as int32 and int64 storage with this mark.
"""

EXTENSION_NAME: Final = b"ARROW:extension:name"
"""The field metadata key that names an extension type. The types are left unregistered on purpose: a batch then holds
plain storage arrays, at any depth, and needs no unwrapping."""

_EXTENSIONS: Final[dict[str, Extension]] = {
    "json": "json",
    "uuid": "uuid",
    "inet": "inet",
    "mac": "mac",
    "arrow.json": "json",
    "arrow.uuid": "uuid",
    "arrow.bool8": "bool8",
    "interval_month": "interval_month",
    "interval_day_time": "interval_day_time",
}
_TABLE_NAME: Final = b"cq:table_name"
_TABLE_DESCRIPTION: Final = b"cq:table_description"
_PRIMARY_KEY: Final = b"cq:extension:primary_key"


def extension_of(field: pa.Field) -> Extension | None:
    """Return which extension type a field has, at any depth of nesting, or None for a plain Arrow type."""
    name = (field.metadata or {}).get(EXTENSION_NAME, b"").decode(errors="replace")
    return _EXTENSIONS.get(name)


def table_name(schema: pa.Schema) -> str:
    """Return the table's name from its schema's metadata, or "" where there is none."""
    return str((schema.metadata or {}).get(_TABLE_NAME, b""), errors="replace")


def table_comment(schema: pa.Schema) -> str:
    """Return the source's description of the table, or "" where there is none."""
    return str((schema.metadata or {}).get(_TABLE_DESCRIPTION, b""), errors="replace")


def primary_key(schema: pa.Schema) -> tuple[str, ...]:
    """Return the columns of the primary key, which the CLI removes when `write_mode` is append."""
    return tuple(field.name for field in schema if (field.metadata or {}).get(_PRIMARY_KEY) == b"true")


def asks_for_upserts(schema: pa.Schema) -> bool:
    """Tell whether a table comes with primary keys."""
    return bool(primary_key(schema))


def same_columns(one: pa.Schema, other: pa.Schema) -> bool:
    """Tell whether two schemas have the same columns: names, order, types, nullability and extension types.

    Other metadata (descriptions, primary keys) makes no difference to a file.
    """
    if one is other or one.equals(other, check_metadata=True):
        return True
    return one.equals(other, check_metadata=False) and _marks(one) == _marks(other)


def _marks(fields: pa.Schema | pa.DataType) -> list[object]:
    marks: list[object] = []
    for index in range(len(fields) if hasattr(fields, "names") else fields.num_fields):
        field = fields.field(index)
        marks.append((extension_of(field), _marks(field.type) if field.type.num_fields else None))
    return marks
