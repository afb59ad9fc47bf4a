"""Values that a column's type does not allow, and others that break readers: written, counted, readable."""

from __future__ import annotations

import io
import json
from decimal import Context, Decimal
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cloudquery_s3.formats.athena import Athena
from cloudquery_s3.formats.columns.names import name_warnings
from cloudquery_s3.formats.csv import Csv
from cloudquery_s3.formats.encoder import Alterations, UnwritableError
from cloudquery_s3.formats.json_lines import JsonLines
from cloudquery_s3.formats.parquet import Parquet
from cloudquery_s3.formats.reading.csv_rows import csv_rows

if TYPE_CHECKING:
    from pathlib import Path

    from cloudquery_s3.formats.encoder import Format

EXACT = Context(prec=100)
JSON = {"ARROW:extension:name": "json"}
ALL = [Parquet(), JsonLines(), Csv()]
NOT_UTF8 = "bytes that are not UTF-8 are replaced by U+FFFD"
HALF = "half of a surrogate pair in JSON is replaced by U+FFFD"
ABOVE = "a decimal has more digits than its column's precision"
BEYOND = "a moment that the file has no room for is written as year 1 or 9999"


def written(fmt: Format, *columns: pa.Array, fields: list[pa.Field] | None = None) -> tuple[bytes, dict[str, int]]:
    """Write columns as one object; return it, and how many cells are altered by reason."""
    fields = fields or [pa.field(f"c{index}", column.type) for index, column in enumerate(columns)]
    batch = pa.record_batch(list(columns), schema=pa.schema(fields))
    alterations = Alterations()
    encoder = fmt.encoder(batch.schema, alterations)
    data = b"".join([*encoder.write([batch]), *encoder.finish().chunks])
    return data, {reason: count for (_, reason), count in alterations.cells.items()}


def values(fmt: Format, data: bytes) -> list[Any]:
    """Return the first column of an object, as Python has it."""
    if isinstance(fmt, Parquet):
        return list(pq.read_table(io.BytesIO(data)).column(0).to_pylist())
    if isinstance(fmt, JsonLines):
        return [next(iter(json.loads(line).values())) for line in data.splitlines()]
    cells = csv_rows(pa.schema([("c0", pa.string())]), io.BytesIO(data), delimiter=",", has_header=True)
    return [cell for batch in cells for cell in batch.column(0).to_pylist()]


def as_text(value: Any) -> str | None:
    """Return a value as the text formats have it."""
    return None if value is None else str(value)


def of(kind: pa.DataType, *ticks: int | None) -> pa.Array:
    """Return an array of these raw values, whatever the type allows."""
    width = pa.int32() if kind.bit_width == 32 else pa.int64()
    return pa.array(ticks, width).view(kind)


def decimals(kind: pa.DataType, *unscaled: int | None) -> pa.Array:
    """Return decimals of these digits, whatever the precision allows."""
    width = kind.bit_width // 8
    octets = b"".join((number or 0).to_bytes(width, "little", signed=True) for number in unscaled)
    valid = pa.array([number is not None for number in unscaled]).buffers()[1]
    return pa.Array.from_buffers(kind, len(unscaled), [valid, pa.py_buffer(octets)])


