"""Which Parquet types `format_spec.types` gives: the table in `docs/formats.md`, made from the conversions themselves.

`python -m cloudquery_s3.formats.parquet.type_table` prints it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from cloudquery_s3.formats.parquet.types import TypeRules, parquet_column

if TYPE_CHECKING:
    from collections.abc import Sequence

_NAMES: Final = {pa.float16(): "float16", pa.float32(): "float32", pa.float64(): "float64"}
"""Types for which pyarrow has other names than Arrow."""
_JSON: Final = {"ARROW:extension:name": "json"}
_UUID: Final = {"ARROW:extension:name": "uuid"}
ROWS: Final[Sequence[tuple[str, Sequence[pa.Field]]]] = [
    ("bool", [pa.field("", pa.bool_())]),
    ("int8, int16, uint8, uint16", [pa.field("", kind()) for kind in (pa.int8, pa.int16, pa.uint8, pa.uint16)]),
    ("int32", [pa.field("", pa.int32())]),
    ("uint32", [pa.field("", pa.uint32())]),
    ("int64", [pa.field("", pa.int64())]),
    ("uint64", [pa.field("", pa.uint64())]),
    ("float16", [pa.field("", pa.float16())]),
    ("float32, float64", [pa.field("", pa.float32()), pa.field("", pa.float64())]),
    ("decimal of up to 38 digits", [pa.field("", pa.decimal128(38, 9))]),
    ("decimal of 39 to 76 digits", [pa.field("", pa.decimal256(50, 4))]),
    ("date32, date64", [pa.field("", pa.date32()), pa.field("", pa.date64())]),
    ("time32[s], time32[ms]", [pa.field("", pa.time32("s")), pa.field("", pa.time32("ms"))]),
    ("time64[us]", [pa.field("", pa.time64("us"))]),
    ("time64[ns]", [pa.field("", pa.time64("ns"))]),
    ("timestamp[s], timestamp[ms]", [pa.field("", pa.timestamp("s")), pa.field("", pa.timestamp("ms"))]),
    ("timestamp[us]", [pa.field("", pa.timestamp("us"))]),
    ("timestamp[ns]", [pa.field("", pa.timestamp("ns"))]),
    ("utf8, large_utf8", [pa.field("", pa.string())]),
    ("binary", [pa.field("", pa.binary())]),
    ("fixed_size_binary", [pa.field("", pa.binary(4))]),
    ("large_binary (base64)", [pa.field("", pa.large_binary())]),
    ("`json`, `uuid`", [pa.field("", pa.binary(), metadata=_JSON), pa.field("", pa.binary(16), metadata=_UUID)]),
    ("duration, interval", [pa.field("", pa.duration("s")), pa.field("", pa.month_day_nano_interval())]),
    ("null", [pa.field("", pa.null())]),
]
"""What stands in the first column, and fields that it means."""


def type_table() -> str:
    """Return the table as Markdown."""
    rows = [
        f"| {label} | {_becomes(fields, portable=False)} | {_becomes(fields, portable=True)} |"
        for label, fields in ROWS
    ]
    return "\n".join(("| Arrow type | `arrow` | `portable` |", "| --- | --- | --- |", *rows, ""))


def _becomes(fields: Sequence[pa.Field], *, portable: bool) -> str:
    kinds = [parquet_column(field, TypeRules(portable=portable)).field.type for field in fields]
    return ", ".join(dict.fromkeys(_shown(kind) for kind in kinds))


def _shown(kind: pa.DataType) -> str:
    return _NAMES.get(kind, str(kind))


if __name__ == "__main__":
    sys.stdout.write(type_table())
