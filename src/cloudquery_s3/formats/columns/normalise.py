"""Reduce every Arrow type to the core that the formats know.

The core: null, bool, integers, floats, string, binary (both also large), fixed_size_binary, dates, times, timestamp,
duration, month_day_nano_interval, decimal128, decimal256, list, large_list, fixed_size_list, struct, map.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from cloudquery_s3.formats.columns.conversion import Conversion, Convert, conversion_of, converted, rebuilt
from cloudquery_s3.formats.columns.names import RENAMED, distinct
from cloudquery_s3.formats.columns.union_text import union_text
from cloudquery_s3.formats.encoder import UnwritableError
from cloudquery_s3.formats.text.buffers import fixed, numbers, valid_flags, validity
from cloudquery_s3.table import EXTENSION_NAME, extension_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudquery_s3.formats.encoder import Alterations, CountAltered

_VIEWS: Final = {pa.string_view(): pa.string(), pa.binary_view(): pa.binary()}
_VIEW_BYTES: Final = 16
_LARGEST: Final = 2**31 - 1


class Normaliser:
    """Reduces the batches of one schema to core types, at any depth: same rows, same values.

    Dictionary and run-end-encoded columns become their values, views and list views plain text, binary and lists,
    decimal32/64 become decimal128, extension types their storage, marked with their name (`table.extension_of`);
    `arrow.bool8` becomes bool. A union becomes JSON text `[typecode,value]`, marked as CloudQuery's json. Nullability
    and metadata stay, and so do names but for those that occur more than once (`names.distinct`).

    What there is to do is decided once.

    Attributes:
        schema: the schema of the reduced batches; the given one where nothing needs to change.

    Source: docs/formats.md, "What a column becomes".
    """

    def __init__(self, schema: pa.Schema) -> None:
        columns = [conversion_of(field, _leaf) for field in schema]
        names = distinct(schema.names)
        self._renamed = [new for new, old in zip(names, schema.names, strict=True) if new != old]
        self._converts = [column.convert for column in columns]
        self.idle = not any(self._converts) and not self._renamed
        fields = [column.field.with_name(name) for column, name in zip(columns, names, strict=True)]
        self.schema = schema if self.idle else pa.schema(fields, schema.metadata)

    def __call__(self, batch: pa.RecordBatch, alterations: Alterations) -> pa.RecordBatch:
        """Return the batch in core types; the very same one where nothing needs to change."""
        if self.idle:
            return batch
        for name in self._renamed:
            alterations.add(name, RENAMED, batch.num_rows)
        return converted(batch.columns, self.schema, self._converts, alterations)


def _leaf(field: pa.Field) -> Conversion | None:
    if extension_of(field) == "bool8" and pa.types.is_int8(field.type):
        return Conversion(field.with_type(pa.bool_()), lambda array, _count: array.cast(pa.bool_()))
    for test, reduce in _REDUCTIONS:
        if test(field.type):
            return reduce(field)
    return None


def _inner(field: pa.Field, kind: pa.DataType) -> tuple[pa.Field, Convert]:
    inner = conversion_of(field.with_type(kind), _leaf)
    return inner.field, inner.convert or _same


def _same(array: pa.Array, _count_altered: CountAltered) -> pa.Array:
    return array


def _dictionary(field: pa.Field) -> Conversion:
    reduced, convert = _inner(field, field.type.value_type)
    return Conversion(reduced, lambda array, count: convert(array.dictionary, count).take(array.indices))


def _run_ends(field: pa.Field) -> Conversion:
    reduced, convert = _inner(field, field.type.value_type)

    def decode(array: pa.Array, count_altered: CountAltered) -> pa.Array:
        ends = array.run_ends.to_numpy(zero_copy_only=False)
        rows = np.arange(array.offset, array.offset + len(array))
        return convert(array.values, count_altered).take(pa.array(np.searchsorted(ends, rows, side="right")))

    return Conversion(reduced, decode)


def _extension(field: pa.Field) -> Conversion:
    # pyarrow knows Arrow's own extension types, and then their name is not in the metadata
    named = field.with_metadata({EXTENSION_NAME: field.type.extension_name, **(field.metadata or {})})
    reduced, convert = _inner(named, field.type.storage_type)
    return Conversion(reduced, lambda array, count: convert(array.storage, count))


def _view(field: pa.Field) -> Conversion:
    kind = _VIEWS[field.type]
    return Conversion(field.with_type(kind), lambda array, _count: _without_hidden(array).cast(kind))


def _without_hidden(array: pa.Array) -> pa.Array:
    """Return views whose NULLs hide nothing: pyarrow's cast adds up their lengths too, and writes where it must not.

    No check of the received rows looks at them: what stands beneath a NULL is anything.
    """
    if not array.null_count:
        return array
    views = fixed(array, _VIEW_BYTES).copy()
    views[~valid_flags(array)] = 0
    return pa.Array.from_buffers(array.type, len(array), [validity(array), pa.py_buffer(views), *array.buffers()[2:]])


def _small_decimal(field: pa.Field) -> Conversion:
    kind = pa.decimal128(field.type.precision, field.type.scale)
    return Conversion(field.with_type(kind), lambda array, _count: _as_decimal128(array, kind))


def _as_decimal128(array: pa.Array, kind: pa.DataType) -> pa.Array:
    """Return decimal32 or decimal64 cells, whatever their precision says: a cast refuses values above it."""
    low = numbers(array, np.int32 if pa.types.is_decimal32(array.type) else np.int64).astype(np.int64)
    halves = np.stack([low, low >> 63], axis=1)
    return pa.Array.from_buffers(kind, len(array), [validity(array), pa.py_buffer(halves)])


def _list_view(field: pa.Field) -> Conversion:
    element, convert = _inner(field.type.value_field, field.type.value_type)
    wide = pa.types.is_large_list_view(field.type)
    kind = pa.large_list(element) if wide else pa.list_(element)

    def decode(array: pa.Array, count_altered: CountAltered) -> pa.Array:
        # not a cast: pyarrow's loses elements where the views are not in order
        sizes = array.sizes.to_numpy(zero_copy_only=False)
        if array.null_count:
            sizes = np.where(array.is_valid().to_numpy(zero_copy_only=False), sizes, 0)
        offsets = np.zeros(len(array) + 1, np.int64)
        np.cumsum(sizes, out=offsets[1:])
        if not wide and offsets[-1] > _LARGEST:
            raise UnwritableError(f"column {field.name}: a list view refers to more than 2^31 elements")
        buffers = [validity(array), pa.py_buffer(offsets if wide else offsets.astype(np.int32))]
        return pa.Array.from_buffers(kind, len(array), buffers, children=[convert(array.flatten(), count_altered)])

    return Conversion(field.with_type(kind), decode)


def _union(field: pa.Field) -> Conversion:
    metadata = {**(field.metadata or {}), EXTENSION_NAME: b"json"}
    members = [conversion_of(field.type.field(index), _leaf) for index in range(field.type.num_fields)]
    text = pa.field(field.name, pa.binary(), field.nullable, metadata)
    return Conversion(text, functools.partial(union_text, members=members))


def _repeats_a_name(kind: pa.DataType) -> bool:
    return bool(pa.types.is_struct(kind)) and len(set(kind.names)) < kind.num_fields


def _with_distinct_members(field: pa.Field) -> Conversion:
    members = [conversion_of(member, _leaf) for member in field.type]
    names = distinct(field.type.names)
    kind = pa.struct([member.field.with_name(name) for member, name in zip(members, names, strict=True)])
    converts = [member.convert for member in members]
    renamed = sum(new != old for new, old in zip(names, field.type.names, strict=True))

    def rename(array: pa.Array, count_altered: CountAltered) -> pa.Array:
        count_altered(RENAMED, renamed * (len(array) - array.null_count))
        return rebuilt(array, kind, converts, count_altered)

    return Conversion(field.with_type(kind), rename)


_REDUCTIONS: Final[list[tuple[Callable[[pa.DataType], bool], Callable[[pa.Field], Conversion]]]] = [
    (pa.types.is_dictionary, _dictionary),
    (pa.types.is_run_end_encoded, _run_ends),
    (lambda kind: kind in _VIEWS, _view),
    (lambda kind: pa.types.is_list_view(kind) or pa.types.is_large_list_view(kind), _list_view),
    (lambda kind: pa.types.is_decimal32(kind) or pa.types.is_decimal64(kind), _small_decimal),
    (pa.types.is_union, _union),
    (lambda kind: isinstance(kind, pa.BaseExtensionType), _extension),
    (_repeats_a_name, _with_distinct_members),
]
