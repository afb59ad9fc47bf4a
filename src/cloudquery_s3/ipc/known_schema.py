"""A table's schema as its bytes told it, with what reading its batches needs to know."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloudquery_s3.ipc.header import HeaderLayout


class KnownSchema:
    """A schema and the shape of its batches' messages.

    Attributes:
        schema: the schema; batches that came with equal bytes share this object.
        plain: whether its batches can be read by their headers. Where not, Arrow's reader decodes them on receipt.
        nodes: how many arrays a batch has, children included.
        buffers: how many buffers a batch has.
        bitmaps: for each array, which buffer is its validity bitmap; -1 where the type has none.
        layout: the layout of the last header seen, or None.
    """

    __slots__ = ("bitmaps", "buffers", "layout", "nodes", "plain", "schema")

    def __init__(self, schema: pa.Schema, *, readable: bool) -> None:
        self.schema = schema
        self.layout: HeaderLayout | None = None
        self.bitmaps: tuple[int, ...] = ()
        self.nodes = self.buffers = 0
        self.plain = readable and len(schema) > 0
        if self.plain:
            shapes = [shape for field in schema for shape in _shapes(field.type)]
            self.plain = None not in shapes
            if self.plain:
                self._count([shape for shape in shapes if shape is not None])

    def _count(self, shapes: list[int]) -> None:
        bitmaps = []
        for buffers in shapes:
            bitmaps.append(self.buffers if buffers else -1)
            self.buffers += buffers
        self.bitmaps = tuple(bitmaps)
        self.nodes = len(bitmaps)


def _shapes(kind: pa.DataType) -> Iterator[int | None]:
    """Yield the number of buffers of a type's array and of its children's, depth first; None where it is not plain."""
    types = pa.types
    if types.is_null(kind):
        yield 0
    elif types.is_list(kind) or types.is_large_list(kind) or types.is_map(kind):
        yield 2
        yield from _shapes(pa.struct([kind.key_field, kind.item_field]) if types.is_map(kind) else kind.value_type)
    elif types.is_fixed_size_list(kind):
        yield 1
        yield from _shapes(kind.value_type)
    elif types.is_struct(kind):
        yield 1
        for field in kind:
            yield from _shapes(field.type)
    elif any(
        is_kind(kind) for is_kind in (types.is_string, types.is_binary, types.is_large_string, types.is_large_binary)
    ):
        yield 3
    elif _is_fixed_width(kind):
        yield 2
    else:
        yield None


def _is_fixed_width(kind: pa.DataType) -> bool:
    types = pa.types
    return (types.is_primitive(kind) or types.is_fixed_size_binary(kind) or types.is_decimal(kind)) and not isinstance(
        kind, pa.BaseExtensionType
    )