TIMES = [pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns")]


@pytest.mark.parametrize("fmt", ALL, ids=lambda fmt: type(fmt).__name__)
@pytest.mark.parametrize("kind", TIMES, ids=str)
def test_times_outside_of_a_day(kind: pa.DataType, fmt: Format) -> None:
    """24:00:00, a negative time and one above a day are taken modulo a day and counted; their neighbours stay."""
    second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[kind.unit]
    cells = of(kind, 86_400 * second, -3_600 * second, 90_061 * second, 43_200 * second, None)
    data, altered = written(fmt, cells, pa.array(range(5)))
    texts = [as_text(value) for value in values(fmt, data)]
    assert [text and text[:8] for text in texts] == ["00:00:00", "23:00:00", "01:01:01", "12:00:00", None]
    assert altered == {"a time of day outside of one day is taken modulo a day": 3}


@pytest.mark.parametrize("fmt", ALL, ids=lambda fmt: type(fmt).__name__)
def test_a_date64_with_a_time_of_day(fmt: Format) -> None:
    """A date64 is its day, toward 1970, and what is cut is counted."""
    cells = of(pa.date64(), 86_400_001, -86_400_001, 86_400_000, None)
    data, altered = written(fmt, cells, pa.array(range(4)))
    assert [as_text(value) for value in values(fmt, data)] == ["1970-01-02", "1969-12-31", "1970-01-02", None]
    assert altered == {"the time of day of a date64 is dropped": 2}


ABOVE_PRECISION = [
    (pa.decimal128(5, 2), [123456789, -1, None, 99999], 1),
    (pa.decimal128(5, 2), [2**127 - 1, -(2**127), None, 1], 2),
    (pa.decimal128(5, -2), [123456789, 1, None, -99999], 1),
    (pa.decimal128(3, 5), [123456789, 1, None, -999], 1),
    (pa.decimal256(40, 3), [10**75, 1, None, 10**39], 1),
    (pa.decimal256(40, 3), [2**255 - 1, 1, None, -(2**255)], 2),
    (pa.decimal32(5, 2), [12345678, -1, None, 99999], 1),
    (pa.decimal64(10, 2), [2**63 - 1, -(2**63), None, 1], 2),
]


@pytest.mark.parametrize("fmt", ALL, ids=lambda fmt: type(fmt).__name__)
@pytest.mark.parametrize(("kind", "unscaled", "above"), ABOVE_PRECISION, ids=lambda value: str(value)[:40])
def test_decimals_above_their_precision(kind: pa.DataType, unscaled: list[int | None], above: int, fmt: Format) -> None:
    """A decimal keeps all of its digits, whatever its column's precision says, and is counted."""
    if kind.bit_width < 128:
        width = pa.int32() if kind.bit_width == 32 else pa.int64()
        cells = pa.array(unscaled, width).view(kind)
    else:
        cells = decimals(kind, *unscaled)
    data, altered = written(fmt, cells, pa.array(range(4)))
    expected = [None if number is None else Decimal(number).scaleb(-kind.scale, EXACT) for number in unscaled]
    assert [None if value is None else Decimal(value) for value in values(fmt, data)] == expected
    assert altered == {ABOVE: above}


def test_nested_decimals_above_their_precision() -> None:
    """Decimals inside lists, structs and maps are made wider, too."""
    cells = decimals(pa.decimal128(5, 2), 123456789, 1)
    lists = pa.ListArray.from_arrays([0, 1, 2], cells)
    structs = pa.StructArray.from_arrays([lists], ["m"])
    maps = pa.MapArray.from_arrays([0, 1, 2], ["a", "b"], cells)
    data, altered = written(Parquet(), structs, maps)
    table = pq.read_table(io.BytesIO(data))
    assert table.column(0).to_pylist() == [{"m": [Decimal("1234567.89")]}, {"m": [Decimal("0.01")]}]
    assert table.column(1).to_pylist() == [[("a", Decimal("1234567.89"))], [("b", Decimal("0.01"))]]
    assert altered == {ABOVE: 1}


def test_a_decimal_too_long_for_rows_that_are_written_names_its_column() -> None:
    """Where the file's schema is fixed, a decimal with more digits is an error that names the column and no value."""
    kind = pa.decimal128(5, 2)
    good, bad = (pa.record_batch([decimals(kind, number)], ["price"]) for number in (12345, 123456789))
    encoder = Parquet().encoder(good.schema, Alterations())
    encoder.write([good])
    with pytest.raises(UnwritableError, match="column price") as caught:
        encoder.write([bad])
    assert "1234567" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (pa.decimal128(10, -30), "9E+37"),
        (pa.decimal128(3, 5), "0.00123"),
        (pa.decimal128(3, 50), "1.23E-48"),
        (pa.decimal256(3, 76), "1.23E-74"),
        (pa.decimal128(3, 90), "1.23E-88"),
        (pa.decimal256(70, -20), "9E+37"),
    ],
    ids=str,
)
@pytest.mark.parametrize("fmt", ALL, ids=lambda fmt: type(fmt).__name__)
def test_decimals_of_any_scale_are_written(kind: pa.DataType, text: str, fmt: Format) -> None:
    """A negative scale, and one above the precision, are written; in Parquet as a decimal that it has, or as text."""
    unscaled = int(Decimal(text).scaleb(kind.scale))
    data, altered = written(fmt, decimals(kind, unscaled, None), pa.array([1, 2]))
    value, null = values(fmt, data)
    assert (Decimal(value), null) == (Decimal(text), None)
    assert altered == {}


