from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cloudquery_s3.formats.encoder import Alterations
from cloudquery_s3.formats.parquet import Parquet
from cloudquery_s3.formats.parquet.columns import NullInRequiredColumnError

if TYPE_CHECKING:
    from collections.abc import Callable

A = pa.field("a", pa.int64(), nullable=False)
U = pa.field("u", pa.binary(16), nullable=False, metadata={"ARROW:extension:name": "uuid"})
INNER = pa.struct([A])

SHAPES: dict[str, tuple[pa.DataType, Callable[[Any], Any]]] = {
    "struct": (pa.struct([A]), lambda a: {"a": a}),
    "struct of struct": (pa.struct([pa.field("s", INNER, nullable=False)]), lambda a: {"s": {"a": a}}),
    "list of struct": (pa.list_(INNER), lambda a: [{"a": 7}, {"a": a}]),
    "large list of struct": (pa.large_list(INNER), lambda a: [{"a": a}]),
    "fixed size list of struct": (pa.list_(INNER, 2), lambda a: [{"a": a}, {"a": 8}]),
    "map to struct": (pa.map_(pa.string(), INNER), lambda a: [("k", {"a": a})]),
    "struct of list of struct": (pa.struct([("l", pa.list_(INNER))]), lambda a: {"l": [{"a": a}, {"a": 1}]}),
}


def encode(kind: pa.DataType, column: pa.Array, alterations: Alterations, *more: pa.Array) -> pa.Table:
    """Return a column as a reader gets it; each array is a write of its own."""
    schema = pa.schema([("x", kind)])
    encoder = Parquet().encoder(schema, alterations)
    chunks = []
    for array in (column, *more):
        chunks += encoder.write([pa.record_batch([array], schema=schema)])
    return pq.read_table(pa.BufferReader(b"".join(chunks + encoder.finish().chunks)))


@pytest.mark.parametrize("shape", SHAPES)
def test_members_beneath_nulls_are_no_nulls(shape: str) -> None:
    """A NOT NULL member of a NULL struct needs no value: the member stays required, the struct is NULL."""
    kind, around = SHAPES[shape]
    rows = [around(1), None, around(3)]
    alterations = Alterations()
    table = encode(kind, pa.array(rows, kind), alterations)
    assert table["x"].to_pylist() == rows
    assert "a: int64 not null" in str(table.schema.field("x").type)
    assert not alterations.cells


@pytest.mark.parametrize("shape", SHAPES)
def test_null_in_a_required_member(shape: str) -> None:
    """A NULL where a member says NOT NULL makes the member optional, at any depth, and never becomes a zero."""
    kind, around = SHAPES[shape]
    rows = [around(1), None, around(None)]
    alterations = Alterations()
    table = encode(kind, pa.array(rows, kind), alterations)
    assert table["x"].to_pylist() == rows
    assert "a: int64 not null" not in str(table.schema.field("x").type)
    assert sum(alterations.cells.values()) == 1


@pytest.mark.parametrize("shape", SHAPES)
def test_late_null_in_a_required_member(shape: str) -> None:
    """In a later write it is an error."""
    kind, around = SHAPES[shape]
    with pytest.raises(NullInRequiredColumnError, match="column x: 1 NULLs"):
        encode(kind, pa.array([around(1)], kind), Alterations(), pa.array([around(None)], kind))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("start", [0, 1, 2, 9])
def test_slices_keep_their_nulls(shape: str, start: int) -> None:
    """A batch cut from a larger one keeps the validity of its own rows."""
    kind, around = SHAPES[shape]
    rows = [None, around(1), None, around(2), around(3), None, None, around(4), around(5), None, around(6), None]
    column = pa.array(rows, kind)
    for length in (1, 2, 3):
        table = encode(kind, column.slice(start, length), Alterations(), column.slice(start + 1, length - 1))
        assert table["x"].to_pylist() == rows[start : start + length] + rows[start + 1 : start + length]


def test_slices_of_converted_members_keep_their_nulls() -> None:
    """Likewise where members are converted to text on the way."""
    kind = pa.struct([U, pa.field("d", pa.list_(pa.duration("s")))])
    rows = [None, {"u": b"a" * 16, "d": [1, None]}, None, {"u": b"b" * 16, "d": None}, {"u": b"c" * 16, "d": []}]
    column = pa.array(rows, kind)
    whole = encode(kind, column, Alterations())["x"].to_pylist()
    assert [row and row["d"] for row in whole] == [None, ["1s", None], None, None, []]
    for start in range(5):
        for length in range(1, 6 - start):
            sliced = encode(kind, column.slice(start, length), Alterations())
            assert sliced["x"].to_pylist() == whole[start : start + length]


def test_required_lists_structs_and_text_beneath_nulls() -> None:
    """All kinds of NOT NULL members may stand beneath a NULL struct."""
    kind = pa.struct(
        [
            pa.field("l", pa.list_(pa.string()), nullable=False),
            pa.field("m", pa.map_(pa.string(), pa.int64()), nullable=False),
            pa.field("s", pa.struct([pa.field("t", pa.string(), nullable=False)]), nullable=False),
            pa.field("b", pa.bool_(), nullable=False),
            pa.field("f", pa.list_(pa.int8(), 2), nullable=False),
            pa.field("n", pa.null()).with_nullable(False),
            pa.field("e", pa.struct([]), nullable=False),
            U,
        ]
    )
    row = {"l": ["x"], "m": [("k", 1)], "s": {"t": "y"}, "b": True, "f": [1, 2], "n": None, "e": {}, "u": b"u" * 16}
    column = pa.array([None, row, None], kind)
    for array in (column, column.slice(1), column.slice(0, 1)):
        alterations = Alterations()
        table = encode(kind, array, alterations)
        expected = row | {"e": "{}", "u": "75757575-7575-7575-7575-757575757575"}
        assert table["x"].to_pylist() == [None if value is None else expected for value in array.to_pylist()]
        assert not alterations.cells
        assert [field.name for field in table.schema.field("x").type if field.nullable] == ["n"]


def test_optional_in_one_write_is_optional_for_all() -> None:
    """A member that the first write made optional may hold NULLs in later ones, or none."""
    kind = pa.list_(pa.struct([A, A.with_name("b")]))
    one, other = [{"a": None, "b": 1}], [{"a": 1, "b": 2}]
    writes = [pa.array(rows, kind) for rows in ([one, other], [other], [other, one])]
    table = encode(kind, writes[0], Alterations(), *writes[1:])
    assert table["x"].to_pylist() == [one, other, other, other, one]
    assert [field.nullable for field in table.schema.field("x").type.value_type] == [True, False]
