"""Columns of text put together, against string concatenation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudquery_s3.formats.text import rows as text_rows
from cloudquery_s3.formats.text.cells import Cells, Overrides
from cloudquery_s3.formats.text.constants import is_constant
from cloudquery_s3.formats.text.rows import joined_bytes, joined_rows, whole_text
from random_arrow import LEAVES, array

SETTINGS = settings(max_examples=100, deadline=None)
Column = tuple[Cells, list[str | None]]
WORDS = st.sampled_from(["", "a", "long text " * 3, "é日", '"'])
ENCLOSURES = st.tuples(st.sampled_from(["", '"', "["]), st.sampled_from(["", '"', "]"]))
KINDS = st.sampled_from([pa.string(), pa.large_string()])


def column(draw: st.DrawFn, count: int) -> Column:
    """Draw a column of text, and what is to be written of each of its cells."""
    offset = draw(st.integers(0, 2))
    words = draw(st.lists(WORDS, min_size=count + offset, max_size=count + offset))
    valid = draw(st.lists(st.booleans(), min_size=count + offset, max_size=count + offset) | st.just([]))
    texts = pa.array(words, draw(KINDS))
    if valid:
        bitmap = pa.py_buffer(np.packbits(valid, bitorder="little"))
        texts = pa.Array.from_buffers(texts.type, len(words), [bitmap, *texts.buffers()[1:]])
    valid = (valid or [True] * len(words))[offset:]
    enclosures = tuple(draw(st.lists(ENCLOSURES, min_size=1, max_size=3)))
    which = draw(st.lists(st.integers(0, len(enclosures) - 1), min_size=count, max_size=count) | st.none())
    overridden = [row for row in range(count) if valid[row] and draw(st.integers(0, 5)) == 0]
    replacements = pa.array(["overridden"] * len(overridden), draw(KINDS))
    overrides = Overrides(np.array(overridden, np.int64), replacements) if overridden else None
    cells = Cells(texts.slice(offset), enclosures, None if which is None else np.array(which, np.int8), overrides)
    return cells, [shown(cells, words[offset:], row) if valid[row] else None for row in range(count)]


def shown(cells: Cells, words: list[str], row: int) -> str:
    """Return one value with its enclosure."""
    before, after = cells.enclosures[0 if cells.which is None else int(cells.which[row])]
    overridden = cells.overrides is not None and row in cells.overrides.rows
    return before + ("overridden" if overridden else words[row]) + after


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[Column], list[str]]:
    """Draw columns of one length, and literals to stand between them."""
    count = draw(st.integers(0, 12))
    columns = [column(draw, count) for _ in range(draw(st.integers(1, 4)))]
    return columns, draw(st.lists(WORDS, min_size=len(columns) + 1, max_size=len(columns) + 1))


def concatenated(columns: list[list[str | None]], between: list[str], null: str) -> list[str]:
    """Return the rows, each put together as strings."""
    return [
        between[0]
        + "".join((null if cell is None else cell) + text for cell, text in zip(row, between[1:], strict=True))
        for row in zip(*columns, strict=True)
    ]


@SETTINGS
@given(tables(), st.sampled_from(["", "null"]))
def test_rows_are_what_concatenation_makes(table: tuple[list[Column], list[str]], null: str) -> None:
    """Every cell stands in its own enclosure, in its own row, between its literals, whatever its column is made of."""
    columns, between = table
    rows = joined_rows([cells for cells, _ in columns], between, null, len(columns[0][1]))
    assert rows.to_pylist() == concatenated([expected for _, expected in columns], between, null)


@SETTINGS
@given(tables())
def test_a_column_whole_has_its_shells_in_its_text(table: tuple[list[Column], list[str]]) -> None:
    """A column alone becomes an array of all that is written of each value, NULL where it is."""
    for cells, expected in table[0]:
        assert whole_text(cells).to_pylist() == expected


@SETTINGS
@given(tables(), st.data())
def test_bytes_of_blocks_and_constant_columns_are_those_of_the_rows(
    table: tuple[list[Column], list[str]], data: st.DataObject
) -> None:
    """Rows taken in blocks of any size, with offsets of any width, have the bytes of plain concatenation."""
    columns, between = table
    count = len(columns[0][1])
    given_columns, expected = [], []
    for cells, shown_cells in columns:
        constant = count and data.draw(st.booleans())
        one = cells.overrides is None or 0 not in cells.overrides.rows
        if constant and one:
            which = None if cells.which is None else cells.which[:1]
            given_columns.append(Cells(cells.text.slice(0, 1), cells.enclosures, which, constant=True))
            expected.append(shown_cells[:1] * count)
        else:
            given_columns.append(cells)
            expected.append(shown_cells)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_rows, "_BLOCK_BYTES", data.draw(st.integers(1, 200)))
        patch.setattr(text_rows, "_SMALL_LIMIT", data.draw(st.integers(0, 200)))
        chunks = joined_bytes(given_columns, between, "null", count)
        rows = joined_rows(given_columns, between, "null", count)
    assert rows.to_pylist() == concatenated(expected, between, "null")
    assert b"".join(chunks).decode() == "".join(rows.to_pylist())


@SETTINGS
@given(st.sampled_from(LEAVES), st.integers(0, 12), st.integers(0, 3), st.integers(0, 2**32), st.booleans())
def test_a_constant_column_is_one_whose_cells_are_the_same(
    kind: pa.DataType, count: int, offset: int, seed: int, repeated: bool
) -> None:
    """A column is constant if it has cells and all are NULL or of the same bits, whatever lies beneath and beside."""
    cells = array(kind, count + offset, np.random.default_rng(seed), nulls=0.5)
    if repeated and count:
        cells = pa.concat_arrays([cells.slice(0, offset), *[cells.slice(offset, 1)] * count])
    cells = cells.slice(offset)
    raw = [bits(cells.slice(row, 1)) for row in range(len(cells))]
    assert is_constant(cells) == (len(set(raw)) == 1)


def bits(cell: pa.Array) -> Any:
    """Return what one cell consists of, to compare with others."""
    if cell.null_count:
        return None
    plain = pa.concat_arrays([cell])
    return (
        tuple(buffer.to_pybytes() for buffer in plain.buffers()[1:])
        if str(plain.type) != "bool"
        else cell.to_pylist()[0]
    )


def test_zeros_of_different_sign_are_no_constant() -> None:
    """Bits are compared and not values, since 0 and -0 are written differently."""
    assert not is_constant(pa.array([0.0, -0.0, 0.0]))
    assert is_constant(pa.array([-0.0, -0.0]))
