"""Just enough of FlatBuffers to find the numbers in a message's header, in bytes that nobody has verified.

A table is the (signed) way back to its list of fields, which says how far into the table each field stands, 0 where it
is left out. Source: https://flatbuffers.dev/internals/.
"""

from __future__ import annotations

import struct
from typing import Final

from cloudquery_s3.errors import DecodeError
from cloudquery_s3.ipc.fallback import FallBackToArrow

_U8: Final = struct.Struct("<B")
_U16: Final = struct.Struct("<H")
_I32: Final = struct.Struct("<i")
_U32: Final = struct.Struct("<I")
_I64: Final = struct.Struct("<q")


class Table:
    """A table. Positions count from the first byte of `data`.

    Every method raises `DecodeError` where it would have to look outside of `data`. Those that need a field raise
    `FallBackToArrow` where it is left out, as writers do with a field that has its default value.
    """

    def __init__(self, data: bytes, at: int) -> None:
        self._data = data
        self._at = at
        self._fields_at = at - self._number(_I32, at)
        self._fields_end = self._fields_at + self._number(_U16, self._fields_at)

    @classmethod
    def root(cls, data: bytes, start: int) -> Table:
        """Return the outermost table of a FlatBuffer that starts at `start`."""
        return cls(data, cls._follow(data, start))

    def has(self, field: int) -> bool:
        """Tell whether a field is there."""
        return self._find(field) != 0

    def uint8(self, field: int) -> int:
        """Return an 8-bit field, 0 where it is left out."""
        at = self._find(field)
        return self._number(_U8, at) if at else 0

    def uint16(self, field: int) -> int:
        """Return a 16-bit field, 0 where it is left out."""
        at = self._find(field)
        return self._number(_U16, at) if at else 0

    def int64(self, field: int) -> int:
        """Return a 64-bit field, 0 where it is left out."""
        at = self._find(field)
        return self._number(_I64, at) if at else 0

    def vector(self, field: int, item_bytes: int) -> bytes:
        """Return the items of a vector as bytes."""
        at, items = self.vector_at(field, item_bytes)
        return self._data[at : at + items * item_bytes]

    def tables(self, field: int) -> list[Table]:
        """Return the tables of a vector, none where it is left out."""
        if not self.has(field):
            return []
        at, items = self.vector_at(field, _U32.size)
        places = range(at, at + items * _U32.size, _U32.size)
        return [Table(self._data, self._follow(self._data, place)) for place in places]

    def text(self, field: int) -> bytes:
        """Return a text, empty where it is left out."""
        return self.vector(field, 1) if self.has(field) else b""

    def table(self, field: int) -> Table:
        """Return the table that a field refers to."""
        return Table(self._data, self._follow(self._data, self._require(field)))

    def int64_at(self, field: int) -> int:
        """Return where a 64-bit field stands."""
        at = self._require(field)
        self._check(at, _I64.size)
        return at

    def vector_at(self, field: int, item_bytes: int) -> tuple[int, int]:
        """Return where the items of a vector start, and how many there are."""
        at = self._follow(self._data, self._require(field))
        items = self._number(_U32, at)
        self._check(at + _U32.size, items * item_bytes)
        return at + _U32.size, items

    def _require(self, field: int) -> int:
        at = self._find(field)
        if not at:
            raise FallBackToArrow
        return at

    def _find(self, field: int) -> int:
        entry = self._fields_at + 2 * (2 + field)  # two numbers come first: the list's size and the table's
        offset = self._number(_U16, entry) if entry < self._fields_end else 0
        return self._at + offset if offset else 0

    @staticmethod
    def _follow(data: bytes, at: int) -> int:
        _check(data, at, _U32.size)
        return at + int(_U32.unpack_from(data, at)[0])

    def _check(self, at: int, size: int) -> None:
        _check(self._data, at, size)

    def _number(self, form: struct.Struct, at: int) -> int:
        _check(self._data, at, form.size)
        return int(form.unpack_from(self._data, at)[0])


def _check(data: bytes, at: int, size: int) -> None:
    if not 0 <= at <= len(data) - size:
        raise DecodeError("the header of an Arrow message points outside of itself")
