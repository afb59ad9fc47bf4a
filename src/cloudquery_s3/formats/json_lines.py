"""JSON lines: one object a row, keys sorted, every column present.

Source: docs/formats.md, "Text, to the byte"; what differs from the reference: docs/compatibility.md, "File contents".
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pyarrow as pa

from cloudquery_s3.formats.columns.conversion import Conversion, conversion_of, converted
from cloudquery_s3.formats.columns.normalise import Normaliser
from cloudquery_s3.formats.columns.per_schema import PerSchema
from cloudquery_s3.formats.encoder import Tally
from cloudquery_s3.formats.text.batches import rebatched
from cloudquery_s3.formats.text.json_cells import json_cells
from cloudquery_s3.formats.text.nested import ObjectText, Style, mark_of
from cloudquery_s3.table import same_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudquery_s3.chunk import Chunk
    from cloudquery_s3.formats.encoder import Alterations, EncodedFile, Encoder


class JsonLines:
    """The format `json`.

    Args:
        json_as_text: whether JSON columns are written as strings of JSON text, at any depth, and not as the values.
        timestamp_separator: what stands between the date and the time of a timestamp.
    """

    fixed_schema = False
    content_type = "application/json"

    def __init__(self, *, json_as_text: bool = False, timestamp_separator: str = "T") -> None:
        self._rows = PerSchema(partial(_Rows, Style(html=False, separator=timestamp_separator), json_as_text))

    def encoder(self, schema: pa.Schema, alterations: Alterations) -> Encoder:
        """Return the encoder of one new object."""
        return _JsonLinesEncoder(schema, alterations, self._rows)


class _JsonLinesEncoder:
    def __init__(self, schema: pa.Schema, alterations: Alterations, rows_of: PerSchema[_Rows]) -> None:
        self._alterations = alterations
        self._rows_of = rows_of
        self._rows = rows_of(schema)
        self._tally = Tally()

    def write(self, batches: Sequence[pa.RecordBatch]) -> list[Chunk]:
        return [chunk for batch in rebatched(batches) for chunk in self._lines(batch)]

    def finish(self) -> EncodedFile:
        return self._tally.file([])

    def discard(self) -> None:
        pass

    def _lines(self, batch: pa.RecordBatch) -> list[Chunk]:
        if not same_columns(self._rows.schema, batch.schema):
            self._rows = self._rows_of(batch.schema)
        columns = self._rows.normalise(batch, self._alterations).columns
        self._tally.add(self._rows.names, columns, batch.num_rows)
        return self._rows.lines(columns, self._alterations, batch.num_rows)


class _Rows:
    """Renders batches of one schema."""

    def __init__(self, style: Style, as_text: bool, schema: pa.Schema) -> None:  # noqa: FBT001 - for `partial`
        self.schema = schema
        self.normalise = Normaliser(schema)
        columns = [
            conversion_of(field, json_as_text) if as_text else Conversion(field, None)
            for field in self.normalise.schema
        ]
        self.names = self.normalise.schema.names
        self._converts = [column.convert for column in columns]
        self._fields = pa.schema([column.field for column in columns])
        self._objects = ObjectText(list(self._fields), style, end="}\n")

    def lines(self, columns: list[pa.Array], alterations: Alterations, rows: int) -> list[Chunk]:
        """Render the columns of a normalised batch."""
        if any(self._converts):
            columns = converted(columns, self._fields, self._converts, alterations).columns
        return self._objects.bytes(columns, [alterations.of(name) for name in self.names], rows)


def json_as_text(field: pa.Field) -> Conversion | None:
    """Return how a field of JSON becomes one of strings that all hold JSON: a cell that is not is a JSON string."""
    if mark_of(field) != "json":
        return None
    text = field.with_type(pa.string()).remove_metadata()
    return Conversion(text, lambda cells, count: json_cells(cells, count, html=False).cast(pa.string()))
