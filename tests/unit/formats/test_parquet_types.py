from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cloudquery_s3.formats.encoder import Alterations
from cloudquery_s3.formats.parquet import Parquet

if TYPE_CHECKING:
    from cloudquery_s3.formats.parquet.encoder import Version

LATEST: Version = "v2Latest"


def marked(name: str, kind: pa.DataType, mark: str) -> pa.Field:
    """Return a field of an extension type."""
    return pa.field(name, kind, metadata={"ARROW:extension:name": mark})


def written(column: pa.Array | list[Any], field: pa.Field, version: Version = LATEST) -> tuple[pa.Table, Alterations]:
    """Return a column as a reader gets it, and what was altered."""
    schema = pa.schema([field])
    batch = pa.record_batch([column if isinstance(column, pa.Array) else pa.array(column, field.type)], schema=schema)
    alterations = Alterations()
    encoder = Parquet(version).encoder(schema, alterations)
    chunks = encoder.write([batch]) + encoder.finish().chunks
    return pq.read_table(pa.BufferReader(b"".join(chunks))), alterations


def element(kind: pa.DataType) -> pa.DataType:
    """Return a list type as Parquet names its elements."""
    return pa.list_(pa.field("element", kind))


PLAIN = pa.field("x", pa.string())
TYPES = [
    (pa.bool_(), [True, None], pa.bool_(), [True, None]),
    (pa.uint64(), [2**64 - 1, None], pa.uint64(), [2**64 - 1, None]),
    (pa.float16(), [1.5, 6e-8, None], pa.float16(), [1.5, 5.960464477539063e-08, None]),
    (pa.large_string(), ["é", None], pa.string(), ["é", None]),
    (pa.binary(), [b"\xff", None], pa.binary(), [b"\xff", None]),
    (pa.large_binary(), [b"\xff\x00", None], pa.string(), ["/wA=", None]),
    (pa.binary(2), [b"ab", None], pa.binary(2), [b"ab", None]),
    (pa.binary(0), [b"", None], pa.binary(), [b"", None]),
    (pa.date64(), [86_400_000, None], pa.date32(), [1, None]),
    (pa.time32("s"), [61, None], pa.time32("ms"), [61_000, None]),
    (pa.timestamp("s"), [-1, None], pa.timestamp("ms"), [-1000, None]),
    (pa.timestamp("ns", "Nowhere/Nothing"), [1, None], pa.timestamp("ns", "UTC"), [1, None]),
    (pa.duration("ms"), [-1, None], pa.string(), ["-1ms", None]),
    (pa.month_day_nano_interval(), [(1, 2, 3), None], pa.string(), ['{"months":1,"days":2,"nanoseconds":3}', None]),
    (pa.null(), [None], pa.null(), [None]),
    (pa.decimal256(50, 20), [Decimal("1.5"), None], pa.decimal256(50, 20), [Decimal("1.5"), None]),
    (pa.decimal128(5, -2), [Decimal(12300), None], pa.decimal128(7, 0), [Decimal(12300), None]),
    (pa.decimal256(70, -2), [Decimal(12300), None], pa.decimal256(72, 0), [Decimal(12300), None]),
    (pa.decimal256(76, -2), [Decimal(12300), None], pa.string(), ["12300", None]),
    (pa.decimal32(5, 2), [Decimal("1.50"), None], pa.decimal128(5, 2), [Decimal("1.50"), None]),
    (pa.decimal64(15, -2), [Decimal(1500), None], pa.decimal128(17, 0), [Decimal(1500), None]),
    (pa.string_view(), ["a view that is longer than twelve bytes", None], pa.string(), None),
    (pa.binary_view(), [b"x", None], pa.binary(), None),
    (pa.large_list(pa.int64()), [[1], [], None, [None]], element(pa.int64()), None),
    (pa.list_(pa.int64(), 2), [[1, 2], None, [None, 4]], element(pa.int64()), None),
    (pa.list_view(pa.int64()), [[1, 2], None, [], [3]], element(pa.int64()), None),
    (pa.large_list_view(pa.string()), [["a"], None, [None]], element(pa.string()), None),
    (pa.list_(pa.null()), [[None], None, []], element(pa.null()), None),
    (pa.struct([]), [{}, None], pa.string(), ["{}", None]),
    (pa.list_(pa.struct([])), [[{}, None], None], element(pa.string()), [["{}", None], None]),
    (pa.dictionary(pa.int8(), pa.string()), ["a", None, "a"], pa.string(), None),
    (pa.run_end_encoded(pa.int32(), pa.string()), ["a", "a", None], pa.string(), None),
    (pa.map_(pa.string(), pa.duration("s")), [[("k", 1), ("l", None)], None], None, [[("k", "1s"), ("l", None)], None]),
]