MOMENTS = [
    (pa.timestamp("s"), [2**60, -(2**63), 5], 2, {}),
    (pa.timestamp("s", "Europe/Berlin"), [2**63 - 1, 5], 1, {}),
    (pa.timestamp("s"), [10**13, -(10**13), 5], 2, {}),
    (pa.timestamp("ms"), [2**60, -(2**63), 5], 2, {}),
    (pa.timestamp("ms", "UTC"), [2**63 - 1, 5], 1, {"version": "v1.0"}),
    (pa.date64(), [2**62, -(2**63), 86_400_000], 2, {}),
    (pa.timestamp("ms"), [2**60, -(2**62), 5], 2, {"portable": True}),
    (pa.timestamp("s"), [2**60, 5], 1, {"portable": True}),
]


@pytest.mark.parametrize(("kind", "ticks", "beyond", "options"), MOMENTS, ids=lambda value: str(value)[:40])
def test_moments_beyond_the_unit_are_written(
    kind: pa.DataType, ticks: list[int], beyond: int, options: dict[str, Any], tmp_path: Path
) -> None:
    """A moment that Parquet has no room for is the first or last that every reader knows, and is counted."""
    data, altered = written(Parquet(**options), of(kind, *ticks), pa.array(range(len(ticks))))
    assert altered[BEYOND] == beyond
    file = tmp_path / "t.parquet"
    file.write_bytes(data)
    years = duckdb.read_parquet(str(file)).project("year(c0)").fetchall()
    assert years == [((9999 if tick > 5 else 1) if abs(tick) > 2**40 else 1970,) for tick in ticks]


@pytest.mark.parametrize("fmt", ALL, ids=lambda fmt: type(fmt).__name__)
def test_columns_of_one_name(fmt: Format, tmp_path: Path) -> None:
    """Of columns of one name, no value is lost: later ones get a suffix that nobody else has, and are counted."""
    fields = [pa.field(name, pa.int64()) for name in ("a", "a", "A_2", "a")]
    data, altered = written(fmt, *(pa.array([number, number]) for number in range(4)), fields=fields)
    file = tmp_path / f"t.{ {Parquet: 'parquet', JsonLines: 'json', Csv: 'csv'}[type(fmt)] }"
    file.write_bytes(data)
    assert altered == {"a column of a name that is taken is written under another name": 2}
    rows = duckdb.sql(f"from '{file}'" if not isinstance(fmt, JsonLines) else f"from read_json('{file}')")
    assert dict(zip(rows.columns, rows.fetchall()[0], strict=True)) == {"a": 0, "a_3": 1, "A_2": 2, "a_4": 3}


@pytest.mark.parametrize("fmt", ALL, ids=lambda fmt: type(fmt).__name__)
def test_members_of_one_name(fmt: Format) -> None:
    """The same holds for the members of a struct, at any depth."""
    kind = pa.struct([("m", pa.int64()), ("m", pa.int64())])
    structs = pa.StructArray.from_arrays([pa.array([1, 2]), pa.array([3, 4])], fields=list(kind))
    lists = pa.ListArray.from_arrays([0, 1, 2], structs)
    data, altered = written(fmt, lists)
    got = values(fmt, data)
    assert [json.loads(cell) if isinstance(cell, str) else cell for cell in got] == [
        [{"m": 1, "m_2": 3}],
        [{"m": 2, "m_2": 4}],
    ]
    assert list(altered.values()) == [2]


def test_names_that_differ_in_case_are_warned_of() -> None:
    """Columns whose names differ in case alone are a warning that names the readers which mind; others are none."""
    schema = pa.schema([("Name", pa.int64()), ("id", pa.int64()), ("name", pa.int64())])
    (warning,) = name_warnings(schema)
    assert all(word in warning for word in ("Name, name", "Spark", "Athena", "Trino"))
    assert name_warnings(pa.schema([("a", pa.int64()), ("a", pa.int64()), ("b", pa.int64())])) == []


HALVES = [
    (rb'"\ud83d"', "\ufffd"),
    (rb'"a\udc00b"', "a\ufffdb"),
    (rb'{"\uD83D":["\ud83d\ud83d\ude00"]}', {"\ufffd": ["\ufffd\U0001f600"]}),
    (rb'"\\ud83d"', "\\ud83d"),
    (rb'"\\\ud83d"', "\\\ufffd"),
    (rb'"\ud83d\ude00"', "\U0001f600"),
]


