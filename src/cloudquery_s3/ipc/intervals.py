"""Two Arrow types that pyarrow reads but cannot show to Python: month and day-time intervals.

pyarrow imports such a column, and then any access to its type raises `KeyError`. The Arrow C data interface describes a
type by a text that can be replaced between export and import: `tiM` (months, 4 bytes) becomes int32, `tiD` (days and
milliseconds, 8 bytes) becomes int64 with the days in its low 32 bits. The values are not touched, and the field is
marked so that the formats know what the integers mean (`table.Extension`).

All memory is owned by PyCapsules, which release it once, also where an error comes between.

Source: contract D.5, pyarrow reading hazards; https://arrow.apache.org/docs/format/CDataInterface.html
"""

from __future__ import annotations

import ctypes
import struct
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from cloudquery_s3.table import EXTENSION_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator


class _ArrowSchema(ctypes.Structure):
    """One field in the C data interface. `metadata` is a plain address: it is no C string."""


_ArrowSchema._fields_ = [
    ("format", ctypes.c_char_p),
    ("name", ctypes.c_char_p),
    ("metadata", ctypes.c_void_p),
    ("flags", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("children", ctypes.POINTER(ctypes.POINTER(_ArrowSchema))),
    ("dictionary", ctypes.POINTER(_ArrowSchema)),
    ("release", ctypes.c_void_p),
    ("private_data", ctypes.c_void_p),
]

_SHOWN_AS: Final = {b"tiM": (b"i", b"interval_month"), b"tiD": (b"l", b"interval_day_time")}

_pointer_of = ctypes.pythonapi.PyCapsule_GetPointer
_pointer_of.restype = ctypes.c_void_p
_pointer_of.argtypes = [ctypes.py_object, ctypes.c_char_p]


def has_hidden_intervals(schema: pa.Schema) -> bool:
    """Tell whether a column, at any depth, is of a type that Python cannot look at. Raises nothing."""
    return any(field.format in _SHOWN_AS for field in _fields(schema.__arrow_c_schema__()))


def patch_schema(schema: pa.Schema) -> pa.Schema:
    """Return the schema with its month and day-time intervals as marked int32 and int64, at any depth."""
    capsule = schema.__arrow_c_schema__()
    kept = _retype(capsule)
    patched = pa.schema(_Exported(capsule))
    del kept
    return patched


def patch_batch(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return the same rows under `patch_schema` of their schema; no value is copied."""
    schema_capsule, array_capsule = batch.__arrow_c_array__()
    kept = _retype(schema_capsule)
    patched = pa.record_batch(_Exported(schema_capsule, array_capsule))
    del kept
    return patched


class _Exported:
    """A schema, or a batch, on its way back into pyarrow."""

    def __init__(self, schema_capsule: object, array_capsule: object | None = None) -> None:
        self._schema = schema_capsule
        self._array = array_capsule

    def __arrow_c_schema__(self) -> object:
        return self._schema

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]:
        del requested_schema  # a wish that the protocol allows to ignore
        return self._schema, self._array


def _fields(capsule: object) -> Iterator[_ArrowSchema]:
    """Yield the struct of the schema itself and of all fields below; they live as long as the capsule."""
    waiting = [_ArrowSchema.from_address(_pointer_of(capsule, b"arrow_schema"))]
    while waiting:
        field = waiting.pop()
        yield field
        waiting.extend(field.children[index].contents for index in range(field.n_children))
        if field.dictionary:
            waiting.append(field.dictionary.contents)


def _retype(capsule: object) -> list[Any]:
    """Describe the intervals as integers; the result must live until the capsule has been imported."""
    kept: list[Any] = []
    for field in _fields(capsule):
        if field.format in _SHOWN_AS:
            shown, mark = _SHOWN_AS[field.format]
            pairs = [pair for pair in _read_metadata(field.metadata) if pair[0] != EXTENSION_NAME]
            packed = ctypes.create_string_buffer(_packed_metadata([*pairs, (EXTENSION_NAME, mark)]))
            kept += [packed, shown]
            field.format = shown
            field.metadata = ctypes.addressof(packed)
    return kept


def _read_metadata(address: int | None) -> list[tuple[bytes, bytes]]:
    """Return key-value pairs: an int32 count, then each text after its int32 length, in native byte order."""
    if not address:
        return []
    texts = []
    at = address + 4
    for _ in range(2 * ctypes.c_int32.from_address(address).value):
        length = ctypes.c_int32.from_address(at).value
        texts.append(ctypes.string_at(at + 4, length))
        at += 4 + length
    return list(zip(texts[::2], texts[1::2], strict=True))


def _packed_metadata(pairs: list[tuple[bytes, bytes]]) -> bytes:
    packed = [struct.pack("=i", len(pairs))]
    for text in (text for pair in pairs for text in pair):
        packed += [struct.pack("=i", len(text)), text]
    return b"".join(packed)
