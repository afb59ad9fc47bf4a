"""Reduce every Arrow type to the core that the formats know.

The core: null, bool, integers, floats, string, binary (both also large), fixed_size_binary, dates, times, timestamp,
duration, month_day_nano_interval, decimal128, decimal256, list, large_list, fixed_size_list, struct, map.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from cloudquery_s3.formats.columns.conversion import Conversion, Convert, conversion_of
from cloudquery_s3.formats.columns.union_text import union_text
from cloudquery_s3.formats.text.buffers import validity
from cloudquery_s3.table import EXTENSION_NAME

if TYPE_CHECKING:
    from collections.abc import Callable

_VIEWS: Final = {pa.string_view(): pa.string(), pa.binary_view(): pa.binary()}
_LARGEST: Final = 2**31 - 1


class Normaliser:
    """Reduces the batches of one schema; what there is to do is decided once.

    Attributes:
        schema: the schema of the reduced batches; the given one where nothing needs to change.
    """

    def __init__(self, schema: pa.Schema) -> None:
        columns = [conversion_of(field, _leaf) for field in schema]
        self._converts = [column.convert for column in columns]
        self.idle = not any(self._converts)
        self.schema = schema if self.idle else pa.schema([column.field for column in columns], schema.metadata)

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return the batch in core types; the very same one where it is in core types already."""
        if self.idle:
            return batch
        arrays = [
            column if convert is None else convert(column)
            for column, convert in zip(batch.columns, self._converts, strict=True)
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)


def normalise(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return a batch with its columns in core types, at any depth: same rows, same values.

    Dictionary and run-end-encoded columns become their values, views and list views plain text, binary and lists,
    decimal32/64 become decimal128, registered extension types their storage. A union becomes JSON text
    `[typecode,value]`, marked as CloudQuery's json. Names, nullability and metadata stay.

    For many batches of one schema make a `Normaliser`.

    Source: docs/formats.md, "What a column becomes".
    """
    return Normaliser(batch.schema)(batch)


def normalise_schema(schema: pa.Schema) -> pa.Schema:
    """Return the schema of `normalise`d batches."""
    return Normaliser(schema).schema


def _leaf(field: pa.Field) -> Conversion | None:
    kind = field.type
    for test, reduce in _REDUCTIONS:
        if test(kind):
            return reduce(field)
    return None


def _inner(field: pa.Field, kind: pa.DataType) -> tuple[pa.Field, Convert]:
    inner = conversion_of(field.with_type(kind), _leaf)
    return inner.field, inner.convert or _same


def _same(array: pa.Array) -> pa.Array:
    return array


def _dictionary(field: pa.Field) -> Conversion:
    reduced, convert = _inner(field, field.type.value_type)
    return Conversion(reduced, lambda array: convert(array.dictionary).take(array.indices))


def _run_ends(field: pa.Field) -> Conversion:
    reduced, convert = _inner(field, field.type.value_type)

    def decode(array: pa.Array) -> pa.Array:
        ends = array.run_ends.to_numpy(zero_copy_only=False)
        rows = np.arange(array.offset, array.offset + len(array))
        return convert(array.values).take(pa.array(np.searchsorted(ends, rows, side="right")))

    return Conversion(reduced, decode)


def _extension(field: pa.Field) -> Conversion:
    reduced, convert = _inner(field, field.type.storage_type)
    return Conversion(reduced, lambda array: convert(array.storage))


def _view(field: pa.Field) -> Conversion:
    kind = _VIEWS[field.type]
    return Conversion(field.with_type(kind), lambda array: array.cast(kind))


def _small_decimal(field: pa.Field) -> Conversion:
    kind = pa.decimal128(field.type.precision, field.type.scale)
    return Conversion(field.with_type(kind), lambda array: array.cast(kind))


def _list_view(field: pa.Field) -> Conversion:
    element, convert = _inner(field.type.value_field, field.type.value_type)
    wide = pa.types.is_large_list_view(field.type)
    kind = pa.large_list(element) if wide else pa.list_(element)

    def decode(array: pa.Array) -> pa.Array:
        # not a cast: pyarrow's loses elements where the views are not in order
        sizes = array.sizes.to_numpy(zero_copy_only=False)
        if array.null_count:
            sizes = np.where(array.is_valid().to_numpy(zero_copy_only=False), sizes, 0)
        offsets = np.zeros(len(array) + 1, np.int64)
        np.cumsum(sizes, out=offsets[1:])
        if not wide and offsets[-1] > _LARGEST:
            raise pa.ArrowInvalid(f"column {field.name}: a list view refers to more than 2^31 elements")
        buffers = [validity(array), pa.py_buffer(offsets if wide else offsets.astype(np.int32))]
        return pa.Array.from_buffers(kind, len(array), buffers, children=[convert(array.flatten())])

    return Conversion(field.with_type(kind), decode)


def _union(field: pa.Field) -> Conversion:
    metadata = {**(field.metadata or {}), EXTENSION_NAME: b"json"}
    members = [conversion_of(field.type.field(index), _leaf) for index in range(field.type.num_fields)]
    text = pa.field(field.name, pa.binary(), field.nullable, metadata)
    return Conversion(text, functools.partial(union_text, members=members))


_REDUCTIONS: Final[list[tuple[Callable[[pa.DataType], bool], Callable[[pa.Field], Conversion]]]] = [
    (pa.types.is_dictionary, _dictionary),
    (pa.types.is_run_end_encoded, _run_ends),
    (lambda kind: kind in _VIEWS, _view),
    (lambda kind: pa.types.is_list_view(kind) or pa.types.is_large_list_view(kind), _list_view),
    (lambda kind: pa.types.is_decimal32(kind) or pa.types.is_decimal64(kind), _small_decimal),
    (pa.types.is_union, _union),
    (lambda kind: isinstance(kind, pa.BaseExtensionType), _extension),
]
