"""Whether decoded data is sound: no offset, index or size in it leads outside of its buffers.

Arrow's reader checks that messages are well-formed, not that the numbers inside of their buffers are. A kernel that
follows a wrong offset ends the process, so every batch is checked before anything else touches it.
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from cloudquery_s3.errors import DecodeError, PayloadError, PluginError
from cloudquery_s3.ipc.c_data import Exported, fields_of

ARROW_ERRORS: Final = (
    pa.ArrowException,
    OSError,
    EOFError,
    ValueError,
    TypeError,
    KeyError,
    OverflowError,
    MemoryError,
)
"""What pyarrow raises on bytes that are no Arrow data."""

_BARE: Final = {
    b"u": b"z",
    b"U": b"Z",
    b"vu": b"vz",
    b"tts": b"i",
    b"ttm": b"i",
    b"ttu": b"l",
    b"ttn": b"l",
    b"tdm": b"l",
}
"""Types whose values have a meaning that can be violated, and types of the same layout whose values have none: text and
binary, times and dates and integers, as the C data interface writes them."""

_DECIMAL_BYTES: Final = 16
"""What a decimal takes whose format names no width."""


def of_table(table: str, error: DecodeError) -> PluginError:
    """Return what is wrong with a payload as an error of its table; as it is where no table is known."""
    return PayloadError(table, str(error)) if table else error


def require_sound(batch: pa.RecordBatch) -> None:
    """Return if no number in a batch leads outside of its memory. What its values mean is not looked at.

    Text that is not UTF-8, a time of 24:00, a date64 with a time of day and a decimal above its precision are no
    errors: sources send them, and each format has its way to write them.

    Raises:
        DecodeError: it would; the message names the column.
    """
    try:
        batch.validate(full=True)
    except pa.ArrowInvalid:
        _require_sound_memory(batch)


def _require_sound_memory(batch: pa.RecordBatch) -> None:
    """Check again with every column taken as bare memory."""
    problem = "has offsets, sizes or indexes that lead outside of its data"
    whole = _structural_error(batch)
    for field, column in zip(batch.schema, batch.columns, strict=True):
        try:
            column.validate()  # on its way through the C data interface a buffer's size becomes what offsets say
            _bare(column).validate(full=True)
        except ARROW_ERRORS:
            # what pyarrow says may hold a cell's value
            raise DecodeError(f"column {field.name} of a record batch {problem}") from None
    if whole is not None:
        raise DecodeError(f"a record batch {problem}") from whole


def _structural_error(batch: pa.RecordBatch) -> pa.ArrowInvalid | None:
    """Return what is wrong with lengths and null counts; asked for after its columns, a batch no longer tells."""
    try:
        batch.validate()
    except pa.ArrowInvalid as error:
        return error
    return None


def _bare(array: pa.Array) -> pa.Array:
    """Return the same memory with a bare type for every type that has a meaning, at any depth."""
    schema, data = array.__arrow_c_array__()
    for field in fields_of(schema):
        field.metadata = None  # an extension type would not take another storage
        field.format = _bare_format(field.format)
    return pa.array(Exported(schema, data))


def _bare_format(form: bytes) -> bytes:
    if not form.startswith(b"d:"):
        return _BARE.get(form, form)
    width_bits = form[2:].split(b",")[2:]
    return b"w:%d" % (int(width_bits[0]) // 8 if width_bits else _DECIMAL_BYTES)