@pytest.mark.parametrize("options", [{}, {"json_as_text": True}], ids=["value", "string"])
@pytest.mark.parametrize(("cell", "value"), HALVES)
def test_half_surrogates(cell: bytes, value: object, options: dict[str, Any], tmp_path: Path) -> None:
    """Half of a surrogate pair in JSON is U+FFFD, counted, and the object is one that DuckDB reads; a pair stays."""
    cells = pa.array([cell, b'{"x": 1}', None], pa.binary())
    nested = pa.ListArray.from_arrays([0, 1, 2, 3], cells)
    items = pa.list_(pa.field("item", pa.binary(), metadata=JSON))
    fields = [pa.field("c", pa.binary(), metadata=JSON), pa.field("l", items)]
    data, altered = written(JsonLines(**options), cells, nested.cast(pa.list_(pa.binary())), fields=fields)
    row = json.loads(data.splitlines()[0])
    got = [row["c"], *row["l"]]
    assert [json.loads(one) for one in got] == [value] * 2 if options else got == [value] * 2
    mended = "\ufffd" in json.dumps(value, ensure_ascii=False)
    assert altered == ({HALF: 1} if mended else {})
    (tmp_path / "t.json").write_bytes(data)
    assert len(duckdb.sql(f"from read_json('{tmp_path}/t.json', columns={{c: 'JSON', l: 'JSON'}})").fetchall()) == 3


def test_half_surrogates_for_athena() -> None:
    """Athena mode replaces and counts them, too, whatever the format."""
    cells = pa.array([rb'{"a-b":"\ud83d"}'], pa.binary())
    data, altered = written(Athena(Csv()), cells, fields=[pa.field("c", pa.binary(), metadata=JSON)])
    assert data.decode() == 'c\n"{""a_b"":""\ufffd""}"\n'
    assert altered == {HALF: 1, "JSON keys are rewritten for Athena": 1}


def _text_of(kind: pa.DataType, octets: list[bytes | None]) -> pa.Array:
    if kind == pa.string_view():
        return pa.array(octets, pa.binary_view()).view(kind)
    wide = pa.large_binary() if kind == pa.large_string() else pa.binary()
    return pa.array(octets, wide).cast(kind, safe=False)


@pytest.mark.parametrize("fmt", ALL, ids=lambda fmt: type(fmt).__name__)
@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()], ids=str)
def test_bytes_that_are_not_utf8(kind: pa.DataType, fmt: Format) -> None:
    """Each byte that is no part of a character is U+FFFD, in every format, and its cell is counted."""
    octets = [b"caf\xe9", "café".encode(), b"\xed\xa0\xbd", None, b"plain"]
    data, altered = written(fmt, _text_of(kind, octets), pa.array(range(5)))
    assert values(fmt, data) == ["caf\ufffd", "café", "\ufffd" * 3, None, "plain"]
    assert altered == {NOT_UTF8: 2}
    if not isinstance(fmt, Parquet):
        data.decode()


@pytest.mark.parametrize("fmt", ALL, ids=lambda fmt: type(fmt).__name__)
def test_nested_bytes_that_are_not_utf8(fmt: Format) -> None:
    """Likewise in lists, structs and maps."""
    texts = _text_of(pa.string(), [b"\xe9", b"ok"])
    columns = [
        pa.ListArray.from_arrays([0, 1, 2], texts),
        pa.StructArray.from_arrays([texts], ["m"]),
        pa.MapArray.from_arrays([0, 1, 2], ["k", "k"], texts),
    ]
    data, altered = written(fmt, *columns)
    assert altered == {NOT_UTF8: 1}
    assert data.count("\ufffd".encode()) + data.count(rb"\ufffd") >= 3


@pytest.mark.parametrize("fmt", [JsonLines(), JsonLines(json_as_text=True), Csv(), Parquet(), Athena(JsonLines())])
def test_a_document_with_a_bad_byte_stays_a_document(fmt: Format) -> None:
    """JSON whose only flaw is a byte that is not UTF-8 is written as the document that it is."""
    cells = pa.array([b'{"a":"caf\xe9"}', b'{"a":1}'], pa.binary())
    data, altered = written(fmt, cells, fields=[pa.field("c0", pa.binary(), metadata=JSON)])
    got = values(JsonLines() if isinstance(fmt, Athena) else fmt, data)
    documents = [json.loads(cell) if isinstance(cell, str) else cell for cell in got]
    assert documents == [{"a": "caf\ufffd"}, {"a": 1}]
    assert altered == {NOT_UTF8: 1}


