"""JSON lines: one object a row, keys sorted, every column present.

Differences from the reference, all of them on purpose: a JSON cell that is not JSON is a string and no error (contract
H19); a timestamp in an unknown zone is in UTC and no error (H21); float16 is right, and its NaN valid JSON (H22).

Source: contract D.2, D.3, D.4.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from cloudquery_s3.formats.encoder import Tally
from cloudquery_s3.formats.normalise import Normaliser
from cloudquery_s3.formats.per_schema import PerSchema
from cloudquery_s3.formats.text.nested import ObjectText
from cloudquery_s3.formats.text.pieces import pieces
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

    def __init__(self) -> None:
        self._rows = PerSchema(_Rows)

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
        return [chunk for piece in pieces(batches) for chunk in self._lines(piece)]

    def finish(self) -> EncodedFile:
        return self._tally.file([])

    def discard(self) -> None:
        pass

    def _lines(self, piece: pa.RecordBatch) -> list[Chunk]:
        if not same_columns(self._rows.schema, piece.schema):
            self._rows = self._rows_of(piece.schema)
        rows = self._rows.normalise(piece)
        self._tally.add(rows)
        return self._rows.lines(rows, self._alterations)


class _Rows:
    """Renders batches of one schema."""

    def __init__(self, schema: pa.Schema) -> None:
        self.schema = schema
        self.normalise = Normaliser(schema)
        self._objects = ObjectText(list(self.normalise.schema), html=False, end="}\n")

    def lines(self, batch: pa.RecordBatch, alterations: Alterations) -> list[Chunk]:
        """Render a normalised batch."""
        reports = [partial(alterations.add, name) for name in self.normalise.schema.names]
        return self._objects.bytes(batch.columns, reports, batch.num_rows)
