"""AWS's answers as Arrow record batches."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from examples.aws_inventory.tables import Column, Table, camel

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Item = dict[str, Any]
"""One resource as boto3 returns it."""

ROWS_PER_BATCH: Final = 500
_NAMESPACE: Final = uuid.uuid5(uuid.NAMESPACE_URL, "urn:cloudquery:aws-inventory")


def record_batches(table: Table, items: Iterable[Item]) -> Iterator[pa.RecordBatch]:
    """Yield the items as batches of up to 500 rows in the table's schema, in order; nothing where there are none."""
    schema = table.schema()
    rest = iter(items)
    while chunk := list(islice(rest, ROWS_PER_BATCH)):
        yield pa.record_batch([_array(table, column, chunk) for column in table.all_columns], schema=schema)


def row_id(table: Table, values: Iterable[object]) -> bytes:
    """Return the id of the row with these key values: the same bytes in every sync, for `_cq_id`."""
    return uuid.uuid5(_NAMESPACE, json.dumps([table.name, *values])).bytes


def _array(table: Table, column: Column, items: list[Item]) -> pa.Array:
    values: list[Any]
    if column.name == "_cq_id":
        values = [row_id(table, [key.value(item) for key in table.key]) for item in items]
    elif column.name == "_cq_parent_id":
        values = [_parent_id(table, item) for item in items]
    else:
        values = [_cell(column, column.value(item)) for item in items]
    return pa.array(values, column.field().type)


def _parent_id(table: Table, item: Item) -> bytes | None:
    if table.parent is None:
        return None
    own = {column.name: column for column in table.columns}
    return row_id(table.parent, [own[key.name].value(item) for key in table.parent.key])


def _cell(column: Column, value: Any) -> Any:
    """Return a value of AWS's answer as pyarrow wants it for the column's type."""
    if value is None or value == "":
        return None  # EC2's XML cannot tell an absent text from an empty one
    if column.extension == "json":
        return json.dumps(value, default=str, ensure_ascii=False, separators=(",", ":")).encode()
    if column.extension == "inet":
        return [address.encode() for address in value] if isinstance(value, list) else value.encode()
    if pa.types.is_struct(column.type):
        return {field.name: value.get(camel(field.name)) for field in column.type}
    if pa.types.is_timestamp(column.type) and isinstance(value, str):
        return datetime.fromisoformat(value).astimezone(UTC)
    return value
