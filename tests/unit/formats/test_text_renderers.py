"""Columns rendered together, against each rendered alone."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from cloudquery_s3.formats.text.nested import Style, json_renderer
from cloudquery_s3.formats.text.renderers import Renderers
from cloudquery_s3.formats.text.rows import whole_text

if TYPE_CHECKING:
    from cloudquery_s3.formats.text.cells import CountAltered

JSON = {"ARROW:extension:name": "json"}


def rendered(fields: list[pa.Field], columns: list[list[Any]]) -> tuple[list[list[str | None]], Counter[str]]:
    """Return what is written of each cell, and how many cells of each column are altered."""
    altered: Counter[str] = Counter()

    def counter_of(name: str) -> CountAltered:
        return lambda _, cells: altered.update({name: cells})

    arrays = [pa.array(cells, field.type) for field, cells in zip(fields, columns, strict=True)]
    renderers = Renderers(fields, partial(json_renderer, style=Style(html=False)))
    texts = []
    for cells, column in zip(renderers(arrays, [counter_of(field.name) for field in fields]), columns, strict=True):
        texts.append(whole_text(cells).to_pylist() * (len(column) if cells.constant else 1))
    return texts, +altered


def test_altered_cells_are_counted_for_their_own_column() -> None:
    """Cells that are no JSON are counted by column, also where columns go together and where one is constant."""
    fields = [pa.field(name, pa.binary(), metadata=JSON) for name in "abc"]
    texts, altered = rendered(fields, [[b"{}", b"[]", b"1"], [b"{", b"2", b"]"], [b"x", b"x", b"x"]])
    assert texts == [["{}", "[]", "1"], ['"{"', "2", '"]"'], ['"x"'] * 3]
    assert altered == {"b": 2, "c": 3}


def test_lists_whose_elements_are_marked_differently_stay_apart() -> None:
    """A list of JSON and one of plain bytes have one Arrow type but for a mark, and are rendered each by its own."""
    plain = pa.field("item", pa.binary())
    fields = [pa.field("a", pa.list_(plain)), pa.field("b", pa.list_(plain.with_metadata(JSON)))]
    texts, _ = rendered(fields, [[[b"1"], [b"2"]], [[b"1"], [b"2"]]])
    assert texts == [['["MQ=="]', '["Mg=="]'], ["[1]", "[2]"]]


def test_columns_without_rows_have_no_text() -> None:
    """No rows make no cells, of many columns of one type and of one of another."""
    fields = [pa.field("a", pa.string()), pa.field("b", pa.string()), pa.field("c", pa.null())]
    assert rendered(fields, [[], [], []]) == ([[], [], []], Counter())


def test_constant_columns_of_one_type_go_together() -> None:
    """Columns of one value each, and some that are all NULL, keep their own value."""
    fields = [pa.field(name, pa.string()) for name in "abcd"]
    columns = [["x"] * 3, ["y"] * 3, [None] * 3, ["1", None, "2"]]
    assert rendered(fields, columns)[0] == [['"x"'] * 3, ['"y"'] * 3, [None] * 3, ['"1"', None, '"2"']]
