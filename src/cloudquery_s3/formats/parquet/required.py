"""What NOT NULL means in a file: never a zero where a NULL stood.

The reference writes 0, "" or false for a NULL in a NOT NULL column (docs/compatibility.md, "File contents"). Here the
column, or the member of a struct, is declared optional instead, as long as the file's schema is not fixed yet.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from cloudquery_s3.formats.columns.conversion import children_of, is_list_like, parts, rebuilt, with_children

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloudquery_s3.formats.encoder import CountAltered


def has_required(field: pa.Field) -> bool:
    """Tell whether a column, or a struct's member at any depth in it, is declared NOT NULL."""
    return not field.nullable or has_required_member(field.type)


def has_required_member(kind: pa.DataType) -> bool:
    """Tell whether a struct's member at any depth in a type is declared NOT NULL."""
    if pa.types.is_map(kind):
        return has_required_member(kind.key_type) or has_required(kind.item_field)
    return any(has_required(child) for child in children_of(kind))


def made_nullable(field: pa.Field, arrays: Iterable[pa.Array]) -> tuple[pa.Field, int]:
    """Return the field with optional in place of NOT NULL wherever an array holds a NULL, and how many those are.

    A member beneath a NULL struct is nobody's NULL. A map's key stays required.
    """
    nulls = 0
    for array in arrays:
        field, more = _nullable_where(field, array, None)
        nulls += more
    return field, nulls


def without_hidden_nulls(array: pa.Array, field: pa.Field) -> pa.Array:
    """Return the array in a type that `made_nullable` has returned, its NOT NULL members without NULLs.

    What stands beneath a NULL struct in its NOT NULL members is no value; pyarrow takes it for one unless its mark as
    NULL is removed.
    """
    if not has_required_member(field.type) and array.type == field.type:
        return array
    children = children_of(field.type)
    return rebuilt(array, field.type, [functools.partial(_member, field=child) for child in children], _uncounted)


def _uncounted(_reason: str, _cells: int) -> None:
    """What nobody sees is not altered."""


def _member(array: pa.Array, _count_altered: CountAltered, *, field: pa.Field) -> pa.Array:
    array = without_hidden_nulls(array, field)
    return array if field.nullable or not array.null_count else _without_validity(array)


def _without_validity(array: pa.Array) -> pa.Array:
    kind = array.type
    if pa.types.is_struct(kind):
        children = [array.field(index) for index in range(kind.num_fields)]
        return pa.Array.from_buffers(kind, len(array), [None], children=children)
    if kind.num_fields:
        offsets, values = parts(array)
        return pa.Array.from_buffers(kind, len(array), [None, offsets], children=[values])
    return pa.Array.from_buffers(kind, len(array), [None, *array.buffers()[1:]], offset=array.offset)


def _nullable_where(field: pa.Field, array: pa.Array, visible: pa.Array | None) -> tuple[pa.Field, int]:
    """`visible` marks the rows whose parents are all there; None is all rows."""
    nulls = 0
    if not field.nullable and array.null_count:
        nulls = array.null_count if visible is None else pc.sum(pc.and_(visible, array.is_null()), min_count=0).as_py()
        if nulls:
            field = field.with_nullable(True)  # noqa: FBT003 - pyarrow's signature
    if not has_required_member(field.type) or not len(array):
        return field, nulls
    children = []
    for child, (values, shown) in zip(children_of(field.type), _members(array, visible), strict=True):
        new, more = _nullable_where(child, values, shown)
        children.append(new)
        nulls += more
    return field.with_type(with_children(field.type, children)), nulls


def _members(array: pa.Array, visible: pa.Array | None) -> list[tuple[pa.Array, pa.Array | None]]:
    """Return the arrays inside a nested one, in the order of `children_of`, and which of their cells are visible."""
    if pa.types.is_struct(array.type):
        shown = _both(visible, array.is_valid() if array.null_count else None)
        return [(array.field(index), shown) for index in range(array.type.num_fields)]
    if is_list_like(array.type):
        return [_elements(array, visible)]
    entries, shown = _elements(_as_list(array), visible)
    return [(entries.field(0), shown), (entries.field(1), shown)]


def _elements(array: pa.Array, visible: pa.Array | None) -> tuple[pa.Array, pa.Array | None]:
    values = array.flatten()
    return values, None if visible is None else visible.take(pc.list_parent_indices(array))


def _as_list(array: pa.Array) -> pa.Array:
    """Return a map array as a list of its entries."""
    offsets, entries = parts(array)
    valid = pa.concat_arrays([array.is_valid()]).buffers()[1]
    return pa.Array.from_buffers(pa.list_(entries.type), len(array), [valid, offsets], children=[entries])


def _both(one: pa.Array | None, other: pa.Array | None) -> pa.Array | None:
    if one is None or other is None:
        return other if one is None else one
    return pc.and_(one, other)
