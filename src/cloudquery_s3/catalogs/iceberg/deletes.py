"""Which rows go: from the client's wishes to predicates of Iceberg, and to a delete in a transaction."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.expressions import AlwaysTrue, And, EqualTo, IsNull, LessThan, Or

from cloudquery_s3.catalogs.layout import SOURCE_NAME, SYNC_TIME
from cloudquery_s3.committed import DeleteStale
from cloudquery_s3.errors import PluginError, TableError
from cloudquery_s3.formats import make_format
from cloudquery_s3.formats.encoder import Alterations
from cloudquery_s3.ipc import IpcReader, UndecodedPayload, decode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pyiceberg.expressions import BooleanExpression
    from pyiceberg.schema import Schema
    from pyiceberg.table import Transaction

    from cloudquery_s3.committed import Conditions, Delete, Equality
    from cloudquery_s3.spec import Spec


def predicate(delete: Delete, spec: Spec, columns: Schema) -> BooleanExpression:
    """Return which rows of a table a wish means.

    Args:
        delete: the wish; its `relations` are other tables' concern.
        spec: how values are written.
        columns: of the table.

    Raises:
        TableError: it names a column that the table lacks, or a value that cannot be read.
    """
    if isinstance(delete, DeleteStale):
        named = (SOURCE_NAME, SYNC_TIME)
        _require(delete.table, named, columns)
        return And(EqualTo(SOURCE_NAME, delete.source), LessThan(SYNC_TIME, delete.sync_time.isoformat()))
    groups = [_group(delete.table, group, spec, columns) for group in delete.where if group.equalities]
    return _joined(And, groups) if groups else AlwaysTrue()


def delete_rows(transaction: Transaction, meant: BooleanExpression, properties: Mapping[str, str]) -> None:
    """Remove rows: files of which all rows are meant by their statistics, and others by rewriting them."""
    with transaction.update_snapshot(snapshot_properties=dict(properties)).delete() as whole_files:
        whole_files.delete_by_predicate(meant)
    if whole_files.rewrites_needed:
        transaction.delete(meant, snapshot_properties=dict(properties))


def _group(table: str, group: Conditions, spec: Spec, columns: Schema) -> BooleanExpression:
    _require(table, tuple(equality.column for equality in group.equalities), columns)
    return _joined(Or if group.any_of else And, [_equality(table, equality, spec) for equality in group.equalities])


def _equality(table: str, equality: Equality, spec: Spec) -> BooleanExpression:
    value = _value(table, equality, spec)
    return IsNull(equality.column) if value is None else EqualTo(equality.column, value)


def _value(table: str, equality: Equality, spec: Spec) -> Any:
    """Return the value as the files of this spec have it: a UUID, for one, is a text there."""
    try:
        received = IpcReader().read(equality.record)
        if isinstance(received, UndecodedPayload):
            received.measure()
            received = received.decode()
        (batch,) = decode([batch for batch in received if batch.rows])
        return _in_a_file(batch, spec)
    except (PluginError, ValueError, pa.ArrowException) as error:
        raise TableError(
            table, f"a DeleteRecord's value for {equality.column} cannot be read: {type(error).__name__}"
        ) from None


def _in_a_file(batch: pa.RecordBatch, spec: Spec) -> Any:
    if batch.num_columns != 1 or batch.num_rows != 1:
        raise ValueError("not one column and one row")
    encoder = make_format(spec).encoder(batch.schema, Alterations())
    chunks = [*encoder.write([batch]), *encoder.finish().chunks]
    column = pq.read_table(pa.BufferReader(b"".join(map(bytes, chunks)))).column(0)
    value = column[0].as_py()
    return value.isoformat() if hasattr(value, "isoformat") else value


def _require(table: str, names: tuple[str, ...], columns: Schema) -> None:
    for name in names:
        if name not in columns.column_names:
            raise TableError(table, f"rows cannot be deleted by {name}, which is no column of its Iceberg table")


def _joined(
    join: Callable[[BooleanExpression, BooleanExpression], BooleanExpression], parts: list[BooleanExpression]
) -> BooleanExpression:
    return reduce(join, parts)
