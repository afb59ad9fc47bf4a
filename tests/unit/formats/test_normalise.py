from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest

from cloudquery_s3.formats.columns.normalise import Normaliser
from cloudquery_s3.formats.encoder import Alterations
from cloudquery_s3.table import extension_of

if TYPE_CHECKING:
    from collections.abc import Callable

DENSE = pa.UnionArray.from_dense(
    pa.array([0, 1, 0, 1], pa.int8()),
    pa.array([0, 0, 1, 1], pa.int32()),
    [pa.array([1, None]), pa.array(["x", "y"], pa.string_view())],
)
SPARSE = pa.UnionArray.from_sparse(
    pa.array([5, 7, 5, 7], pa.int8()),
    [pa.array([1, 2, None, 4]), pa.array([[1], None, [3], [4, None]])],
    ["i", "l"],
    [5, 7],
)
RUNS = pa.RunEndEncodedArray.from_arrays(pa.array([1, 3, 4], pa.int32()), pa.array(["a", None, "b"]))
RUNS_OF_LISTS = pa.RunEndEncodedArray.from_arrays(pa.array([3, 4], pa.int16()), pa.array([["a"], None]))
VIEWS = pa.ListViewArray.from_arrays(pa.array([2, 0, 1, 0], pa.int32()), pa.array([1, 2, 0, 3], pa.int32()), [7, 8, 9])


def decimals(kind: pa.DataType) -> pa.Array:
    """Return four decimals, one of them NULL."""
    return pa.array([Decimal("1.5"), None, Decimal(2), Decimal(0)], kind)


COLUMNS: dict[str, tuple[pa.Array, pa.DataType]] = {
    "dictionary": (pa.array(["a", None, "b", "a"]).dictionary_encode(), pa.string()),
    "dictionary of views": (
        pa.DictionaryArray.from_arrays(pa.array([0, None, 1, 0], pa.int8()), pa.array(["a", "b"], pa.string_view())),
        pa.string(),
    ),
    "run ends": (RUNS, pa.string()),
    "runs of lists": (RUNS_OF_LISTS, pa.list_(pa.string())),
    "string view": (pa.array(["a view that is long enough", None, "", "é"], pa.string_view()), pa.string()),
    "binary view": (pa.array([b"\xff", None, b"", b"x"], pa.binary_view()), pa.binary()),
    "list view": (pa.array([[1], None, [], [2, 3]], pa.list_view(pa.int64())), pa.list_(pa.int64())),
    "disordered list view": (VIEWS, pa.list_(pa.int64())),
    "large list view": (
        pa.array([["a"], None, [], ["b", None]], pa.large_list_view(pa.string_view())),
        pa.large_list(pa.string()),
    ),
    "decimal32": (decimals(pa.decimal32(5, 2)), pa.decimal128(5, 2)),
    "decimal64": (decimals(pa.decimal64(15, 3)), pa.decimal128(15, 3)),
    "canonical extension": (
        pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b"a" * 16, None, b"b" * 16, b"c" * 16], pa.binary(16))),
        pa.binary(16),
    ),
    "struct": (
        pa.array(
            [{"a": "x", "b": [Decimal(1)]}, None, {"a": None, "b": None}, {"a": "", "b": []}],
            pa.struct([("a", pa.string_view()), ("b", pa.list_(pa.decimal32(3, 0)))]),
        ),
        pa.struct([("a", pa.string()), ("b", pa.list_(pa.decimal128(3, 0)))]),
    ),
    "map": (
        pa.array([[("k", "v")], None, [], [("l", None)]], pa.map_(pa.string_view(), pa.string_view())),
        pa.map_(pa.string(), pa.string()),
    ),
    "fixed size list": (
        pa.array([["a", "b"], None, ["c", None], ["d", "e"]], pa.list_(pa.string_view(), 2)),
        pa.list_(pa.string(), 2),
    ),
}


def values(array: pa.Array) -> list[Any]:
    """Return cells as Python values, uuids as bytes."""
    return [value.bytes if hasattr(value, "bytes") else value for value in array.to_pylist()]


