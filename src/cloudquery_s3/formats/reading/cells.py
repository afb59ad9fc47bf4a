"""Text back into the values that it was made of: the inverse of `formats.text`, for every type that is not nested.

Source: docs/formats.md, "What a column becomes".
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pybase64
from pyarrow import types

from cloudquery_s3.formats.text.nested import mark_of
from cloudquery_s3.formats.text.zones import zone_named

if TYPE_CHECKING:
    from collections.abc import Callable

_DAY_S: Final = 86_400
_MS_PER_DAY: Final = 1000 * _DAY_S
_PER_SECOND: Final = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_DATE: Final = re.compile(r"(-?\d{4,})-(\d\d)-(\d\d)")
_TIMESTAMP: Final = re.compile(r"(-?\d{4,}-\d\d-\d\d)[T ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:Z|([+-])(\d\d):(\d\d))")


def from_text(texts: pa.Array, field: pa.Field) -> pa.Array:
    """Return binary cells, as CSV or a Parquet text column has them, as an array of the field's type; NULL stays NULL.

    The type is one of the core (`normalise`), and not nested.

    Raises:
        pyarrow.ArrowException, ValueError, TypeError: a cell is no text of such a value.
    """
    kind, mark = field.type, mark_of(field)
    if mark in ("uuid", "mac"):
        return _each(texts, kind, lambda text: bytes.fromhex(text.translate(None, b"-:").decode("ascii")))
    if mark == "interval_month":
        return _each(texts, kind, lambda text: _number(text, "months"))
    if mark == "interval_day_time":
        return _each(texts, kind, _day_time)
    if mark is not None or types.is_string(kind) or types.is_large_string(kind):
        # no check that it is UTF-8: it was written as it came, and so it comes back
        return texts.cast(kind, safe=False)
    for test, parse in _PARSERS:
        if test(kind):
            return parse(texts, kind)
    return texts.cast(pa.string()).cast(kind)


def _each(texts: pa.Array, kind: pa.DataType, parse: Callable[[bytes], Any]) -> pa.Array:
    return pa.array([None if text is None else parse(text) for text in texts.to_pylist()], kind)


def _octets(texts: pa.Array, kind: pa.DataType) -> pa.Array:
    return _each(texts, kind, lambda text: pybase64.b64decode(text, validate=True))


def _null(texts: pa.Array, _kind: pa.DataType) -> pa.Array:
    return pa.nulls(len(texts))


def _day_time(text: bytes) -> int:
    parts = json.loads(text)
    return int(parts["milliseconds"]) << 32 | int(parts["days"]) & 0xFFFFFFFF


def _number(text: bytes, member: str) -> int:
    """Return a bare number, as CSV has it, or the one member of a JSON object."""
    return int(json.loads(text)[member] if text.startswith(b"{") else text)


def _month_day_nano(texts: pa.Array, kind: pa.DataType) -> pa.Array:
    def parse(text: bytes) -> pa.MonthDayNano:
        parts = json.loads(text)
        return pa.MonthDayNano([parts["months"], parts["days"], parts["nanoseconds"]])

    return _each(texts, kind, parse)


def _duration(texts: pa.Array, kind: pa.DataType) -> pa.Array:
    counts = pc.replace_substring_regex(texts.cast(pa.string()), f"{kind.unit}$", "")
    return counts.cast(pa.int64()).cast(kind)


def _date(texts: pa.Array, kind: pa.DataType) -> pa.Array:
    plain = texts.cast(pa.string())
    try:
        days = plain.cast(pa.date32())
    except pa.ArrowInvalid:  # a year that takes a sign, or more than four digits
        numbers = [None if text is None else _days(text) for text in plain.to_pylist()]
        if types.is_date64(kind):
            days_ms = [None if number is None else number * _MS_PER_DAY for number in numbers]
            return pa.array(days_ms, pa.int64()).view(kind)
        days = pa.array(numbers, pa.int32()).view(pa.date32())
    return days.cast(kind)


def _time(texts: pa.Array, kind: pa.DataType) -> pa.Array:
    of_first_day = pc.binary_join_element_wise("1970-01-01T", texts.cast(pa.string()), "Z", "")
    counts = of_first_day.cast(pa.timestamp(kind.unit, "UTC")).view(pa.int64())
    return (counts if types.is_time64(kind) else counts.cast(pa.int32())).view(kind)


def _timestamp(texts: pa.Array, kind: pa.DataType) -> pa.Array:
    plain = texts.cast(pa.string())
    unit = _PER_SECOND[kind.unit]
    try:
        counts = plain.cast(pa.timestamp(kind.unit, "UTC")).view(pa.int64())
    except pa.ArrowInvalid:  # a year that takes a sign, or more than four digits
        ticks = [None if text is None else _ticks(text, unit) for text in plain.to_pylist()]
        counts = pa.array(ticks, pa.int64())
    return _with_whole_offsets(counts, kind).view(kind)


def _with_whole_offsets(counts: pa.Array, kind: pa.DataType) -> pa.Array:
    """Make good for the seconds that RFC 3339 has no room for in the offset of a zone's local mean time."""
    zone = zone_named(kind.tz or "")
    if zone is None or counts.null_count == len(counts):
        return counts
    unit = _PER_SECOND[kind.unit]
    offsets = zone.offsets(counts.fill_null(0).to_numpy() // unit)
    missing = np.sign(offsets) * (np.abs(offsets) % 60) * unit
    return pc.subtract(counts, pa.array(missing)) if missing.any() else counts


def _ticks(text: str, unit: int) -> int:
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        raise ValueError("not a timestamp of RFC 3339")
    date, hours, minutes, seconds, fraction, sign, offset_hours, offset_minutes = match.groups()
    offset = (int(offset_hours) * 60 + int(offset_minutes)) * 60 * (-1 if sign == "-" else 1) if sign else 0
    whole = _days(date) * _DAY_S + (int(hours) * 60 + int(minutes)) * 60 + int(seconds) - offset
    digits = len(str(unit)) - 1
    return whole * unit + (int(fraction.ljust(digits, "0")) if fraction else 0)


def _days(text: str) -> int:
    """Return a date of any year as days since 1970, in the proleptic Gregorian calendar."""
    match = _DATE.fullmatch(text)
    if match is None:
        raise ValueError("not a date")
    year, month, day = map(int, match.groups())
    shifted = year - (month <= 2)  # noqa: PLR2004 - the year begins in March, so that leap days come last
    cycle, of_cycle = divmod(shifted, 400)
    of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1  # noqa: PLR2004 - likewise
    return cycle * 146_097 + of_cycle * 365 + of_cycle // 4 - of_cycle // 100 + of_year - 719_468


_PARSERS: Final[list[tuple[Callable[[pa.DataType], bool], Callable[[pa.Array, pa.DataType], pa.Array]]]] = [
    (types.is_null, _null),
    (types.is_binary, _octets),
    (types.is_large_binary, _octets),
    (types.is_fixed_size_binary, _octets),
    (types.is_date, _date),
    (types.is_time, _time),
    (types.is_timestamp, _timestamp),
    (types.is_duration, _duration),
    (types.is_interval, _month_day_nano),
]
