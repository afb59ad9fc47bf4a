"""Dates, times of day and timestamps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cloudquery_s3.formats.text.buffers import (
    Flags,
    Octets,
    empty_text,
    numbers,
    spans,
    text_of_kept,
    text_of_rows,
    valid_flags,
    validity,
)
from cloudquery_s3.formats.text.cells import Cells, Overrides, are_few
from cloudquery_s3.formats.text.zones import UTC, zone_named

if TYPE_CHECKING:
    from cloudquery_s3.formats.encoder import CountAltered

Counts: TypeAlias = npt.NDArray[np.int64]

UNKNOWN_ZONE: Final = "a timestamp in an unknown time zone is written in UTC"
_PER_SECOND: Final = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
OUTSIDE_OF_A_DAY: Final = "a time of day outside of one day is taken modulo a day"
TIME_OF_DATE: Final = "the time of day of a date64 is dropped"
_DAY_S: Final = 86_400
_DAY_MS: Final = 86_400_000
_YEAR_0_S: Final = -62_167_219_200
_YEAR_10000_S: Final = 253_402_300_800
_DATE_CHARS: Final = 10
_TIME_CHARS: Final = 8
_SECOND_CHARS: Final = _DATE_CHARS + 1 + _TIME_CHARS
_OFFSET_CHARS: Final = len("+00:00")
_ZERO: Final = ord("0")
_DOT: Final = ord(".")


def date_cells(cells: pa.Array, count_altered: CountAltered) -> Cells:
    """Return `date32` or `date64` cells as `YYYY-MM-DD`; years above 9999 take more digits.

    A `date64` that is not a whole day is cut towards 1970, and counted.
    """
    ticks = numbers(cells, np.int32 if pa.types.is_date32(cells.type) else np.int64).astype(np.int64)
    days = np.where(valid_flags(cells), ticks, 0)
    if pa.types.is_date64(cells.type):
        partial = days % _DAY_MS != 0
        count_altered(TIME_OF_DATE, int(np.count_nonzero(partial)))
        days = days // _DAY_MS + ((days < 0) & partial)
    odd = (days * _DAY_S < _YEAR_0_S) | (days * _DAY_S >= _YEAR_10000_S)
    texts = pa.array(np.where(odd, 0, days).astype(np.int32)).cast(pa.date32()).cast(pa.string())
    if odd.any():
        texts = pc.replace_with_mask(texts, pa.array(odd), pa.array([_date(day) for day in days[odd].tolist()]))
    return Cells(_with_nulls(texts, cells))


def time_cells(cells: pa.Array, count_altered: CountAltered, *, trim: bool) -> Cells:
    """Return `time32` or `time64` cells as `HH:MM:SS` and their unit's digits, cut to the significant ones by `trim`.

    A value outside of one day is taken modulo a day, and counted.
    """
    if not len(cells):
        return Cells(empty_text())
    kind = cells.type
    wide = np.int64 if pa.types.is_time64(kind) else np.int32
    per_day = _PER_SECOND[kind.unit] * _DAY_S
    ticks = np.where(valid_flags(cells), numbers(cells, wide).astype(np.int64), 0)
    values = (ticks % per_day).astype(wide)
    count_altered(OUTSIDE_OF_A_DAY, int(np.count_nonzero(values != ticks)))
    rows = _rows(pa.array(values).cast(kind).cast(pa.string()))
    return _trimmed(rows, _TIME_CHARS, cells) if trim else Cells(text_of_rows(rows, validity(cells)))


def timestamp_cells(cells: pa.Array, count_altered: CountAltered, *, separator: str = "T") -> Cells:
    """Return `timestamp` cells by RFC 3339, in their column's zone, with the significant digits of the fraction.

    `separator` stands between date and time. A column without a zone, or at no offset from UTC, gets `Z`. Years below 0
    or above 9999 take the digits they need. An unknown zone is taken as UTC and counted.

    Source: docs/compatibility.md, "File contents": the reference fails the table for an unknown zone.
    """
    if not len(cells):
        return Cells(empty_text())
    zone = zone_named(cells.type.tz or "")
    if zone is None:
        count_altered(UNKNOWN_ZONE, len(cells) - cells.null_count)
        zone = UTC
    unit = _PER_SECOND[cells.type.unit]
    ticks = np.where(valid_flags(cells), numbers(cells, np.int64), 0) if cells.null_count else numbers(cells, np.int64)
    if zone is UTC and _within_years(ticks, unit):
        return _utc_cells(ticks, cells, separator)
    seconds = ticks // unit
    offsets = zone.offsets(seconds)
    odd = (seconds < _YEAR_0_S + _DAY_S) | (seconds >= _YEAR_10000_S - _DAY_S)
    texts = _zoned_text(np.where(odd, 0, seconds + offsets), ticks % unit, offsets, cells, separator)
    if odd.any():
        rest = zip(seconds[odd].tolist(), (ticks % unit)[odd].tolist(), offsets[odd].tolist(), strict=True)
        plain = pa.array([_timestamp(second + offset, tick, unit, offset, separator) for second, tick, offset in rest])
        texts = pc.replace_with_mask(texts, pa.array(odd), plain)
    return Cells(_with_nulls(texts, cells))


def _within_years(ticks: Counts, unit: int) -> bool:
    return bool(ticks.min() >= _YEAR_0_S * unit and ticks.max() < _YEAR_10000_S * unit) if unit < 10**9 else True


def _utc_cells(ticks: Counts, cells: pa.Array, separator: str) -> Cells:
    letters = _rows(pa.array(ticks).cast(pa.timestamp(cells.type.unit)).cast(pa.string()))
    rows = np.empty((len(letters), letters.shape[1] + 1), np.uint8)
    rows[:, :-1] = letters
    rows[:, _DATE_CHARS] = ord(separator)
    rows[:, -1] = ord("Z")
    return _trimmed(rows, _SECOND_CHARS, cells)


def _zoned_text(local_seconds: Counts, fraction: Counts, offsets: Counts, cells: pa.Array, separator: str) -> pa.Array:
    """Return local times with their offset, sub-minute offsets cut to minutes."""
    digits = len(str(_PER_SECOND[cells.type.unit])) - 1
    rows = np.full((len(cells), _SECOND_CHARS + 1 + digits + _OFFSET_CHARS), _DOT, np.uint8)
    rows[:, :_SECOND_CHARS] = _rows(pa.array(local_seconds).cast(pa.timestamp("s")).cast(pa.string()))
    rows[:, _DATE_CHARS] = ord(separator)
    for digit in range(digits):
        rows[:, _SECOND_CHARS + 1 + digit] = _ZERO + fraction // 10 ** (digits - 1 - digit) % 10
    minutes = np.abs(offsets) // 60
    tail = rows[:, -_OFFSET_CHARS:]
    tail[:, 0] = np.where(offsets < 0, ord("-"), ord("+"))
    for column, value in ((1, minutes // 600), (2, minutes // 60 % 10), (4, minutes % 60 // 10), (5, minutes % 10)):
        tail[:, column] = _ZERO + value
    tail[:, 3] = ord(":")
    keep = _significant(rows, _SECOND_CHARS)
    utc = offsets == 0
    tail[utc, 0] = ord("Z")
    keep[utc, 1 - _OFFSET_CHARS :] = False
    return text_of_kept(rows, keep, validity(cells))


def _rows(texts: pa.Array) -> Octets:
    """Return texts of one width as rows of letters."""
    return spans(texts)[1].reshape(len(texts), -1)


def _trimmed(rows: Octets, dot: int, cells: pa.Array) -> Cells:
    """Return rows as text, without zeros at the end of the fraction that starts at column `dot`."""
    valid = validity(cells)
    if rows.shape[1] <= dot + 1 or rows[0, dot] != _DOT:
        return Cells(text_of_rows(rows, valid))
    zeros = np.flatnonzero((rows[:, _fraction_end(rows, dot) - 1] == _ZERO) & valid_flags(cells))
    if not len(zeros):
        return Cells(text_of_rows(rows, valid))
    if not are_few(len(zeros), len(rows)):
        return Cells(text_of_kept(rows, _significant(rows, dot), valid))
    some = rows[zeros]
    overrides = Overrides(zeros, text_of_kept(some, _significant(some, dot), None))
    return Cells(text_of_rows(rows, valid), overrides=overrides)


def _significant(rows: Octets, dot: int) -> Flags:
    """Return which letters stay when zeros at the end of a fraction go, and its point with the last of them."""
    keep = np.ones(rows.shape, np.bool_)
    later: Any = False
    for column in range(_fraction_end(rows, dot) - 1, dot, -1):
        later = keep[:, column] = (rows[:, column] != _ZERO) | later
    keep[:, dot] = later
    return keep


def _fraction_end(rows: Octets, dot: int) -> int:
    """Return the column behind the fraction's last digit."""
    stop = dot + 1
    while stop < rows.shape[1] and _ZERO <= rows[0, stop] < _ZERO + 10:
        stop += 1
    return stop


