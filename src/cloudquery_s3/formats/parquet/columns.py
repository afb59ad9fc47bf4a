"""The columns of one Parquet file, whose schema the first rows fix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pyarrow as pa

from cloudquery_s3.formats.columns.names import RENAMED, distinct
from cloudquery_s3.formats.columns.normalise import Normaliser
from cloudquery_s3.formats.encoder import UnwritableError, unwritable
from cloudquery_s3.formats.parquet.decimals import digits_needed, has_decimals
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


class FileColumns:
    """Brings the batches of one file into its schema.

    As long as no rows are written the schema gives way: a NULL in a NOT NULL column makes the column optional, and a
    decimal of more digits than its column has makes the column wider. Either is counted.
    """

    def __init__(self, schema: pa.Schema, rules: TypeRules, alterations: Alterations) -> None:
        self._rules = rules
        self._alterations = alterations
        self._normalise = Normaliser(schema)
        core = self._normalise.schema
        names = distinct(core.names, ignore_case=rules.portable)
        self._renamed = [new for new, old in zip(names, core.names, strict=True) if new != old]
        self._columns = [_Column(field.with_name(name), rules) for field, name in zip(core, names, strict=True)]

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
        core = [self._normalise(batch, self._alterations) for batch in batches]
        table = pa.Table.from_batches(core, self._normalise.schema)
        if len(batches) > 1 and table.num_rows < _MERGE_BELOW_ROWS * len(batches):
            table = table.combine_chunks()
        for name in self._renamed:
            self._alterations.add(name, RENAMED, table.num_rows)
        arrays = [
            column.array(chunks.chunks, self._alterations, fixed=fixed)
            for column, chunks in zip(self._columns, table.columns, strict=True)
        ]
        return pa.Table.from_arrays(arrays, schema=self.schema)


class _Column:
    """One column of one file.

    Attributes:
        field: how the file declares it.
    """

    def __init__(self, core: pa.Field, rules: TypeRules) -> None:
        self._core = core
        self._rules = rules
        self._digits = 0
        self._has_decimals = has_decimals(core.type)
        self._conversion = self._converted(0)
        self.field = self._conversion.field

    def array(self, chunks: list[pa.Array], alterations: Alterations, *, fixed: bool) -> pa.ChunkedArray:
        with unwritable(f"column {self._core.name} of type {self._core.type}"):
            self._make_room(chunks, fixed=fixed)
            if self._conversion.convert is not None:
                count = alterations.of(self._core.name)
                chunks = [self._conversion.convert(chunk, count) for chunk in chunks]
            if has_required(self.field):
                self._allow_nulls(chunks, alterations, fixed=fixed)
            shown = [without_hidden_nulls(chunk, self.field) for chunk in chunks]
            return pa.chunked_array(shown, self.field.type)

    def _converted(self, digits: int) -> Conversion:
        column = parquet_column(self._core, self._rules, digits=digits)
        return column._replace(field=column.field.remove_metadata())

    def _make_room(self, chunks: list[pa.Array], *, fixed: bool) -> None:
        needed = digits_needed(chunks) if self._has_decimals else 0
        if needed <= self._digits:
            return
        if fixed:
            raise UnwritableError(
                f"column {self._core.name}: a decimal has more digits than {self._core.type} says, and rows of this "
                f"object are already written with that type; the source must declare a greater precision"
            )
        self._digits = needed
        self._conversion = self._converted(needed)
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
