"""Change the types of columns at any depth of list, struct and map, and keep their shape.

What a conversion does to one kind of leaf is the caller's; this module finds the leaves of a schema once, and rebuilds
the lists, structs and maps around converted leaves from their buffers: validity and order never change, whatever slice
an array is of a larger one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa

from cloudquery_s3.formats.encoder import NullKeyError, unwritable
from cloudquery_s3.formats.text.buffers import Flags, valid_flags, validity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudquery_s3.formats.encoder import Alterations, CountAltered

Convert: TypeAlias = "Callable[[pa.Array, CountAltered], pa.Array]"
"""Turns an array into one of another type, and counts the cells that are not the same afterwards."""


class Conversion(NamedTuple):
    """A field as it becomes, and what turns an array of the old type into one of the new.

    Attributes:
        field: the new field.
        convert: None where the arrays stay as they are.
    """

    field: pa.Field
    convert: Convert | None


Leaf: TypeAlias = Callable[[pa.Field], Conversion | None]
"""Decides about one field; None means: look at its children, and leave it alone if there are none."""


def conversion_of(field: pa.Field, leaf: Leaf) -> Conversion:
    """Return what becomes of a column if `leaf` decides about its fields, from the outside in."""
    decided = leaf(field)
    if decided is not None:
        return decided
    children = [conversion_of(child, leaf) for child in children_of(field.type)]
    if all(child.convert is None for child in children):
        return Conversion(field, None)
    new_type = with_children(field.type, [child.field for child in children])
    converts = [child.convert for child in children]
    return Conversion(field.with_type(new_type), lambda array, count: rebuilt(array, new_type, converts, count))


def converted(
    columns: Sequence[pa.Array], schema: pa.Schema, converts: Sequence[Convert | None], alterations: Alterations
) -> pa.RecordBatch:
    """Return columns, each converted where there is something to convert, as a batch of this schema.

    Raises:
        UnwritableError: a column cannot be converted.
    """
    arrays = []
    for name, column, convert in zip(schema.names, columns, converts, strict=True):
        with unwritable(f"column {name}"):
            arrays.append(column if convert is None else convert(column, alterations.of(name)))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def children_of(kind: pa.DataType) -> list[pa.Field]:
    """Return the fields inside a list, struct or map type (key and value); none for any other type."""
    if not kind.num_fields:  # most types, and the other questions cost more
        return []
    if pa.types.is_map(kind):
        return [kind.key_field, kind.item_field]
    if pa.types.is_struct(kind):
        return [kind.field(index) for index in range(kind.num_fields)]
    return [kind.value_field] if is_list_like(kind) else []


def with_children(kind: pa.DataType, children: list[pa.Field]) -> pa.DataType:
    """Return the same list, struct or map type around other fields."""
    if pa.types.is_map(kind):
        return pa.map_(*children, keys_sorted=kind.keys_sorted)
    if pa.types.is_struct(kind):
        return pa.struct(children)
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(children[0], kind.list_size)
    return pa.large_list(children[0]) if pa.types.is_large_list(kind) else pa.list_(children[0])


def is_list_like(kind: pa.DataType) -> bool:
    """Tell whether a type is a list whose elements stand in order, without gaps."""
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def rebuilt(
    array: pa.Array, kind: pa.DataType, converts: list[Convert | None], count_altered: CountAltered
) -> pa.Array:
    """Return a list, struct or map array as `kind`, its children converted; a child without a convert is as it was.

    Raises:
        NullKeyError: a key of a map is NULL once it is converted.
    """
    if not len(array):
        return pa.array([], kind)
    if pa.types.is_struct(kind):
        children = [_apply(convert, array.field(index), count_altered) for index, convert in enumerate(converts)]
        return pa.Array.from_buffers(kind, len(array), [validity(array)], children=children)
    if pa.types.is_fixed_size_list(kind):
        values = array.values.slice(array.offset * kind.list_size, len(array) * kind.list_size)
        return pa.Array.from_buffers(
            kind, len(array), [validity(array)], children=[_apply(converts[0], values, count_altered)]
        )
    offsets, values = parts(array)
    if pa.types.is_map(kind):
        child = rebuilt(values, pa.struct([kind.key_field, kind.item_field]), converts, count_altered)
        if child.field(0).null_count:
            raise NullKeyError
    else:
        child = _apply(converts[0], values, count_altered)
    return pa.Array.from_buffers(kind, len(array), [validity(array), offsets], children=[child])


def parts(array: pa.Array) -> tuple[pa.Buffer, pa.Array]:
    """Return the offsets of a non-empty list or map array, from 0 on, and the elements that they point into.

    There are no elements but those: none before or after the slice that the array is, and none beneath a NULL, which
    Arrow allows and Parquet writers before pyarrow 22 refuse.
    """
    dtype = np.int64 if pa.types.is_large_list(array.type) else np.int32
    offsets = np.frombuffer(array.buffers()[1], dtype)[array.offset : array.offset + len(array) + 1]
    first, last = int(offsets[0]), int(offsets[-1])
    values = array.values.slice(first, last - first)
    if array.null_count:
        lengths, valid = np.diff(offsets), valid_flags(array)
        if lengths[~valid].any():
            values = _filtered(values, np.repeat(valid, lengths))
            offsets, first = np.concatenate(([0], np.cumsum(np.where(valid, lengths, 0)))).astype(dtype), 0
    return pa.py_buffer(offsets - first if first else offsets), values


def _filtered(values: pa.Array, kept: Flags) -> pa.Array:
    """Return the values that are kept, of any type: Arrow's own filter knows no run ends."""
    try:
        return values.filter(pa.array(kept))
    except pa.ArrowNotImplementedError:
        bounds = np.flatnonzero(np.diff(kept, prepend=False, append=False)).reshape(-1, 2)
        return pa.concat_arrays([values.slice(0, 0), *(values.slice(at, end - at) for at, end in bounds.tolist())])


def _apply(convert: Convert | None, array: pa.Array, count_altered: CountAltered) -> pa.Array:
    return array if convert is None else convert(array, count_altered)
