"""Two Arrow types that pyarrow reads but cannot show to Python: month and day-time intervals.

pyarrow imports such a column, and then any access to its type raises `KeyError`. In the C data interface `tiM`
becomes int32, `tiD` becomes int64 with the days in its low 32 bits, the milliseconds in the high ones. The
values are not touched, and the field is marked so that the formats know what the integers mean (`table.Extension`).
"""

from __future__ import annotations

import ctypes
import struct
from typing import Any, Final

import pyarrow as pa

from cloudquery_s3.ipc.c_data import Exported, fields_of
from cloudquery_s3.table import EXTENSION_NAME

_SHOWN_AS: Final = {b"tiM": (b"i", b"interval_month"), b"tiD": (b"l", b"interval_day_time")}


def has_hidden_intervals(schema: pa.Schema) -> bool:
    """Tell whether a column, at any depth, is of a type that Python cannot look at. Raises nothing."""
    return any(field.format in _SHOWN_AS for field in fields_of(schema.__arrow_c_schema__()))


def shown_schema(schema: pa.Schema) -> pa.Schema:
    """Return the schema with its month and day-time intervals as marked int32 and int64, at any depth."""
    capsule = schema.__arrow_c_schema__()
    kept = _replace_formats(capsule)
    shown = pa.schema(Exported(capsule))
    del kept
    return shown


def shown_batch(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return the same rows under `shown_schema` of their schema; no value is copied."""
    schema_capsule, array_capsule = batch.__arrow_c_array__()
    kept = _replace_formats(schema_capsule)
    shown = pa.record_batch(Exported(schema_capsule, array_capsule))
    del kept
    return shown


def _replace_formats(capsule: object) -> list[Any]:
    """Describe the intervals as integers; the result must live until the capsule has been imported."""
    kept: list[Any] = []
    for field in fields_of(capsule):
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
