"""Any table in JSON lines and CSV, against a writer that writes it cell by cell."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cell_writer import RENAMED, CellWriter, batch_of, distinct, long_tables, tables
from cloudquery_s3.formats.csv import Csv
from cloudquery_s3.formats.encoder import Alterations, Format
from cloudquery_s3.formats.json_lines import JsonLines
from cloudquery_s3.formats.text import cells as text_cells

SETTINGS = settings(max_examples=40, deadline=None)
Table = tuple[list[Any], list[list[Any]]]


def written(fmt: Format, batches: list[Any], schema: Any) -> tuple[bytes, Alterations]:
    """Write one object."""
    alterations = Alterations()
    encoder = fmt.encoder(schema, alterations)
    return b"".join([*encoder.write(batches), *encoder.finish().chunks]), alterations


def counted(alterations: Alterations) -> Counter[tuple[str, str]]:
    """Return what was counted of cells: renamed columns are counted by row, whatever their cells are."""
    return Counter({key: count for key, count in alterations.cells.items() if key[1] != RENAMED})


@SETTINGS
@given(tables())
def test_json_lines_are_what_a_cell_by_cell_writer_writes(table: Table) -> None:
    """Every table of any types is written byte by byte as the slow writer writes it, and as many cells are reported."""
    fields, rows = table
    writer = CellWriter()
    expected = b"".join(writer.json_line(fields, row) for row in rows)
    batch = batch_of(fields, rows)
    got, alterations = written(JsonLines(), [batch], batch.schema)
    assert got == expected
    assert counted(alterations) == +writer.altered


@SETTINGS
@given(tables(), st.sampled_from(",;\t|a-1"))
def test_csv_rows_are_what_a_cell_by_cell_writer_writes(table: Table, delimiter: str) -> None:
    """Every table of any types is written byte by byte as the slow writer writes it, and as many cells are reported."""
    fields, rows = table
    writer = CellWriter()
    expected = b"".join(writer.csv_line(fields, row, delimiter) for row in rows)
    batch = batch_of(fields, rows)
    got, alterations = written(Csv(delimiter=delimiter, skip_header=True), [batch], batch.schema)
    assert got == expected
    assert counted(alterations) == +writer.altered


@SETTINGS
@given(long_tables(), st.sampled_from(",1"), st.data())
def test_columns_of_one_value_and_rare_cells_are_written_as_any_others(
    table: Table, delimiter: str, data: st.DataObject
) -> None:
    """Short cuts for columns of one value, of one type, and for cells unlike their column's show nowhere."""
    fields, rows = table
    start = data.draw(st.integers(0, len(rows)))
    batch = batch_of(fields, rows).slice(start)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_cells, "_SHORT", data.draw(st.sampled_from([0, text_cells._SHORT])))
        for fmt in (JsonLines(), Csv(delimiter=delimiter, skip_header=True)):
            writer = CellWriter()
            expected = b"".join(
                writer.json_line(fields, row) if isinstance(fmt, JsonLines) else writer.csv_line(fields, row, delimiter)
                for row in rows[start:]
            )
            got, alterations = written(fmt, [batch], batch.schema)
            assert got == expected
            assert counted(alterations) == +writer.altered


@SETTINGS
@given(tables())
def test_every_json_line_is_json(table: Table) -> None:
    """Every line parses, by a parser that is not ours, into one object with a key for each column."""
    fields, rows = table
    batch = batch_of(fields, rows)
    got, _ = written(JsonLines(), [batch], batch.schema)
    lines = [json.loads(line, parse_float=Decimal, parse_int=Decimal) for line in got.decode().split("\n")[:-1]]
    assert len(lines) == len(rows)
    assert all(line.keys() == set(distinct([field.name for field in fields])) for line in lines)


@SETTINGS
@given(tables(), st.sampled_from(",;\t|"))
def test_every_csv_row_is_read_back(table: Table, delimiter: str) -> None:
    """Python's csv module reads back a header and each row, every cell as the text that the writer has for it."""
    fields, rows = table
    batch = batch_of(fields, rows)
    got, _ = written(Csv(delimiter=delimiter), [batch], batch.schema)
    read = list(csv.reader(io.StringIO(got.decode("latin-1"), newline=""), delimiter=delimiter))
    writer = CellWriter()
    names = [name.encode().decode("latin-1") for name in distinct([field.name for field in fields])]
    cells = [
        [
            "" if cell is None or str(field.type) == "null" else writer.csv(field, cell).decode("latin-1")
            for field, cell in zip(fields, row, strict=True)
        ]
        for row in rows
    ]
    assert read == [names, *cells]


@SETTINGS
@given(tables(), st.data())
def test_how_rows_are_cut_into_batches_makes_no_difference(table: Table, data: st.DataObject) -> None:
    """Slices of a batch, written one by one or together, make the same bytes as the whole."""
    fields, rows = table
    batch = batch_of(fields, rows)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(rows)), max_size=3)))
    slices = [batch.slice(start, stop - start) for start, stop in zip([0, *cuts], [*cuts, len(rows)], strict=True)]
    for fmt in (JsonLines(), Csv()):
        whole, alterations = written(fmt, [batch], batch.schema)
        assert written(fmt, slices, batch.schema)[0] == whole
        one_by_one = Alterations()
        encoder = fmt.encoder(batch.schema, one_by_one)
        chunks = [chunk for part in slices for chunk in encoder.write([part])]
        assert b"".join([*chunks, *encoder.finish().chunks]) == whole
        assert one_by_one.cells == alterations.cells
