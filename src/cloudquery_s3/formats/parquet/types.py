"""Arrow columns in the types of a Parquet file.

Source: docs/formats.md, "What a column becomes".
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc

from cloudquery_s3.formats.columns.conversion import (
    Conversion,
    Convert,
    children_of,
    conversion_of,
    rebuilt,
    with_children,
)
from cloudquery_s3.formats.columns.names import RENAMED, distinct
from cloudquery_s3.formats.parquet.decimals import WIDEST, WIDEST_PORTABLE, decimal_column
from cloudquery_s3.formats.parquet.times import days, timestamps, within_a_day
from cloudquery_s3.formats.text.binary import base64_text, mac_text, uuid_text
from cloudquery_s3.formats.text.buffers import validity
from cloudquery_s3.formats.text.durations import duration_text, interval_text
from cloudquery_s3.formats.text.nested import mark_of
from cloudquery_s3.formats.text.network import BAD_INET, inet_text
from cloudquery_s3.formats.text.rows import whole_text
from cloudquery_s3.formats.text.temporal import time_cells
from cloudquery_s3.formats.text.utf8 import NOT_UTF8, utf8_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudquery_s3.formats.encoder import CountAltered

_STORED: Final = {"s": "ms", "ms": "ms"}
_STORED_WITHOUT_NS: Final = {"s": "ms", "ms": "ms", "ns": "us"}
_STORED_PORTABLE: Final = {"s": "us", "ms": "us", "ns": "us"}
_PORTABLE_NUMBERS: Final = {
    pa.int8(): pa.int32(),
    pa.int16(): pa.int32(),
    pa.uint8(): pa.int32(),
    pa.uint16(): pa.int32(),
    pa.uint32(): pa.int64(),
    pa.uint64(): pa.decimal128(20, 0),
    pa.float16(): pa.float32(),
    pa.null(): pa.string(),
}


@dataclass(frozen=True, slots=True)
class TypeRules:
    """Which types a file may have.

    Attributes:
        nanoseconds: whether the file's version knows them; else timestamps are cut to microseconds, toward 1970.
        portable: only types that every engine and catalogue reads, and no two names that differ in case alone.
    """

    nanoseconds: bool = True
    portable: bool = False

    @property
    def stored_units(self) -> dict[str, str]:
        """What becomes of timestamps' units; one that is not here may hold any number."""
        if self.portable:
            return _STORED_PORTABLE
        return _STORED if self.nanoseconds else _STORED_WITHOUT_NS


def parquet_column(field: pa.Field, rules: TypeRules, *, digits: int = 0) -> Conversion:
    """Return what a column of core types becomes in a Parquet file.

    Cells that lose something by that, and cells that do not parse, are counted. `digits` is the room that its decimals
    need (`decimals.digits_needed`).
    """
    return conversion_of(field, _Leaves(rules, digits).leaf)


def has_uint32(field: pa.Field) -> bool:
    """Tell whether a column holds uint32, at any depth."""
    return field.type == pa.uint32() or any(has_uint32(child) for child in children_of(field.type))


class _Leaves:
    """Decides about the fields of one column."""

    def __init__(self, rules: TypeRules, digits: int) -> None:
        self._rules = rules
        self._digits = digits

    def leaf(self, field: pa.Field) -> Conversion | None:
        """Return what becomes of a field; None where its children, or pyarrow, know."""
        convert = (
            _extension(field)
            or _text(field.type)
            or self._temporal(field.type)
            or self._number(field.type)
            or self._storable(field.type)
        )
        if convert is not None:
            kind, function = convert
            return Conversion(field.with_type(kind), lambda cells, count: _as(kind, function(cells, count)))
        return self._nested(field)

    def _temporal(self, kind: pa.DataType) -> tuple[pa.DataType, Convert] | None:
        if pa.types.is_date64(kind):
            return pa.date32(), days
        if pa.types.is_time(kind):
            if self._rules.portable:
                return pa.string(), lambda cells, count: whole_text(time_cells(cells, count, trim=False))
            return pa.time32("ms") if kind == pa.time32("s") else kind, within_a_day
        if pa.types.is_timestamp(kind) and kind.unit in self._rules.stored_units:
            becomes = pa.timestamp(self._rules.stored_units[kind.unit], kind.tz)
            return becomes, lambda cells, count: timestamps(cells, becomes, count)
        return None

    def _number(self, kind: pa.DataType) -> tuple[pa.DataType, Convert] | None:
        if pa.types.is_decimal(kind):
            widest = WIDEST_PORTABLE if self._rules.portable else WIDEST
            return decimal_column(kind, digits=self._digits, widest=widest)
        if self._rules.portable and kind in _PORTABLE_NUMBERS:
            return _PORTABLE_NUMBERS[kind], _same
        return None

    def _storable(self, kind: pa.DataType) -> tuple[pa.DataType, Convert] | None:
        """Return what becomes of types that Parquet does not have."""
        if pa.types.is_fixed_size_binary(kind) and (self._rules.portable or not kind.byte_width):
            return pa.binary(), _same
        if pa.types.is_struct(kind) and not kind.num_fields:
            return pa.string(), _uncounting(_empty_object)
        return None

    def _nested(self, field: pa.Field) -> Conversion | None:
        """Convert what is inside a list, map or struct; elements and map values become optional.

        Lists and maps are always rebuilt, so that they hold no elements that are not theirs (`parts`), nor any beneath
        a NULL struct; this copies none that are.
        """
        kind = field.type
        children = [_as_optional(child, kind, index) for index, child in enumerate(children_of(kind))]
        if not children:
            return None
        renamed = 0
        if self._rules.portable and pa.types.is_struct(kind):
            names = distinct([child.name for child in children], ignore_case=True)
            renamed = sum(child.name != name for child, name in zip(children, names, strict=True))
            children = [child.with_name(name) for child, name in zip(children, names, strict=True)]
        below = [conversion_of(child, self.leaf) for child in children]
        converts = [child.convert for child in below]
        new_type = with_children(kind, [child.field for child in below])
        if pa.types.is_fixed_size_list(kind):
            new_type = pa.list_(new_type.value_field)
            return Conversion(
                field.with_type(new_type), lambda array, count: _as_plain_list(array, new_type, converts, count)
            )
        if pa.types.is_struct(kind) and not any(converts) and new_type == kind:
            return None

        def convert(array: pa.Array, count_altered: CountAltered) -> pa.Array:
            count_altered(RENAMED, renamed * (len(array) - array.null_count))
            return rebuilt(_cleared(array), new_type, converts, count_altered)

        return Conversion(field.with_type(new_type), convert)