@pytest.mark.parametrize(("kind", "values", "becomes", "read"), TYPES, ids=lambda value: str(value)[:30])
def test_types(kind: pa.DataType, values: list[Any], becomes: pa.DataType | None, read: list[Any] | None) -> None:
    """Each Arrow type is written as the type table says, without an alteration; none fails."""
    if pa.types.is_run_end_encoded(kind):
        column = pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int32()), pa.array(["a", None]))
    else:
        column = pa.array(values, kind)
    table, alterations = written(column, pa.field("x", kind))
    assert becomes is None or table.schema.field("x").type == becomes
    got = table["x"]
    if becomes is not None and pa.types.is_temporal(becomes):
        got = got.cast(pa.int32() if pa.types.is_date32(becomes) or pa.types.is_time32(becomes) else pa.int64())
    assert got.to_pylist() == (values if read is None else read)
    assert not alterations.cells


EXTENSIONS = [
    ("uuid", pa.binary(16), bytes(range(16)), "00010203-0405-0607-0809-0a0b0c0d0e0f"),
    ("mac", pa.binary(), b"\xaa\xbb\x00", "aa:bb:00"),
    ("inet", pa.binary(), b"2001:0DB8::0001/64", "2001:db8::1/64"),
    ("json", pa.binary(), b'{ "b":1.50, "a": [] }', '{ "b":1.50, "a": [] }'),
    ("json", pa.string(), '"x"', '"x"'),
    ("inet", pa.large_binary(), b"10.1.2.3/8", "10.1.2.3/8"),
    ("interval_month", pa.int32(), 14, "14"),
    ("interval_day_time", pa.int64(), 5 | 7 << 32, '{"days":5,"milliseconds":7}'),
]


@pytest.mark.parametrize(("mark", "kind", "value", "text"), EXTENSIONS)
def test_extension_types(mark: str, kind: pa.DataType, value: Any, text: str) -> None:
    """Extension types become text, at the top and inside lists, structs and maps."""
    leaf = marked("x", kind, mark)
    deep = pa.map_(pa.string(), pa.field("v", pa.struct([pa.field("l", pa.list_(leaf))])))
    assert written([value, None], leaf)[0]["x"].to_pylist() == [text, None]
    table, alterations = written([[("k", {"l": [value, None]})], None], pa.field("x", deep))
    assert table["x"].to_pylist() == [[("k", {"l": [text, None]})], None]
    assert not alterations.cells


def test_a_mark_on_a_strange_storage_is_ignored() -> None:
    """A uuid that is no 16 bytes is written as what it is."""
    assert written([b"abc"], marked("x", pa.binary(), "uuid"))[0]["x"].to_pylist() == [b"abc"]


@pytest.mark.parametrize("mark", ["inet", "mac"])
def test_unparsable_cells_do_not_fail(mark: str) -> None:
    """An inet that does not parse is written as it is, and counted; its neighbours are not affected."""
    cells = [b"10.0.0.1", b"10.0.0.1/32", None, b"\xff"]
    table, alterations = written(cells, marked("x", pa.binary(), mark))
    if mark == "inet":
        assert table["x"].to_pylist() == ["10.0.0.1", "10.0.0.1/32", None, "\ufffd"]
        assert alterations.cells["x", "a network address that does not parse is written as it is"] == 2
    else:
        assert table["x"].to_pylist()[3] == "ff"


