"""A table's columns: made from those of a file, and held against those of later files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
from pyiceberg.io.pyarrow import pyarrow_to_schema
from pyiceberg.schema import Schema, assign_fresh_schema_ids
from pyiceberg.table.name_mapping import MappedField, NameMapping
from pyiceberg.types import ListType, MapType, StructType

from cloudquery_s3.catalogs.layout import SOURCE_NAME, SYNC_TIME
from cloudquery_s3.errors import TableError

if TYPE_CHECKING:
    from pyiceberg.table import Transaction
    from pyiceberg.types import IcebergType

FULL_METRICS: Final = {f"write.metadata.metrics.column.{name}": "full" for name in (SOURCE_NAME, SYNC_TIME)}
"""Bounds of these two are never cut, so that a stale file is known by them alone."""


def iceberg_schema(table: str, of_file: pa.Schema) -> Schema:
    """Return the columns of a file as Iceberg's, numbered afresh; every one is optional.

    Raises:
        TableError: a column has a type that Iceberg lacks.
    """
    optional = pa.schema([pa.field(column.name, column.type) for column in of_file])
    mapping = NameMapping(_mapped(optional, iter(range(1, 1 << 31))))
    try:
        schema = pyarrow_to_schema(optional, name_mapping=mapping)
    except Exception as error:  # noqa: BLE001 -- pyiceberg has several for it
        raise TableError(table, f"its columns are not Iceberg's: {error}") from None
    return assign_fresh_schema_ids(schema)


def add_new_columns(transaction: Transaction, table: str, wanted: Schema) -> None:
    """Have the table get the columns of a file that it lacks.

    Raises:
        TableError: a column has another type than in the table, or the table requires one that the file lacks.
    """
    present = transaction.table_metadata.schema()
    known = {field.name: field for field in present.fields}
    changed = [
        f"{field.name} is {field.field_type} and was {known[field.name].field_type}"
        for field in wanted.fields
        if field.name in known and not _same(field.field_type, known[field.name].field_type)
    ]
    if changed:
        raise TableError(table, f"its Iceberg table has other types: {'; '.join(changed)}: rename or drop the table")
    names = {field.name for field in wanted.fields}
    if missing := [field.name for field in present.fields if field.required and field.name not in names]:
        raise TableError(table, f"its Iceberg table requires {', '.join(missing)}, which its rows do not have")
    new = [field for field in wanted.fields if field.name not in known]
    if not new:
        return
    with transaction.update_schema() as update:
        for field in new:
            update.add_column(field.name, field.field_type)


def _same(one: IcebergType, other: IcebergType) -> bool:
    """Tell whether two types are the same but for the numbers of nested fields."""
    return bool(_plain(one) == _plain(other))


def _plain(kind: IcebergType) -> Any:
    match kind:
        case StructType():
            return tuple((field.name, _plain(field.field_type)) for field in kind.fields)
        case ListType():
            return ["list", _plain(kind.element_type)]
        case MapType():
            return ["map", _plain(kind.key_type), _plain(kind.value_type)]
        case _:
            return str(kind)


def _mapped(columns: pa.Schema | pa.DataType, numbers: Any) -> list[MappedField]:
    """Return numbers for every field at every depth: pyiceberg takes an Arrow schema only with numbers."""
    if isinstance(columns, pa.Schema | pa.StructType):
        return [_named(column.name, column.type, numbers) for column in columns]
    if pa.types.is_map(columns):
        return [_named("key", columns.key_type, numbers), _named("value", columns.item_type, numbers)]
    if pa.types.is_nested(columns):
        return [_named("element", columns.value_type, numbers)]
    return []


def _named(name: str, kind: pa.DataType, numbers: Any) -> MappedField:
    return MappedField(field_id=next(numbers), names=[name], fields=_mapped(kind, numbers))
