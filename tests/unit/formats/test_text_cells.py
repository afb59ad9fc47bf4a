"""Single kernels, on the values that the property tests rarely meet."""

from __future__ import annotations

import base64
import struct
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from cloudquery_s3.formats.text.binary import base64_text, mac_text, uuid_text
from cloudquery_s3.formats.text.durations import duration_text, interval_text
from cloudquery_s3.formats.text.escapes import json_escaped, ranks, rows_with
from cloudquery_s3.formats.text.nested import Style, json_renderer, mark_of
from cloudquery_s3.formats.text.network import inet_text
from cloudquery_s3.formats.text.numbers import decimal_text, float_text
from cloudquery_s3.formats.text.rows import whole_text
from cloudquery_s3.formats.text.temporal import date_cells, timestamp_cells


def uncounted(reason: str, cells: int) -> None:
    """Fail if a cell is altered."""
    assert not cells, reason


@pytest.mark.parametrize(
    ("value", "csv", "json"),
    [
        (1e6, "1e+06", "1000000"),
        (16777216.0, "1.6777216e+07", "16777216"),
        (9.9e-7, "9.9e-07", "9.9e-07"),
        (1e-5, "1e-05", "0.00001"),
        (1e-6, "1e-06", "0.000001"),
        (1e100, "1e+100", "1e+100"),
        (1e20, "1e+20", "100000000000000000000"),
        (1e21, "1e+21", "1e+21"),
        (-0.0, "-0", "-0"),
        (999999.5, "999999.5", "999999.5"),
        (5e-324, "5e-324", "5e-324"),
        (float("nan"), "NaN", '"NaN"'),
        (float("-inf"), "-Inf", '"-Inf"'),
    ],
)
def test_floats_are_printed_by_the_rules_of_the_reference(value: float, csv: str, json: str) -> None:
    """A float has its shortest digits, and an exponent exactly where docs/formats.md says so."""
    assert float_text(pa.array([value]), json=False).to_pylist() == [csv]
    assert float_text(pa.array([value]), json=True).to_pylist() == [json]


def test_every_float16_reads_back_as_itself() -> None:
    """Each of the 65,536 halves is printed so that it reads back exactly."""
    halves = np.arange(65536, dtype=np.uint16).view(np.float16)
    texts = float_text(pa.array(halves), json=False).to_pylist()
    read = np.array([float(text) for text in texts], np.float32).astype(np.float16)
    assert np.array_equal(read, halves, equal_nan=True)
    assert float_text(pa.array(halves[1:2]), json=True).to_pylist() == ["5.9604645e-08"]


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        ("1E-10", pa.decimal128(38, 18), "1e-10"),
        ("0.0001", pa.decimal128(38, 18), "0.0001"),
        ("100000", pa.decimal128(38, 18), "100000"),
        ("1.10", pa.decimal128(38, 18), "1.1"),
        ("0", pa.decimal128(38, 18), "0"),
        ("-12345678901234567890.123456789012345678", pa.decimal128(38, 18), "-12345678901234567890.123456789012345678"),
        ("78830E2", pa.decimal128(5, -2), "7.883e+06"),
        ("1E-50", pa.decimal256(76, 50), "1e-50"),
    ],
)
def test_decimals_are_exact_and_without_idle_zeros(value: str, kind: pa.DataType, text: str) -> None:
    """A decimal keeps every digit, and has an exponent exactly where docs/formats.md says so."""
    cells = pa.array([Decimal(value), None], kind)
    assert decimal_text(cells).to_pylist() == [text, None]
    assert decimal_text(cells.slice(1)).to_pylist() == [None]


def test_local_mean_time_is_cut_to_minutes_as_the_reference_does() -> None:
    """A time before standard time has its zone's offset of then, shown in whole minutes."""
    cells = pa.array([-62135596800, None], pa.timestamp("s", "America/New_York"))
    assert whole_text(timestamp_cells(cells, uncounted)).to_pylist() == ["0000-12-31T19:03:58-04:56", None]


def test_dates_of_any_year_are_written() -> None:
    """Days far from ours keep their calendar, and part of a day is cut towards 1970."""
    days = pa.array([0, -1, 2932897, -719529, 2**31 - 1], pa.int32()).view(pa.date32())
    texts = ["1970-01-01", "1969-12-31", "10000-01-01", "-0001-12-31", "5881580-07-11"]
    assert date_cells(days, uncounted).text.to_pylist() == texts
    told: list[tuple[str, int]] = []
    ticks = pa.array([1, -1, -86_400_000, -86_400_001, -(2**63)]).view(pa.date64())
    cells = date_cells(ticks, lambda reason, count: told.append((reason, count)))
    assert cells.text.to_pylist() == ["1970-01-01"] * 2 + ["1969-12-31"] * 2 + ["-292275055-05-17"]
    assert told == [("the time of day of a date64 is dropped", 4)]


def test_an_unknown_zone_is_utc_and_counted() -> None:
    """A timestamp in a zone that nobody knows is written in UTC, and each value is counted."""
    told: list[tuple[str, int]] = []
    cells = pa.array([0, None, 1], pa.timestamp("s", "Mars/Olympus"))
    texts = whole_text(timestamp_cells(cells, lambda reason, count: told.append((reason, count))))
    assert texts.to_pylist() == ["1970-01-01T00:00:00Z", None, "1970-01-01T00:00:01Z"]
    assert told == [("a timestamp in an unknown time zone is written in UTC", 2)]


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (b"2001:0DB8::0001/64", b"2001:db8::1/64"),
        (b"10.1.2.3/8", b"10.1.2.3/8"),
        (b"::ffff:1.2.3.4/128", b"1.2.3.4/32"),
        (b"", b"0.0.0.0/0"),
        (b"1.2.3.4/032", b"1.2.3.4/32"),
    ],
)
def test_networks_are_normalised(cell: bytes, text: bytes) -> None:
    """A network is written in its normal form, host bits kept."""
    texts, bad = inet_text(pa.array([cell, None]))
    assert texts.to_pylist() == [text.decode(), None]
    assert not bad