@pytest.mark.parametrize("field", [PLAIN, marked("x", pa.binary(), "json"), pa.field("x", pa.large_string())])
def test_invalid_utf8(field: pa.Field) -> None:
    """Text that is not UTF-8 stays readable: each bad byte becomes U+FFFD, and the cells are counted."""
    wide = pa.types.is_large_string(field.type)
    octets = pa.array([b"ok\xc3\xa9", b"a\xff\xfeb\xe2\x82", None], pa.large_binary() if wide else pa.binary())
    column = pa.Array.from_buffers(field.type, 3, octets.buffers())
    table, alterations = written(column, field)
    assert table["x"].to_pylist() == ["oké", "a\ufffd\ufffdb\ufffd\ufffd", None]
    assert sum(alterations.cells.values()) == 1


@pytest.mark.parametrize("version", ["v1.0", "v2.4"])
def test_nanoseconds_in_old_versions(version: Version) -> None:
    """v1.0 and v2.4 cut nanoseconds toward zero, and count the cells that lose some."""
    for kind in (pa.timestamp("ns"), pa.timestamp("ns", "UTC")):
        table, alterations = written(pa.array([-1999, 1999, 3000, None], kind), pa.field("x", kind), version)
        assert table.schema.field("x").type == pa.timestamp("us", kind.tz)
        assert table["x"].cast(pa.int64()).to_pylist() == [-1, 1, 3, None]
        assert list(alterations.cells.values()) == [2]


def test_nanoseconds_in_lists_of_old_versions() -> None:
    """Nested timestamps are cut as well."""
    kind = pa.list_(pa.timestamp("ns"))
    table, _ = written(pa.array([[1999], None], kind), pa.field("x", kind), "v2.4")
    assert table["x"].cast(pa.list_(pa.int64())).to_pylist() == [[1], None]


def test_time_of_day_in_a_date64() -> None:
    """A date64 is cut to its day toward zero, and what is lost is counted."""
    table, alterations = written(
        pa.array([-1, 86_399_999, -86_400_001, 86_400_000, None], pa.int64()).view(pa.date64()),
        pa.field("x", pa.date64()),
    )
    assert table["x"].cast(pa.int32()).to_pylist() == [0, 0, -1, 1, None]
    assert dict(alterations.cells) == {("x", "the time of day of a date64 is dropped"): 3}


def test_unions() -> None:
    """A union is written as `[typecode,value]`, where the reference fails the table."""
    column = pa.UnionArray.from_dense(
        pa.array([0, 1, 0], pa.int8()), pa.array([0, 0, 1], pa.int32()), [pa.array([1, None]), pa.array(["x"])]
    )
    assert written(column, pa.field("x", column.type))[0]["x"].to_pylist() == ["[0,1]", '[1,"x"]', "[0,null]"]


def test_elements_are_always_optional() -> None:
    """A list's element and a map's value are optional, whatever the source says; a struct's member is what it says."""
    member = pa.struct([pa.field("a", pa.int64(), nullable=False), pa.field("b", pa.int64())])
    lists = pa.field("x", pa.list_(pa.field("item", member, nullable=False)), nullable=False)
    table, _ = written([[{"a": 1, "b": None}]], lists)
    assert not table.schema.field("x").nullable
    item = table.schema.field("x").type.value_field
    assert (item.name, item.nullable) == ("element", True)
    assert [field.nullable for field in item.type] == [False, True]
    maps = pa.field("x", pa.map_(pa.string(), pa.field("v", pa.int64(), nullable=False)))
    assert written([[("k", 1)]], maps)[0].schema.field("x").type.item_field.nullable


def test_lists_of_null_with_elements() -> None:
    """A NULL list under which elements stand is NULL."""
    values = pa.array([b"0" * 16, b"1" * 16, b"2" * 16], pa.binary(16))
    field = pa.field("x", pa.list_(marked("item", pa.binary(16), "uuid")))
    valid = pa.array([True, False, True]).buffers()[1]
    offsets = pa.array([0, 1, 2, 3], pa.int32()).buffers()[1]
    column = pa.Array.from_buffers(field.type, 3, [valid, offsets], children=[values])
    first, second, third = written(column, field)[0]["x"].to_pylist()
    assert (len(first), second, third) == (1, None, ["32323232-3232-3232-3232-323232323232"])
