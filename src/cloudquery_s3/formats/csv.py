"""CSV with as few quotes as the reference writes.

Differences from the reference, all of them on purpose: an empty string is `""` and differs from NULL; in a table of one
column NULL is `""` too, since a blank line is no row; a column of type null is empty, not `(null)` (all contract H23).
A network address that does not parse is written as it is (H20), a timestamp in an unknown zone in UTC (H21); either
stops the table in the reference. float16 is right (H22).

Source: contract D.1, D.3, D.4.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pyarrow as pa

from cloudquery_s3.formats.normalise import Normaliser
from cloudquery_s3.formats.text.buffers import row_bytes
from cloudquery_s3.formats.text.csv_cells import csv_renderer, never_blank, quoted_where_needed
from cloudquery_s3.formats.text.pieces import pieces
from cloudquery_s3.formats.text.rows import lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudquery_s3.chunk import Chunk
    from cloudquery_s3.formats.encoder import Alterations, Encoder

_NO_DELIMITERS = frozenset('"\r\n')


class Csv:
    """The format `csv`.

    Raises:
        ValueError: the delimiter is not one byte, or is a quote or a line break.
    """

    fixed_schema = True
    content_type = "text/csv"

    def __init__(self, *, delimiter: str = ",", skip_header: bool = False) -> None:
        if len(delimiter) != 1 or not delimiter.isascii() or delimiter in _NO_DELIMITERS:
            raise ValueError("the delimiter must be one byte, and neither a quote nor a line break")
        self._delimiter = delimiter
        self._skip_header = skip_header

    def encoder(self, schema: pa.Schema, alterations: Alterations) -> Encoder:
        """Return the encoder of one new object."""
        return _CsvEncoder(schema, alterations, self._delimiter, skip_header=self._skip_header)


class _CsvEncoder:
    def __init__(self, schema: pa.Schema, alterations: Alterations, delimiter: str, *, skip_header: bool) -> None:
        self._normalise = Normaliser(schema)
        self._names = self._normalise.schema.names
        self._columns = [
            (csv_renderer(field, ord(delimiter)), partial(alterations.add, field.name))
            for field in self._normalise.schema
        ]
        self._delimiter = delimiter
        self._header_due = not skip_header

    def write(self, batches: Sequence[pa.RecordBatch]) -> list[Chunk]:
        return [*self._header(), *(self._lines(piece) for piece in pieces(batches))]

    def finish(self) -> list[Chunk]:
        return self._header()

    def discard(self) -> None:
        pass

    def _header(self) -> list[Chunk]:
        if not self._header_due:
            return []
        self._header_due = False
        names = [quoted_where_needed(pa.array([name]), ord(self._delimiter)) for name in self._names]
        return [self._joined(names, 1)]

    def _lines(self, piece: pa.RecordBatch) -> Chunk:
        columns = zip(self._normalise(piece).columns, self._columns, strict=True)
        cells = [render(column, report) for column, (render, report) in columns]
        return self._joined([never_blank(cells[0])] if len(cells) == 1 else cells, piece.num_rows)

    def _joined(self, cells: Sequence[pa.Array], count: int) -> Chunk:
        return row_bytes(lines(cells, self._delimiter)) if cells else b"\n" * count
