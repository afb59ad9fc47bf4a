"""Arrow's C data interface: the same memory under another type, without a copy.

pyarrow exports a schema, an array or a batch as structs that describe each type by a text. Such a text can be replaced
before the structs are imported again, by one of the same memory layout.

All memory is owned by PyCapsules, which release it once, also where an error comes between.

Source: https://arrow.apache.org/docs/format/CDataInterface.html
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator


class ArrowSchema(ctypes.Structure):
    """One field. `format` is the text that describes its type; `metadata` is a plain address: it is no C string."""


ArrowSchema._fields_ = [
    ("format", ctypes.c_char_p),
    ("name", ctypes.c_char_p),
    ("metadata", ctypes.c_void_p),
    ("flags", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("children", ctypes.POINTER(ctypes.POINTER(ArrowSchema))),
    ("dictionary", ctypes.POINTER(ArrowSchema)),
    ("release", ctypes.c_void_p),
    ("private_data", ctypes.c_void_p),
]

_pointer_of: Final = ctypes.pythonapi.PyCapsule_GetPointer
_pointer_of.restype = ctypes.c_void_p
_pointer_of.argtypes = [ctypes.py_object, ctypes.c_char_p]


class Exported:
    """A schema, an array or a batch, on its way back into pyarrow."""

    def __init__(self, schema_capsule: object, array_capsule: object | None = None) -> None:
        self._schema = schema_capsule
        self._array = array_capsule

    def __arrow_c_schema__(self) -> object:
        return self._schema

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]:
        del requested_schema  # a wish that the protocol allows to ignore
        return self._schema, self._array


def fields_of(capsule: object) -> Iterator[ArrowSchema]:
    """Yield the struct of a schema itself and of all fields below; they live as long as the capsule."""
    waiting = [ArrowSchema.from_address(_pointer_of(capsule, b"arrow_schema"))]
    while waiting:
        field = waiting.pop()
        yield field
        waiting.extend(field.children[index].contents for index in range(field.n_children))
        if field.dictionary:
            waiting.append(field.dictionary.contents)
