"""Dates, times and timestamps in the units that a Parquet file has.

A moment that the file's unit has no room for is written as the first or the last one that every reader knows,
0001-01-01 or the last second of 9999, and counted: the unit's own extremes make some readers refuse the whole file. So
is one of milliseconds that no 64-bit number of microseconds can say, which is what DuckDB takes them to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cloudquery_s3.formats.text.temporal import OUTSIDE_OF_A_DAY, TIME_OF_DATE

if TYPE_CHECKING:
    from cloudquery_s3.formats.encoder import CountAltered

BEYOND: Final = "a moment that the file has no room for is written as year 1 or 9999"
TO_MICROSECONDS: Final = "nanoseconds are cut to microseconds"
PER_SECOND: Final = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_DAY_S: Final = 86_400
_DAY_MS: Final = 1000 * _DAY_S
_FIRST_S: Final = -62_135_596_800
_LAST_S: Final = 253_402_300_799
_MOST: Final = 2**63 - 1
_MOST_DAYS: Final = 2**31 - 1


def days(cells: pa.Array, count_altered: CountAltered) -> pa.Array:
    """Return `date64` cells as `date32`: cut to days, toward 1970."""
    quotients = _divided(cells, _DAY_MS, TIME_OF_DATE, count_altered)
    first, last = _FIRST_S // _DAY_S, _LAST_S // _DAY_S
    return _within(quotients, _MOST_DAYS, first, last, count_altered).cast(pa.int32()).view(pa.date32())


def within_a_day(cells: pa.Array, count_altered: CountAltered) -> pa.Array:
    """Return time cells, those outside of one day taken modulo a day."""
    whole = pa.int64() if pa.types.is_time64(cells.type) else pa.int32()
    ticks = cells.view(whole)
    per_day = PER_SECOND[cells.type.unit] * _DAY_S
    if _all_within(ticks, 0, per_day - 1):
        return cells
    inside = np.mod(ticks.fill_null(0).to_numpy(), per_day)
    count_altered(OUTSIDE_OF_A_DAY, int(np.count_nonzero(inside != ticks.fill_null(0).to_numpy())))
    return pc.if_else(ticks.is_valid(), pa.array(inside, whole), pa.scalar(None, whole)).view(cells.type)


def timestamps(cells: pa.Array, becomes: pa.DataType, count_altered: CountAltered) -> pa.Array:
    """Return timestamp cells in another unit; what that cuts off is cut toward 1970."""
    old, new = PER_SECOND[cells.type.unit], PER_SECOND[becomes.unit]
    if new < old:
        return _divided(cells, old // new, TO_MICROSECONDS, count_altered).view(becomes)
    most = _MOST // (PER_SECOND["us"] // old)
    ticks = _within(cells.view(pa.int64()), most, _FIRST_S * old, _LAST_S * old, count_altered)
    return (ticks if new == old else pc.multiply(ticks, new // old)).view(becomes)


def _divided(cells: pa.Array, by: int, reason: str, count_altered: CountAltered) -> pa.Array:
    """Divide toward zero, and count what leaves a remainder."""
    ticks = cells.view(pa.int64())
    quotients = pc.divide(ticks, by)
    exact = pc.equal(pc.multiply(quotients, by), ticks)
    count_altered(reason, len(exact) - exact.null_count - exact.true_count)
    return quotients


def _within(ticks: pa.Array, most: int, first: int, last: int, count_altered: CountAltered) -> pa.Array:
    """Return numbers whose size is `most` or less: others become `first` or `last`, and are counted."""
    if _all_within(ticks, -most, most):
        return ticks
    early, late = pc.less(ticks, -most), pc.greater(ticks, most)
    count_altered(BEYOND, early.true_count + late.true_count)
    return pc.if_else(early, pa.scalar(first, pa.int64()), pc.if_else(late, pa.scalar(last, pa.int64()), ticks))


def _all_within(ticks: pa.Array, least: int, most: int) -> bool:
    bounds = pc.min_max(ticks).as_py()
    return bounds["min"] is None or (bounds["min"] >= least and bounds["max"] <= most)
