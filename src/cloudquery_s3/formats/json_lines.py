"""JSON lines: one object a row, keys sorted, every column present.

Differences from the reference, all of them on purpose: a JSON cell that is not JSON is a string and no error (contract
H19); a timestamp in an unknown zone is in UTC and no error (H21); float16 is right, and its NaN valid JSON (H22).

Source: contract D.2, D.3, D.4.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from cloudquery_s3.formats.normalise import Normaliser
from cloudquery_s3.formats.text.nested import ObjectText
from cloudquery_s3.formats.text.pieces import pieces
from cloudquery_s3.table import same_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from cloudquery_s3.chunk import Chunk
    from cloudquery_s3.formats.encoder import Alterations, Encoder


class JsonLines:
    """The format `json`."""

    fixed_schema = False
    content_type = "application/json"

    def encoder(self, schema: pa.Schema, alterations: Alterations) -> Encoder:
        """Return the encoder of one new object."""
        return _JsonLinesEncoder(schema, alterations)


class _JsonLinesEncoder:
    def __init__(self, schema: pa.Schema, alterations: Alterations) -> None:
        self._alterations = alterations
        self._rows = _Rows(schema, alterations)

    def write(self, batches: Sequence[pa.RecordBatch]) -> list[Chunk]:
        return [chunk for piece in pieces(batches) for chunk in self._rows_of(piece.schema).lines(piece)]

    def finish(self) -> list[Chunk]:
        return []

    def discard(self) -> None:
        pass

    def _rows_of(self, schema: pa.Schema) -> _Rows:
        if not same_columns(self._rows.schema, schema):
            self._rows = _Rows(schema, self._alterations)
        return self._rows


class _Rows:
    """Renders batches of one schema."""

    def __init__(self, schema: pa.Schema, alterations: Alterations) -> None:
        self.schema = schema
        self._normalise = Normaliser(schema)
        fields = list(self._normalise.schema)
        self._objects = ObjectText(fields, html=False, end="}\n")
        self._reports = [partial(alterations.add, field.name) for field in fields]

    def lines(self, batch: pa.RecordBatch) -> list[Chunk]:
        columns = self._normalise(batch).columns
        return self._objects.bytes(columns, self._reports, batch.num_rows)
