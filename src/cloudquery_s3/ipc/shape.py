"""The shape of a schema's record batches: which arrays a message holds, in which order, in which buffers.

Source: the Arrow columnar format, "RecordBatch message": arrays depth first, each with its buffers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import pyarrow as pa

from cloudquery_s3.ipc.fallback import FallBackToArrow

if TYPE_CHECKING:
    from collections.abc import Callable

Kind: TypeAlias = Literal["null", "bits", "fixed", "bytes", "list", "fixed_list", "struct"]
"""How an array is laid out. Buffers: none; bitmap and bits; bitmap and values; bitmap, offsets and bytes; bitmap and
offsets; bitmap; bitmap."""

_BUFFERS: Final[dict[Kind, int]] = {
    "null": 0,
    "bits": 2,
    "fixed": 2,
    "bytes": 3,
    "list": 2,
    "fixed_list": 1,
    "struct": 1,
}


@dataclass(frozen=True, slots=True)
class ArrayShape:
    """One array of a record batch.

    Attributes:
        type: its type.
        kind: its layout.
        width: bytes of a value (`fixed`) or of an offset (`bytes`, `list`), values per list (`fixed_list`), else 0.
        buffer: the number of its first buffer, the validity bitmap.
        children: the numbers of its child arrays.
    """

    type: pa.DataType
    kind: Kind
    width: int
    buffer: int
    children: tuple[int, ...]


class BatchShape:
    """All arrays of a schema's record batches.

    Attributes:
        arrays: in the order of the message.
        columns: the numbers of the arrays that are columns.
        never_null: the numbers of the entries of maps, and of their keys.
        buffers: how many buffers there are.
        row_bits: how many bits a row takes at the least.
    """

    __slots__ = ("__weakref__", "arrays", "buffers", "columns", "never_null", "row_bits")

    def __init__(self, schema: pa.Schema) -> None:
        """Derive it.

        Raises:
            FallBackToArrow: a type's arrays have no fixed set of buffers, or come in other messages as well.
        """
        self.buffers = 0
        self.arrays: list[ArrayShape] = []
        self.never_null: list[int] = []
        self.columns = tuple(self._add(field.type) for field in schema)
        if not self.columns:
            raise FallBackToArrow
        self.row_bits = sum(map(self._value_bits, self.columns))

    def _add(self, of: pa.DataType) -> int:
        kind, width = _layout(of)
        number, buffer = len(self.arrays), self.buffers
        self.arrays.append(ArrayShape(of, kind, width, buffer, ()))
        self.buffers += _BUFFERS[kind]
        children = tuple(self._add(child) for child in _children(of))
        self.arrays[number] = ArrayShape(of, kind, width, buffer, children)
        if pa.types.is_map(of):
            self.never_null += [children[0], self.arrays[children[0]].children[0]]
        return number

    def _value_bits(self, number: int) -> int:
        array = self.arrays[number]
        children = sum(map(self._value_bits, array.children)) if array.kind in {"struct", "fixed_list"} else 0
        match array.kind:
            case "bits":
                return 1
            case "fixed_list":
                return array.width * children
            case "struct":
                return children
            case _:
                return 8 * array.width

    @property
    def weightless(self) -> list[int]:
        """Return the arrays that need no byte for any number of values."""
        return [
            number
            for number, array in enumerate(self.arrays)
            if array.kind == "null"
            or (array.kind in {"fixed", "fixed_list"} and not array.width)
            or (array.kind == "struct" and not array.children)
        ]

    @property
    def bitmaps(self) -> list[tuple[int, int]]:
        """Return, for each array that may have nulls, its number and that of its validity bitmap."""
        return [(number, array.buffer) for number, array in enumerate(self.arrays) if array.kind != "null"]


def _children(of: pa.DataType) -> list[pa.DataType]:
    types = pa.types
    if types.is_map(of):
        return [pa.struct([of.key_field, of.item_field])]
    if types.is_list(of) or types.is_large_list(of) or types.is_fixed_size_list(of):
        return [of.value_type]
    return [field.type for field in of] if types.is_struct(of) else []


_LAYOUTS: Final[list[tuple[Kind, int, tuple[Callable[[pa.DataType], bool], ...]]]] = [
    ("null", 0, (pa.types.is_null,)),
    ("bits", 0, (pa.types.is_boolean,)),
    ("bytes", 4, (pa.types.is_string, pa.types.is_binary)),
    ("bytes", 8, (pa.types.is_large_string, pa.types.is_large_binary)),
    ("list", 4, (pa.types.is_list, pa.types.is_map)),
    ("list", 8, (pa.types.is_large_list,)),
    ("struct", 0, (pa.types.is_struct,)),
]


def _layout(of: pa.DataType) -> tuple[Kind, int]:
    types = pa.types
    if isinstance(of, pa.BaseExtensionType):
        raise FallBackToArrow
    for kind, width, tests in _LAYOUTS:
        if any(test(of) for test in tests):
            return kind, width
    if types.is_fixed_size_list(of):
        return "fixed_list", of.list_size
    if types.is_fixed_size_binary(of) or types.is_primitive(of) or types.is_decimal(of):
        return "fixed", of.bit_width // 8
    raise FallBackToArrow