@pytest.mark.parametrize(
    "cell", [b"1.2.3.4", b"x", b"\xff", b"01.2.3.4/8", b"1.2.3.4/33", b"fe80::1%eth0/64", b"1.2.3.4/8\n"]
)
def test_a_network_that_does_not_parse_stays_and_is_counted(cell: bytes) -> None:
    """What is no network is written byte for byte, and counted."""
    texts, bad = inet_text(pa.array([cell, b"10.0.0.0/8", cell]))
    assert texts.cast(pa.binary()).to_pylist() == [cell, b"10.0.0.0/8", cell]
    assert bad == 2


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary()])
def test_base64_is_that_of_the_standard_library(kind: pa.DataType) -> None:
    """Cells of every length are encoded as Python's base64 does, NULL and slices included."""
    cells = [bytes(range(length)) for length in range(20)] + [None]
    texts = base64_text(pa.array(cells, kind))
    expected = [None if cell is None else base64.b64encode(cell).decode() for cell in cells]
    assert texts.to_pylist() == expected
    assert base64_text(pa.array(cells, kind).slice(5, 9)).to_pylist() == expected[5:14]


def test_mac_uuid_duration_and_intervals() -> None:
    """The small types have the text that docs/formats.md gives."""
    assert mac_text(pa.array([b"\xaa\x0b", b"", None])).to_pylist() == ["aa:0b", "00:00:00:00:00:00", None]
    assert mac_text(pa.array([b"\xaa\x0b", b""]), empty="").to_pylist() == ["aa:0b", ""]
    assert uuid_text(pa.array([bytes(16)], pa.binary(16))).to_pylist() == ["00000000-0000-0000-0000-000000000000"]
    assert duration_text(pa.array([-1, None], pa.duration("s"))).to_pylist() == ["-1s", None]
    assert interval_text(pa.array([1], pa.int32()), "interval_month").to_pylist() == ["1"]
    day_time = int.from_bytes(struct.pack("<ii", 5, -1), "little", signed=True)
    assert interval_text(pa.array([day_time]), "interval_day_time").to_pylist() == ['{"days":5,"milliseconds":-1}']
    whole = pa.array([(1, 2, 3), None], pa.month_day_nano_interval())
    assert interval_text(whole, None).to_pylist() == ['{"months":1,"days":2,"nanoseconds":3}', None]


def test_ranks_count_the_marks_before_each_offset() -> None:
    """Ranks equal a running sum, also across the words of 64 marks that they count by."""
    random = np.random.default_rng(1)
    marks = random.random(1000) < 0.3
    offsets = np.sort(random.integers(0, 1001, 200)).astype(np.int32)
    offsets[0], offsets[-1] = 0, 1000
    assert ranks(marks, offsets).tolist() == [int(marks[:end].sum()) for end in offsets]
    some = np.diff(ranks(marks, offsets)) > 0
    assert (rows_with(marks, offsets) == some).all()
    few = np.flatnonzero(marks)[:3]
    sparse = np.zeros(1000, np.bool_)
    sparse[few] = True
    assert (rows_with(sparse, offsets) == (np.diff(ranks(sparse, offsets)) > 0)).all()


@pytest.mark.parametrize("every", [1, 50])
def test_long_columns_are_escaped_in_blocks_like_short_ones(every: int) -> None:
    """A column of many blocks, some or all of its cells escaped, equals its cells escaped one by one."""
    cells = [f'{"é" * 700}"\n{row}' if row % every == 0 else "x" * 900 for row in range(1500)]
    escaped = json_escaped(pa.array(cells), html=False).to_pylist()
    assert escaped == [cell.replace('"', '\\"').replace("\n", "\\n") for cell in cells]


def test_bytes_beneath_a_null_need_not_be_text() -> None:
    """What a NULL hides is not looked at, even where it is not UTF-8 and other cells need escapes."""
    parts = pa.array([b"\x00\x80", b'"\xc3\xa9'], pa.binary()).buffers()[1:]
    cells = pa.Array.from_buffers(pa.string(), 2, [pa.py_buffer(b"\x02"), *parts])
    assert json_escaped(cells, html=False).to_pylist() == [None, '\\"é']


def test_a_mark_on_storage_that_cannot_hold_it_is_ignored() -> None:
    """A column that calls itself a uuid but has other storage is written as what it is."""
    field = pa.field("x", pa.int64(), metadata={"ARROW:extension:name": "uuid"})
    assert mark_of(field) is None
    assert json_renderer(field, Style(html=False))(pa.array([5]), uncounted).text.to_pylist() == ["5"]


def test_a_type_that_has_no_text_is_refused_by_name() -> None:
    """A type that `normalise` should have removed is an error that names it."""
    with pytest.raises(ValueError, match="run_end_encoded"):
        json_renderer(pa.field("x", pa.run_end_encoded(pa.int32(), pa.string())), Style(html=False))
