"""Rows in the order of some of their columns."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc

from cloudquery_s3.formats.columns.normalise import Normaliser
from cloudquery_s3.formats.columns.per_schema import PerSchema
from cloudquery_s3.formats.encoder import UnwritableError
from cloudquery_s3.formats.text.nested import mark_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudquery_s3.chunk import Chunk
    from cloudquery_s3.formats.encoder import Alterations, EncodedFile, Encoder, Format

_WITHOUT_ORDER: Final = frozenset({"json", "interval_month", "interval_day_time"})


class Sorted:
    """Another format, the rows of each `write` sorted first: whoever writes an object at once gets it sorted whole.

    The order is ascending, NULLs last, and rows that are equal keep theirs. A column that a table lacks has no part in
    it.
    """

    def __init__(self, inner: Format, columns: Sequence[str]) -> None:
        self._inner = inner
        self._columns = columns
        self._normaliser = PerSchema(Normaliser)
        self.fixed_schema = inner.fixed_schema
        self.content_type = inner.content_type

    def encoder(self, schema: pa.Schema, alterations: Alterations) -> Encoder:
        """Return the encoder of one new object.

        Raises:
            UnwritableError: a column has no order.
        """
        core = self._normaliser(schema).schema
        require_order(core, self._columns)
        return _SortedEncoder(self._inner.encoder(core, alterations), self._columns, self._normaliser, alterations)


class _SortedEncoder:
    def __init__(
        self, inner: Encoder, columns: Sequence[str], normaliser: PerSchema[Normaliser], alterations: Alterations
    ) -> None:
        self._inner = inner
        self._columns = columns
        self._normaliser = normaliser
        self._alterations = alterations

    def write(self, batches: Sequence[pa.RecordBatch]) -> list[Chunk]:
        core = [self._normaliser(batch.schema)(batch, self._alterations) for batch in batches]
        # an object of JSON lines may hold rows of several schemas
        return self._inner.write([sorted_rows(list(alike), self._columns) for _, alike in groupby(core, _schema_of)])

    def finish(self) -> EncodedFile:
        return self._inner.finish()

    def discard(self) -> None:
        self._inner.discard()


def _schema_of(batch: pa.RecordBatch) -> pa.Schema:
    return batch.schema


def require_order(schema: pa.Schema, columns: Sequence[str]) -> None:
    """Return if rows of core types can be sorted by these columns, as far as the table has them.

    Raises:
        UnwritableError: one has no order; the message names it.
    """
    for field in schema:
        if field.name in columns and not _has_order(field):
            kind = mark_of(field) or field.type
            raise UnwritableError(f"sort_by: column {field.name} is of type {kind}, which has no order; leave it out")


def sorted_rows(batches: Sequence[pa.RecordBatch], columns: Sequence[str]) -> pa.RecordBatch:
    """Return the rows of batches of one schema of core types by `columns`: ascending, NULLs last, stable.

    Raises:
        UnwritableError: a column has no order.
    """
    schema = batches[0].schema
    require_order(schema, columns)
    rows = pa.concat_batches(batches)
    keys = {name: _sortable(rows.column(name)) for name in columns if name in schema.names}
    if not keys or rows.num_rows < 2:  # noqa: PLR2004 - one row is sorted
        return rows
    order = pc.sort_indices(pa.record_batch(keys), sort_keys=[(name, "ascending") for name in keys])
    return rows.take(order)


def _sortable(cells: pa.Array) -> pa.Array:
    return cells.cast(pa.float32()) if pa.types.is_float16(cells.type) else cells


def _has_order(field: pa.Field) -> bool:
    types, kind = pa.types, field.type
    if mark_of(field) in _WITHOUT_ORDER:
        return False
    return not (types.is_nested(kind) or types.is_null(kind) or kind == pa.month_day_nano_interval())
