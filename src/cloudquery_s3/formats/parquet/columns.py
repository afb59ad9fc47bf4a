"""The columns of one Parquet file, whose schema the first rows fix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pyarrow as pa

from cloudquery_s3.formats.columns.names import RENAMED, distinct
from cloudquery_s3.formats.columns.normalise import Normaliser
from cloudquery_s3.formats.encoder import UnwritableError, unwritable
from cloudquery_s3.formats.parquet.decimals import digits_needed, has_decimals
from cloudquery_s3.formats.parquet.metadata import key_value_metadata
from cloudquery_s3.formats.parquet.required import has_required, made_nullable, without_hidden_nulls
from cloudquery_s3.formats.parquet.types import parquet_column

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudquery_s3.formats.columns.conversion import Conversion
    from cloudquery_s3.formats.encoder import Alterations
    from cloudquery_s3.formats.parquet.types import TypeRules

NULL_IN_REQUIRED: Final = "NULL in a NOT NULL column: the file declares the column optional"
_MERGE_BELOW_ROWS: Final = 5_000


class NullInRequiredColumnError(UnwritableError):
    """A NULL in a NOT NULL column whose file already says that there are none."""


class TableColumns:
    """The columns of all files of one schema, as they are before a file has rows.

    Attributes:
        normalise: reduces batches to core types.
        renamed: columns whose name was taken.
        columns: how a file's columns begin.
        metadata: what a file says about its table.
    """

    def __init__(self, rules: TypeRules, schema: pa.Schema) -> None:
        self.normalise = Normaliser(schema)
        core = self.normalise.schema
        names = distinct(core.names, ignore_case=rules.portable)
        self.renamed = [new for new, old in zip(names, core.names, strict=True) if new != old]
        self.columns = [TableColumn(field.with_name(name), rules) for field, name in zip(core, names, strict=True)]
        self.metadata = key_value_metadata(schema)


class TableColumn:
    """One column of all files of one schema.

    Attributes:
        core: its field, of a core type.
        narrowest: what becomes of it as long as no decimal needs more digits than its type has.
        has_decimals: whether one may.
        has_required: whether it, or a struct's member in it, is declared NOT NULL as long as no NULL is seen there.
        title: the column in an error's words.
    """

    def __init__(self, core: pa.Field, rules: TypeRules) -> None:
        self._rules = rules
        self.core = core
        self.narrowest = self.wide_enough(0)
        self.has_decimals = has_decimals(core.type)
        self.has_required = has_required(self.narrowest.field)
        self.title = f"column {core.name} of type {core.type}"

    def wide_enough(self, digits: int) -> Conversion:
        """Return what becomes of the column where its decimals need so many digits."""
        column = parquet_column(self.core, self._rules, digits=digits)
        return column._replace(field=column.field.remove_metadata())


class FileColumns:
    """Brings the batches of one file into its schema.

    As long as no rows are written the schema gives way: a NULL in a NOT NULL column makes the column optional, and a
    decimal of more digits than its column has makes the column wider. Either is counted.
    """

    def __init__(self, table: TableColumns, alterations: Alterations) -> None:
        self._table = table
        self._alterations = alterations
        self._columns = [_FileColumn(column) for column in table.columns]

    @property
    def schema(self) -> pa.Schema:
        """The file's schema, as the rows so far have made it."""
        return pa.schema([column.field for column in self._columns])

    def table(self, batches: Sequence[pa.RecordBatch], *, fixed: bool) -> pa.Table:
        """Return the rows of batches, in order, under the file's schema.

        `fixed` tells that rows are written already.

        Raises:
            UnwritableError: the rows do not fit under a fixed schema, or a column cannot be written.
        """
        core = [self._table.normalise(batch, self._alterations) for batch in batches]
        table = pa.Table.from_batches(core, self._table.normalise.schema)
        if len(batches) > 1 and table.num_rows < _MERGE_BELOW_ROWS * len(batches):
            table = table.combine_chunks()
        for name in self._table.renamed:
            self._alterations.add(name, RENAMED, table.num_rows)
        arrays = [
            column.array(chunks.chunks, self._alterations, fixed=fixed)
            for column, chunks in zip(self._columns, table.columns, strict=True)
        ]
        return pa.Table.from_arrays(arrays, schema=self.schema)


class _FileColumn:
    """One column of one file.

    Attributes:
        field: how the file declares it.
    """

    def __init__(self, column: TableColumn) -> None:
        self._column = column
        self._digits = 0
        self._conversion = column.narrowest
        self.field = self._conversion.field

    def array(self, chunks: list[pa.Array], alterations: Alterations, *, fixed: bool) -> pa.ChunkedArray:
        with unwritable(self._column.title):
            self._make_room(chunks, fixed=fixed)
            if self._conversion.convert is not None:
                count = alterations.of(self._column.core.name)
                chunks = [self._conversion.convert(chunk, count) for chunk in chunks]
            if self._column.has_required:
                self._allow_nulls(chunks, alterations, fixed=fixed)
            kind = self.field.type
            if self._column.has_required or any(chunk.type != kind for chunk in chunks):
                chunks = [without_hidden_nulls(chunk, self.field) for chunk in chunks]
            return pa.chunked_array(chunks, kind)

    def _make_room(self, chunks: list[pa.Array], *, fixed: bool) -> None:
        core = self._column.core
        needed = digits_needed(chunks) if self._column.has_decimals else 0
        if needed <= self._digits:
            return
        if fixed:
            raise UnwritableError(
                f"column {core.name}: a decimal has more digits than {core.type} says, and rows of this "
                f"object are already written with that type; the source must declare a greater precision"
            )
        self._digits = needed
        self._conversion = self._column.wide_enough(needed)
        self.field = self._conversion.field

    def _allow_nulls(self, chunks: list[pa.Array], alterations: Alterations, *, fixed: bool) -> None:
        field, nulls = made_nullable(self.field, chunks)
        if nulls and fixed:
            raise NullInRequiredColumnError(
                f"column {field.name}: {nulls} NULLs in a NOT NULL column, and rows of this object are already written "
                f"as NOT NULL; the source must send a value, or declare the column nullable"
            )
        alterations.add(field.name, NULL_IN_REQUIRED, nulls)
        self.field = field
