"""CSV.

Source: docs/formats.md, "Text, to the byte"; what differs from the reference: docs/compatibility.md, "File contents".
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pyarrow as pa

from cloudquery_s3.formats.columns.normalise import Normaliser
from cloudquery_s3.formats.columns.per_schema import PerSchema
from cloudquery_s3.formats.encoder import Tally
from cloudquery_s3.formats.text.batches import rebatched
from cloudquery_s3.formats.text.csv_cells import csv_renderer, quoted_where_needed
from cloudquery_s3.formats.text.renderers import Renderers
from cloudquery_s3.formats.text.rows import joined_bytes, whole_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudquery_s3.chunk import Chunk
    from cloudquery_s3.formats.encoder import Alterations, EncodedFile, Encoder

_NO_DELIMITERS = frozenset('"\r\n')


class Csv:
    """The format `csv`.

    Raises:
        ValueError: the delimiter is not one byte, or is a quote or a line break.
    """

    fixed_schema = True
    content_type = "text/csv"

    def __init__(self, *, delimiter: str = ",", skip_header: bool = False, timestamp_separator: str = "T") -> None:
        if len(delimiter) != 1 or not delimiter.isascii() or delimiter in _NO_DELIMITERS:
            raise ValueError("the delimiter must be one byte, and neither a quote nor a line break")
        self._rows = PerSchema(partial(_Rows, delimiter, timestamp_separator))
        self._skip_header = skip_header

    def encoder(self, schema: pa.Schema, alterations: Alterations) -> Encoder:
        """Return the encoder of one new object."""
        return _CsvEncoder(self._rows(schema), alterations, skip_header=self._skip_header)


class _CsvEncoder:
    def __init__(self, rows: _Rows, alterations: Alterations, *, skip_header: bool) -> None:
        self._rows = rows
        self._alterations = alterations
        self._header_due = not skip_header
        self._tally = Tally()

    def write(self, batches: Sequence[pa.RecordBatch]) -> list[Chunk]:
        rows = (chunk for batch in rebatched(batches) for chunk in self._lines(batch))
        return [*self._header(), *rows]

    def finish(self) -> EncodedFile:
        return self._tally.file(self._header())

    def discard(self) -> None:
        pass

    def _lines(self, batch: pa.RecordBatch) -> list[Chunk]:
        columns = self._rows.normalise(batch, self._alterations).columns
        self._tally.add(self._rows.names, columns, batch.num_rows)
        return self._rows.lines(columns, self._alterations, batch.num_rows)

    def _header(self) -> list[Chunk]:
        if not self._header_due:
            return []
        self._header_due = False
        return [self._rows.header]


class _Rows:
    """Renders batches of one schema."""

    def __init__(self, delimiter: str, separator: str, schema: pa.Schema) -> None:
        self.normalise = Normaliser(schema)
        fields = list(self.normalise.schema)
        self.names = self.normalise.schema.names
        self._renderers = Renderers(fields, partial(csv_renderer, delimiter=ord(delimiter), separator=separator))
        names = quoted_where_needed(pa.array(self.names, pa.string()), ord(delimiter))
        self.header = f"{delimiter.join(whole_text(names).to_pylist())}\n".encode()
        self._between = ["", *[delimiter] * (len(fields) - 1), "\n"]
        # in a table of one column NULL must not be written as nothing: a blank line is no row
        self._null = '""' if len(fields) == 1 else ""

    def lines(self, columns: Sequence[pa.Array], alterations: Alterations, rows: int) -> list[Chunk]:
        """Render the columns of a normalised batch."""
        if not columns:
            return [b"\n" * rows]
        cells = self._renderers(columns, [alterations.of(name) for name in self.names])
        return joined_bytes(cells, self._between, self._null, rows)