def test_cells_that_readers_trim_or_take_for_null_are_quoted(tmp_path: Path) -> None:
    r"""Cells that end in white space, or are `\N`, stand in quotes, and come back as they are."""
    cells = ["end ", "tab\t", "\\N", "\\n", "x\u00a0", "x\u2003", "x\u3000", "é", "à", "x\\N", " x", ""]
    data, _ = written(Csv(), pa.array([*cells, None]), pa.array(range(len(cells) + 1)))
    lines = data.decode().split("\n")[1:-1]
    quoted = {cell for cell, line in zip(cells, lines, strict=False) if line.startswith('"')}
    assert quoted == set(cells) - {"\\n", "é", "à", "x\\N"}
    (tmp_path / "t.csv").write_bytes(data)
    read = duckdb.sql(f"from read_csv('{tmp_path}/t.csv', allow_quoted_nulls=false, nullstr='')").fetchall()
    assert [cell for cell, _ in read] == [*cells, None]


EXTENSIONS = [
    (pa.array([b"\0" * 15 + b"\5", None], pa.binary(16)), pa.uuid(), ["00000000-0000-0000-0000-000000000005", None]),
    (pa.array(['{"a": 1}', None]), pa.json_(), [{"a": 1}, None]),
    (pa.array([1, 0, -1, None], pa.int8()), pa.bool8(), [True, False, True, None]),
]


@pytest.mark.parametrize("fmt", ALL, ids=lambda fmt: type(fmt).__name__)
@pytest.mark.parametrize("unregistered", [False, True])
@pytest.mark.parametrize(("storage", "kind", "expected"), EXTENSIONS, ids=["uuid", "json", "bool8"])
def test_arrows_own_extension_types(
    storage: pa.Array, kind: pa.DataType, expected: list[Any], fmt: Format, *, unregistered: bool
) -> None:
    """arrow.uuid, arrow.json and arrow.bool8 are uuid, JSON, bool: nested too, by pyarrow's type or their mark."""
    if unregistered:
        field, cells = pa.field("c0", storage.type, metadata={"ARROW:extension:name": kind.extension_name}), storage
    else:
        field, cells = pa.field("c0", kind), pa.ExtensionArray.from_storage(kind, storage)
    nested = pa.StructArray.from_arrays([cells], fields=[field])
    for column, one in ((cells, field), (nested, pa.field("c0", nested.type))):
        data, altered = written(fmt, column, pa.array(range(len(column))), fields=[one, pa.field("i", pa.int64())])
        got = [
            value["c0"] if isinstance(value, dict) and "c0" in value else value
            for value in map(_parsed, values(fmt, data))
        ]
        assert [_parsed(value) for value in got] == expected
        assert altered == {}


def _parsed(value: Any) -> Any:
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return value


@pytest.mark.parametrize("fmt", [JsonLines(timestamp_separator=" "), Csv(timestamp_separator=" ")])
def test_a_blank_between_date_and_time(fmt: Format) -> None:
    """`timestamp_separator` stands between date and time, in any zone, any year, and inside of lists and structs."""
    utc = of(pa.timestamp("us", "UTC"), 1764152527181276, 253402300800 * 10**6, None)
    plain = "2025-11-26 10:22:07.181276Z"
    data, _ = written(fmt, utc, of(pa.timestamp("s", "+01:00"), 0, 1, 2), pa.ListArray.from_arrays([0, 1, 1, 1], utc))
    text = data.decode()
    assert text.count(plain) == 2
    assert "10000-01-01 00:00:00Z" in text
    assert "1970-01-01 01:00:00+01:00" in text


@pytest.mark.parametrize("delimiter", [" ", ","])
def test_a_blank_as_separator_and_delimiter(delimiter: str) -> None:
    """A timestamp that holds the delimiter stands in quotes."""
    data, _ = written(Csv(delimiter=delimiter, timestamp_separator=" "), of(pa.timestamp("s"), 0), pa.array([1]))
    cell = '"1970-01-01 00:00:00Z"' if delimiter == " " else "1970-01-01 00:00:00Z"
    assert data.decode().splitlines()[1] == f"{cell}{delimiter}1"