def _with_nulls(texts: pa.Array, cells: pa.Array) -> pa.Array:
    if not cells.null_count:
        return texts
    return pc.if_else(pc.is_valid(cells), texts, None)


def _timestamp(local_second: int, tick: int, unit: int, offset: int, separator: str) -> str:
    day, second = divmod(local_second, _DAY_S)
    fraction = f".{tick:0{len(str(unit)) - 1}d}".rstrip("0").rstrip(".") if tick else ""
    clock = f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}{fraction}"
    minutes = abs(offset) // 60
    zone = f"{'-' if offset < 0 else '+'}{minutes // 60:02d}:{minutes % 60:02d}" if offset else "Z"
    return f"{_date(day)}{separator}{clock}{zone}"


def _date(day: int) -> str:
    """Return a day since 1970 in the proleptic Gregorian calendar, any year."""
    cycle, rest = divmod(day + 719_468, 146_097)  # 400 years from the first of March of year 0
    of_cycle = (rest - rest // 1460 + rest // 36_524 - rest // 146_096) // 365
    of_year = rest - (365 * of_cycle + of_cycle // 4 - of_cycle // 100)
    march_month = (5 * of_year + 2) // 153
    month = march_month + 3 if march_month < 10 else march_month - 9  # noqa: PLR2004 - the calendar's own numbers
    year = of_cycle + cycle * 400 + (month <= 2)  # noqa: PLR2004 - likewise
    return f"{'-' if year < 0 else ''}{abs(year):04d}-{month:02d}-{of_year - (153 * march_month + 2) // 5 + 1:02d}"