def _extension(field: pa.Field) -> tuple[pa.DataType, Convert] | None:
    mark = mark_of(field)
    if mark == "uuid":
        return pa.string(), _uncounting(uuid_text)
    if mark == "mac":
        return pa.string(), lambda cells, _count: mac_text(cells.cast(pa.binary()))
    if mark in ("interval_month", "interval_day_time"):
        return pa.string(), _uncounting(partial(interval_text, mark=mark))
    if mark is None:
        return None
    wide = pa.types.is_large_binary(field.type) or pa.types.is_large_string(field.type)
    return pa.large_string() if wide else pa.string(), _inet if mark == "inet" else _utf8


def _text(kind: pa.DataType) -> tuple[pa.DataType, Convert] | None:
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return kind, _utf8
    if pa.types.is_large_binary(kind):
        return pa.string(), _uncounting(base64_text)
    if pa.types.is_duration(kind):
        return pa.string(), _uncounting(duration_text)
    if kind == pa.month_day_nano_interval():
        return pa.string(), _uncounting(partial(interval_text, mark=None))
    return None


def _uncounting(kernel: Callable[[pa.Array], pa.Array]) -> Convert:
    return lambda cells, _count_altered: kernel(cells)


def _same(cells: pa.Array, _count_altered: CountAltered) -> pa.Array:
    return cells


def _utf8(cells: pa.Array, count_altered: CountAltered) -> pa.Array:
    text, changed = utf8_text(cells)
    count_altered(NOT_UTF8, changed)
    return text


def _inet(cells: pa.Array, count_altered: CountAltered) -> pa.Array:
    text, unparsable = inet_text(cells)
    count_altered(BAD_INET, unparsable)
    return _utf8(text, count_altered) if unparsable else text


def _as(kind: pa.DataType, cells: pa.Array) -> pa.Array:
    """Return cells in the type that was announced: text kernels choose 32-bit or 64-bit offsets by size."""
    return cells if cells.type == kind else cells.cast(kind)


def _as_optional(child: pa.Field, parent: pa.DataType, index: int) -> pa.Field:
    """Return how a child is declared: elements and map values always optional, a map's key always required.

    A struct's member keeps what it says, but one of Arrow's null type, which cannot be anything else than NULL.
    """
    if pa.types.is_map(parent) and index == 0:
        return child
    if pa.types.is_struct(parent) and not pa.types.is_null(child.type):
        return child
    return child if child.nullable else child.with_nullable(True)  # noqa: FBT003 - pyarrow's signature


def _empty_object(cells: pa.Array) -> pa.Array:
    """Return `{}` for each struct without members, as CSV has it: Parquet has no such type."""
    return pc.if_else(cells.is_valid(), "{}", pa.scalar(None, pa.string()))


def _cleared(array: pa.Array) -> pa.Array:
    """Return the array; of a struct that is NULL, the members are NULL too."""
    if not array.null_count or not pa.types.is_struct(array.type):
        return array
    return pa.Array.from_buffers(array.type, len(array), [validity(array)], children=array.flatten())


def _as_plain_list(
    array: pa.Array, kind: pa.DataType, converts: list[Convert | None], count_altered: CountAltered
) -> pa.Array:
    size = array.type.list_size
    lengths = pc.if_else(array.is_valid(), size, 0).cast(pa.int32())
    offsets = pa.concat_arrays([pa.array([0], pa.int32()), pc.cumulative_sum(lengths)])
    values = array.flatten()
    child = values if converts[0] is None else converts[0](values, count_altered)
    return pa.Array.from_buffers(kind, len(array), [validity(array), offsets.buffers()[1]], children=[child])
