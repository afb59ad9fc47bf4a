"""JSON lines: one object a row, keys sorted, every column present.

Source: docs/formats.md, "Text, to the byte"; what differs from the reference: docs/compatibility.md, "File contents".
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from cloudquery_s3.formats.columns.normalise import Normaliser
from cloudquery_s3.formats.columns.per_schema import PerSchema
from cloudquery_s3.formats.encoder import Tally
from cloudquery_s3.formats.text.batches import rebatched
from cloudquery_s3.formats.text.nested import ObjectText, Style
from cloudquery_s3.table import same_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from cloudquery_s3.chunk import Chunk
    from cloudquery_s3.formats.encoder import Alterations, EncodedFile, Encoder


class JsonLines:
    """The format `json`."""

    fixed_schema = False
    content_type = "application/json"

    def __init__(self, *, timestamp_separator: str = "T") -> None:
        self._rows = PerSchema(partial(_Rows, timestamp_separator))

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
        rows = self._rows.normalise(batch, self._alterations)
        self._tally.add(rows)
        return self._rows.lines(rows, self._alterations)


class _Rows:
    """Renders batches of one schema."""

    def __init__(self, separator: str, schema: pa.Schema) -> None:
        self.schema = schema
        self.normalise = Normaliser(schema)
        self._objects = ObjectText(list(self.normalise.schema), Style(html=False, separator=separator), end="}\n")

    def lines(self, batch: pa.RecordBatch, alterations: Alterations) -> list[Chunk]:
        """Render a normalised batch."""
        counters = [alterations.of(name) for name in self.normalise.schema.names]
        return self._objects.bytes(batch.columns, counters, batch.num_rows)