def test_json_columns_as_text(tmp_path: Path) -> None:
    """With `json_columns: string` every JSON cell is a string of JSON text, so that readers take any of them."""
    cells = [b'{"Name":1,"name":2}', b'{"a":1}', b"[1, 2]", b'"text"', b"not json", b"", b"null", None]
    data, altered = written(
        JsonLines(json_as_text=True), pa.array(cells, pa.binary()), fields=[pa.field("c", pa.binary(), metadata=JSON)]
    )
    (tmp_path / "t.json").write_bytes(data)
    read = [cell for (cell,) in duckdb.sql(f"from read_json('{tmp_path}/t.json')").fetchall()]
    assert [cell and json.loads(cell) for cell in read] == [
        {"Name": 1, "name": 2},
        {"a": 1},
        [1, 2],
        "text",
        "not json",
        None,
        None,
        None,
    ]
    assert read[6] == "null"
    assert altered == {"JSON that does not parse is written as a JSON string": 1}


@pytest.mark.parametrize("fmt", [*ALL, Athena(JsonLines())], ids=lambda fmt: type(fmt).__name__)
def test_an_error_holds_no_value(fmt: Format, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a library says of a cell, the error names the column alone."""

    def quoting(*_: object, **__: object) -> None:
        raise pa.ArrowInvalid("cannot convert secret-value")

    monkeypatch.setattr("cloudquery_s3.formats.text.utf8._is_ascii", quoting)
    monkeypatch.setattr("cloudquery_s3.formats.text.nested.json_insides", quoting)
    field = pa.field("c0", pa.string(), metadata=JSON if isinstance(fmt, Athena) else None)
    with pytest.raises(UnwritableError, match="column c0") as caught:
        written(fmt, pa.array(["secret-value"]), fields=[field])
    assert "secret" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_map_whose_key_becomes_null_is_an_error() -> None:
    """A key without a text, as an empty JSON cell has none, is an error that names the column, and ends no process."""
    keys = pa.array([b"", b"1"], pa.binary())
    kind = pa.map_(pa.field("key", keys.type, nullable=False, metadata=JSON), pa.int64())
    entries = pa.StructArray.from_arrays([keys, pa.array([1, 2])], fields=[kind.key_field, kind.item_field])
    offsets = pa.py_buffer(b"".join(number.to_bytes(4, "little") for number in range(3)))
    maps = pa.Array.from_buffers(kind, 2, [None, offsets], children=[entries])
    with pytest.raises(UnwritableError, match=r"column c0 cannot be written \(a map in it has NULL"):
        written(JsonLines(json_as_text=True), maps)


MARKS = [
    "json",
    "uuid",
    "inet",
    "mac",
    "interval_month",
    "interval_day_time",
    "arrow.uuid",
    "arrow.json",
    "arrow.bool8",
]
STORAGES = [
    pa.array([1, None]).cast(kind)
    for kind in (pa.int8(), pa.int32(), pa.int64(), pa.float64(), pa.bool_(), pa.date64(), pa.decimal128(30, 2))
] + [pa.array([b"1", None], kind) for kind in (pa.binary(), pa.large_binary(), pa.string(), pa.binary(1))]


@pytest.mark.parametrize("fmt", [*ALL, Parquet(portable=True), JsonLines(json_as_text=True), Athena(Csv())])
@pytest.mark.parametrize("mark", MARKS)
def test_a_mark_on_any_storage_fails_no_table(mark: str, fmt: Format) -> None:
    """A column that calls itself what its storage cannot hold is written as what it is, at any depth."""
    metadata = {"ARROW:extension:name": mark}
    columns, fields = [], []
    for number, cells in enumerate(STORAGES):
        item = pa.field("item", cells.type, metadata=metadata)
        lists = pa.Array.from_buffers(
            pa.list_(item),
            2,
            [None, pa.py_buffer(b"".join(n.to_bytes(4, "little") for n in range(3)))],
            children=[cells],
        )
        columns += [cells, lists]
        fields += [pa.field(f"c{number}", cells.type, metadata=metadata), pa.field(f"l{number}", lists.type)]
    data, _ = written(fmt, *columns, fields=fields)
    assert len(values(fmt, data)) == 2
