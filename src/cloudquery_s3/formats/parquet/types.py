"""Arrow columns in the types that a Parquet file of the reference has.

Source: docs/formats.md, "What a column becomes".
"""

from __future__ import annotations

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
from cloudquery_s3.formats.columns.utf8 import utf8_text
from cloudquery_s3.formats.text.binary import base64_text, mac_text, uuid_text
from cloudquery_s3.formats.text.buffers import validity
from cloudquery_s3.formats.text.durations import duration_text, interval_text
from cloudquery_s3.formats.text.nested import mark_of
from cloudquery_s3.formats.text.network import inet_text
from cloudquery_s3.formats.text.numbers import decimal_text

if TYPE_CHECKING:
    from cloudquery_s3.formats.encoder import Alterations

_MS_PER_DAY: Final = 86_400_000
_NS_PER_US: Final = 1_000
_MAX_DIGITS: Final = 76
_MAX_DIGITS_128: Final = 38
_COARSER: Final = {"s": "ms"}
_COARSER_WITHOUT_NS: Final = {"s": "ms", "ns": "us"}


def parquet_column(field: pa.Field, alterations: Alterations, *, nanoseconds: bool) -> Conversion:
    """Return what a column of core types becomes in a Parquet file.

    `nanoseconds` tells whether the file's version knows them; else timestamps are cut to microseconds, toward zero.
    Cells that lose something by that, and cells that do not parse, are counted as alterations of the column.
    """
    return conversion_of(field, _Leaves(field.name, alterations, nanoseconds=nanoseconds).leaf)


def has_uint32(field: pa.Field) -> bool:
    """Tell whether a column holds uint32, at any depth."""
    return field.type == pa.uint32() or any(has_uint32(child) for child in children_of(field.type))


class _Leaves:
    """Decides about the fields of one column."""

    def __init__(self, column: str, alterations: Alterations, *, nanoseconds: bool) -> None:
        self._column = column
        self._alterations = alterations
        self._coarser = _COARSER if nanoseconds else _COARSER_WITHOUT_NS

    def leaf(self, field: pa.Field) -> Conversion | None:
        """Return what becomes of a field; None where its children, or pyarrow, know."""
        convert = (
            self._extension(field) or self._text(field.type) or self._temporal(field.type) or _storable(field.type)
        )
        if convert is not None:
            kind, function = convert
            return Conversion(field.with_type(kind), lambda cells: _as(kind, function(cells)))
        return self._nested(field)

    def _count(self, reason: str, cells: int) -> None:
        self._alterations.add(self._column, reason, cells)

    def _extension(self, field: pa.Field) -> tuple[pa.DataType, Convert] | None:
        mark = mark_of(field)
        if mark == "uuid":
            return pa.string(), uuid_text
        if mark == "mac":
            return pa.string(), lambda cells: mac_text(cells.cast(pa.binary()))
        if mark in ("interval_month", "interval_day_time"):
            return pa.string(), lambda cells: interval_text(cells, mark)
        if mark is None:
            return None
        wide = pa.types.is_large_binary(field.type) or pa.types.is_large_string(field.type)
        return pa.large_string() if wide else pa.string(), self._inet if mark == "inet" else self._utf8

    def _text(self, kind: pa.DataType) -> tuple[pa.DataType, Convert] | None:
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            return kind, self._utf8
        if pa.types.is_large_binary(kind):
            return pa.string(), base64_text
        if pa.types.is_duration(kind):
            return pa.string(), duration_text
        if kind == pa.month_day_nano_interval():
            return pa.string(), lambda cells: interval_text(cells, None)
        return None

    def _temporal(self, kind: pa.DataType) -> tuple[pa.DataType, Convert] | None:
        if pa.types.is_date64(kind):
            return pa.date32(), self._days
        if kind == pa.time32("s"):
            return pa.time32("ms"), lambda cells: cells.cast(pa.time32("ms"))
        if pa.types.is_timestamp(kind) and kind.unit in self._coarser:
            becomes = pa.timestamp(self._coarser[kind.unit], kind.tz)
            if kind.unit == "s":
                return becomes, lambda cells: cells.cast(becomes)
            return becomes, lambda cells: self._microseconds(cells).view(becomes)
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
        below = [conversion_of(child, self.leaf) for child in children]
        converts = [child.convert for child in below]
        new_type = with_children(kind, [child.field for child in below])
        if pa.types.is_fixed_size_list(kind):
            new_type = pa.list_(new_type.value_field)
            return Conversion(field.with_type(new_type), lambda array: _as_plain_list(array, new_type, converts))
        if pa.types.is_struct(kind) and not any(converts) and new_type == kind:
            return None
        return Conversion(field.with_type(new_type), lambda array: rebuilt(_cleared(array), new_type, converts))

    def _utf8(self, cells: pa.Array) -> pa.Array:
        text, changed = utf8_text(cells)
        self._count("bytes that are not UTF-8 are replaced by U+FFFD", changed)
        return text

    def _inet(self, cells: pa.Array) -> pa.Array:
        text, unparsable = inet_text(cells)
        self._count("an inet that does not parse is written as the text it is", unparsable)
        return self._utf8(text) if unparsable else text

    def _days(self, cells: pa.Array) -> pa.Array:
        return (
            self._divided(cells, _MS_PER_DAY, "the time of day of a date64 is dropped")
            .cast(pa.int32())
            .view(pa.date32())
        )

    def _microseconds(self, cells: pa.Array) -> pa.Array:
        return self._divided(cells, _NS_PER_US, "nanoseconds are cut to microseconds, which this version ends at")

    def _divided(self, cells: pa.Array, by: int, reason: str) -> pa.Array:
        """Divide toward zero, and count what leaves a remainder."""
        numbers = cells.view(pa.int64())
        quotients = pc.divide(numbers, by)
        exact = pc.equal(pc.multiply(quotients, by), numbers)
        self._count(reason, len(exact) - exact.null_count - exact.true_count)
        return quotients


