"""Durations and calendar intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cloudquery_s3.formats.text.buffers import numbers, validity

if TYPE_CHECKING:
    from cloudquery_s3.table import Extension

_MONTH_DAY_NANO: Final = np.dtype([("months", "<i4"), ("days", "<i4"), ("nanoseconds", "<i8")])
_DAY_TIME: Final = np.dtype([("days", "<i4"), ("milliseconds", "<i4")])


def duration_text(cells: pa.Array) -> pa.Array:
    """Return `duration` cells as a whole number and its unit: `-1s`, `9793274ms`."""
    count = cells.cast(pa.int64()).cast(pa.string())
    return pc.binary_join_element_wise(count, pa.scalar(cells.type.unit), "")


def interval_text(cells: pa.Array, mark: Extension | None) -> pa.Array:
    """Return calendar intervals as a CSV cell or a Parquet text column shows them.

    `mark` tells which: `interval_month` (int32 storage) gives a bare number, `interval_day_time` (int64 storage: days
    in the low 32 bits, milliseconds in the high) and None (Arrow's `month_day_nano_interval`) give JSON.
    """
    return cells.cast(pa.string()) if mark == "interval_month" else interval_json(cells, mark)


def interval_json(cells: pa.Array, mark: Extension | None) -> pa.Array:
    """Return calendar intervals as JSON objects; `mark` as for `interval_text`."""
    if mark == "interval_month":
        return pc.binary_join_element_wise('{"months":', cells.cast(pa.string()), "}", "")
    layout = _DAY_TIME if mark == "interval_day_time" else _MONTH_DAY_NANO
    parts = numbers(cells, layout)
    parts_of_text: list[str | pa.Array] = []
    for index, name in enumerate(layout.names or ()):
        parts_of_text += [
            f'{"," if index else "{"}"{name}":',
            pa.array(np.ascontiguousarray(parts[name])).cast(pa.string()),
        ]
    joined = pc.binary_join_element_wise(*parts_of_text, "}", "")
    return pa.Array.from_buffers(pa.string(), len(cells), [validity(cells), *joined.buffers()[1:]])
