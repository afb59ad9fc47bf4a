"""A column of every type that rows may have, and a cell of each at the edge of its range."""

from __future__ import annotations

from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa

MOMENT = datetime(2026, 11, 23, 9, 8, 34, 503000, tzinfo=UTC)
"""Milliseconds: what readers of less precision know as well."""


def every_type() -> dict[str, pa.DataType]:
    """A column of every type that rows may have."""
    names = "bool_ int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 string binary date32 null"
    plain = {name.rstrip("_"): getattr(pa, name)() for name in names.split()}
    units = {f"time_{unit}": pa.timestamp(unit) for unit in ("s", "ms", "us", "ns")}
    zoned = {f"zoned_{unit}": pa.timestamp(unit, tz="UTC") for unit in ("s", "ms", "us", "ns")}
    return {
        **plain,
        **units,
        **zoned,
        "time32": pa.time32("ms"),
        "time64us": pa.time64("us"),
        "time64ns": pa.time64("ns"),
        "decimal": pa.decimal128(38, 4),
        "wide": pa.decimal256(50, 4),
        "list": pa.list_(pa.string()),
        "struct": pa.struct([("a", pa.int64()), ("b", pa.list_(pa.bool_()))]),
        "map": pa.map_(pa.string(), pa.int64()),
    }


def _moment(kind: pa.TimestampType) -> datetime:
    whole = MOMENT.replace(microsecond=0) if kind.unit == "s" else MOMENT
    return whole if kind.tz else whole.replace(tzinfo=None)


_CELLS: list[tuple[Any, Any]] = [
    (pa.types.is_null, lambda _: None),
    (pa.types.is_boolean, lambda _: True),
    (pa.types.is_unsigned_integer, lambda kind: 2**kind.bit_width - 1),
    (pa.types.is_integer, lambda kind: -(2 ** (kind.bit_width - 1))),
    (pa.types.is_floating, lambda _: 1.5),
    (pa.types.is_decimal, lambda _: Decimal("123.25")),
    (pa.types.is_timestamp, _moment),
    (pa.types.is_date, lambda _: MOMENT.date()),
    (pa.types.is_time, lambda _: time(1, 2, 3)),
    (pa.types.is_map, lambda kind: [("key", cell(kind.item_type))]),
    (pa.types.is_struct, lambda kind: {part.name: cell(part.type) for part in kind}),
    (pa.types.is_list, lambda kind: [cell(kind.value_type)]),
    (pa.types.is_binary, lambda _: b"\x00\xff"),
    (pa.types.is_string, lambda _: "text"),
]


def cell(kind: pa.DataType) -> Any:
    """A cell of a type: of whole numbers the one that is farthest from 0, of timestamps whole milliseconds."""
    found = [make for belongs, make in _CELLS if belongs(kind)]
    return found[0](kind)