def _as(kind: pa.DataType, cells: pa.Array) -> pa.Array:
    """Return text in the type that was announced: the kernels choose 32-bit or 64-bit offsets by size."""
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


def _storable(kind: pa.DataType) -> tuple[pa.DataType, Convert] | None:
    """Return what becomes of types that Parquet does not have, or has no room for."""
    if pa.types.is_fixed_size_binary(kind) and not kind.byte_width:
        return pa.binary(), lambda cells: cells.cast(pa.binary())
    if pa.types.is_decimal(kind) and kind.scale < 0:
        return _without_negative_scale(kind)
    if pa.types.is_struct(kind) and not kind.num_fields:
        return pa.string(), _empty_object
    return None


def _without_negative_scale(kind: pa.DataType) -> tuple[pa.DataType, Convert]:
    digits = kind.precision - kind.scale
    if digits > _MAX_DIGITS:
        return pa.string(), decimal_text
    new_type = pa.decimal128(digits, 0) if digits <= _MAX_DIGITS_128 else pa.decimal256(digits, 0)
    return new_type, lambda cells: cells.cast(new_type)


def _empty_object(cells: pa.Array) -> pa.Array:
    """Return `{}` for each struct without members, as CSV has it: Parquet has no such type."""
    return pc.if_else(cells.is_valid(), "{}", pa.scalar(None, pa.string()))


def _cleared(array: pa.Array) -> pa.Array:
    """Return the array; of a struct that is NULL, the members are NULL too."""
    if not array.null_count or not pa.types.is_struct(array.type):
        return array
    return pa.Array.from_buffers(array.type, len(array), [validity(array)], children=array.flatten())


def _as_plain_list(array: pa.Array, kind: pa.DataType, converts: list[Convert | None]) -> pa.Array:
    size = array.type.list_size
    lengths = pc.if_else(array.is_valid(), size, 0).cast(pa.int32())
    offsets = pa.concat_arrays([pa.array([0], pa.int32()), pc.cumulative_sum(lengths)])
    values = array.flatten()
    child = values if converts[0] is None else converts[0](values)
    return pa.Array.from_buffers(kind, len(array), [validity(array), offsets.buffers()[1]], children=[child])