def normalise(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return a batch in core types."""
    return Normaliser(batch.schema)(batch, Alterations())


@pytest.mark.parametrize("name", COLUMNS)
def test_types_become_core_types(name: str) -> None:
    """A column of a rarer type has the same values in a core type, whatever slice it is of a larger one."""
    column, kind = COLUMNS[name]
    for start in range(5):
        for length in range(5 - start):
            batch = pa.record_batch([column], ["x"]).slice(start, length)
            reduced = normalise(batch)
            reduced.validate(full=True)
            assert reduced.schema.field("x").type == kind
            assert reduced.schema.equals(Normaliser(batch.schema).schema, check_metadata=True)
            assert values(reduced["x"]) == values(column)[start : start + length]


@pytest.mark.parametrize(
    ("column", "texts"),
    [
        (DENSE, ["[0,1]", '[1,"x"]', "[0,null]", '[1,"y"]']),
        (SPARSE, ["[5,1]", "[7,null]", "[5,null]", "[7,[4,null]]"]),
    ],
    ids=["dense", "sparse"],
)
def test_unions_become_json(column: pa.Array, texts: list[str]) -> None:
    """A union becomes `[typecode,value]`, marked as JSON, whatever slice it is."""
    for start in range(5):
        reduced = normalise(pa.record_batch([column], ["x"]).slice(start, 2))
        assert extension_of(reduced.schema.field("x")) == "json"
        assert [text.decode() for text in reduced["x"].to_pylist()] == texts[start : start + 2]


def test_unions_inside_lists() -> None:
    """Also where they are nested."""
    column = pa.ListArray.from_arrays([0, 1, 4], DENSE)
    reduced = normalise(pa.record_batch([column], ["x"]))
    assert [[json.loads(text) for text in row] for row in reduced["x"].to_pylist()] == [
        [[0, 1]],
        [[1, "x"], [0, None], [1, "y"]],
    ]


def test_fields_keep_all_but_their_type() -> None:
    """Names, nullability and metadata stay, of fields at any depth and of the schema."""
    mark = {"ARROW:extension:name": "json"}
    inner = pa.field("in", pa.binary_view(), nullable=False, metadata=mark)
    schema = pa.schema(
        [
            pa.field("d", pa.dictionary(pa.int8(), pa.binary()), nullable=False, metadata=mark),
            pa.field("l", pa.list_view(pa.field("item", pa.struct([inner]), nullable=False))),
        ],
        metadata={"cq:table_name": "t"},
    )
    reduced = Normaliser(schema).schema
    assert reduced.metadata == {b"cq:table_name": b"t"}
    assert reduced.field("d").equals(pa.field("d", pa.binary(), nullable=False, metadata=mark), check_metadata=True)
    item = reduced.field("l").type.value_field
    assert not item.nullable
    assert item.type.field("in").equals(inner.with_type(pa.binary()), check_metadata=True)


CORE: list[Callable[[], pa.DataType]] = [
    pa.null,
    pa.float16,
    pa.large_string,
    pa.month_day_nano_interval,
    lambda: pa.decimal256(70, -3),
    lambda: pa.struct([]),
    lambda: pa.map_(pa.string(), pa.large_list(pa.list_(pa.duration("s"), 3))),
]


@pytest.mark.parametrize("kind", CORE)
def test_core_types_cost_nothing(kind: Callable[[], pa.DataType]) -> None:
    """A batch in core types is returned itself, and so is its schema."""
    schema = pa.schema([pa.field("x", kind())])
    batch = pa.record_batch([pa.nulls(2, kind())], schema=schema)
    assert normalise(batch) is batch
    assert Normaliser(schema).schema is schema
    assert Normaliser(schema).idle


@pytest.mark.parametrize("hidden", [-(2**31) + 2, 2**31 - 1, 500])
def test_what_a_null_view_hides_is_not_read(hidden: int) -> None:
    """Lengths and places beneath a NULL are anything, and no kernel follows them."""
    texts = ["a", None, "b" * 20, None, "c" * 30]
    sound = pa.array(texts, pa.string_view())
    views = np.frombuffer(sound.buffers()[1], np.int32).reshape(-1, 4).copy()
    views[[1, 3]] = [hidden, 7, 2**31 - 1, -5]
    wild = pa.Array.from_buffers(sound.type, 5, [sound.buffers()[0], pa.py_buffer(views), *sound.buffers()[2:]])
    for array in (wild, wild.slice(1, 4)):
        batch = pa.record_batch([array, pa.StructArray.from_arrays([array], ["s"])], ["v", "w"])
        plain = Normaliser(batch.schema)(batch, Alterations())
        assert plain["v"].to_pylist() == array.to_pylist()
        assert plain["w"].to_pylist() == [{"s": text} for text in array.to_pylist()]


@pytest.mark.parametrize("kind", [pa.float16(), pa.uint32(), pa.timestamp("s", "UTC"), pa.decimal128(30, 2)], ids=str)
def test_runs_that_a_null_list_hides(kind: pa.DataType) -> None:
    """Run-end-encoded elements beneath a NULL list go, whatever their type: Arrow has no filter for most of them."""
    values = pa.array([1, 2, 3, 4]).cast(kind)
    runs = pa.RunEndEncodedArray.from_arrays(pa.array([1, 2, 3, 4], pa.int32()), values)
    offsets, valid = pa.py_buffer(np.array([0, 1, 3, 4], np.int32)), pa.py_buffer(b"\x05")
    lists = pa.Array.from_buffers(pa.list_(runs.type), 3, [valid, offsets], children=[runs])
    inside = pa.StructArray.from_arrays([runs], ["r"])
    structs = pa.Array.from_buffers(pa.list_(inside.type), 3, [valid, offsets], children=[inside])
    batch = pa.record_batch([lists, structs], ["l", "s"])
    plain = Normaliser(batch.schema)(batch, Alterations())
    first, last = values[0].as_py(), values[3].as_py()
    assert plain["l"].to_pylist() == [[first], None, [last]]
    assert plain["s"].to_pylist() == [[{"r": first}], None, [{"r": last}]]
