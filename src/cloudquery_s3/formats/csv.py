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
from cloudquery_s3.formats.text.constants import render_column
from cloudquery_s3.formats.text.csv_cells import csv_renderer, quoted_where_needed
from cloudquery_s3.formats.text.pieces import pieces
from cloudquery_s3.formats.text.rows import glued_bytes, whole_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudquery_s3.chunk import Chunk
    from cloudquery_s3.formats.encoder import Alterations, Encoder
    from cloudquery_s3.formats.text.columns import Cells

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
        return [*self._header(), *(chunk for piece in pieces(batches) for chunk in self._lines(piece))]

    def finish(self) -> list[Chunk]:
        return self._header()

    def discard(self) -> None:
        pass

    def _header(self) -> list[Chunk]:
        if not self._header_due:
            return []
        self._header_due = False
        names = quoted_where_needed(pa.array(self._names, pa.string()), ord(self._delimiter))
        return [f"{self._delimiter.join(whole_text(names).to_pylist())}\n".encode()]

    def _lines(self, piece: pa.RecordBatch) -> list[Chunk]:
        columns = zip(self._normalise(piece).columns, self._columns, strict=True)
        cells = [render_column(render, column, report) for column, (render, report) in columns]
        return self._joined(cells, piece.num_rows)

    def _joined(self, cells: Sequence[Cells], count: int) -> list[Chunk]:
        if not cells:
            return [b"\n" * count]
        between = ["", *[self._delimiter] * (len(cells) - 1), "\n"]
        # in a table of one column NULL must not be written as nothing: a blank line is no row
        return glued_bytes(cells, between, "" if len(cells) > 1 else '""', count)
