"""Whether decoded data is sound: no offset, index or size in it leads outside of its buffers.

Arrow's reader checks that messages are well-formed, not that the numbers inside of their buffers are. A kernel that
follows a wrong offset ends the process, so every batch is checked before anything else touches it.
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from cloudquery_s3.errors import DecodeError

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

_BINARY_OF: Final = {
    pa.string(): pa.binary(),
    pa.large_string(): pa.large_binary(),
    pa.string_view(): pa.binary_view(),
}


def require_sound(batch: pa.RecordBatch) -> None:
    """Return if no value of a batch leads outside of its memory. Strings may hold any bytes.

    Invalid UTF-8 is no error: CloudQuery's sources send it, and each format has its way to write it.

    Raises:
        DecodeError: it would; the message names the column and what is wrong.
    """
    try:
        batch.validate(full=True)
    except pa.ArrowInvalid:
        _require_sound_columns(batch)


def _require_sound_columns(batch: pa.RecordBatch) -> None:
    """Check again with every string taken as binary, so that only bytes that are not UTF-8 pass."""
    try:
        batch.validate()
    except pa.ArrowInvalid as error:
        raise DecodeError(f"a record batch is not sound: {error}") from error
    for field, column in zip(batch.schema, batch.columns, strict=True):
        try:
            bare = _without_text(field.type)
            (column if bare == field.type else column.view(bare)).validate(full=True)
        except ARROW_ERRORS as error:
            raise DecodeError(f"column {field.name} of a record batch is not sound: {error}") from error


def _without_text(kind: pa.DataType) -> pa.DataType:
    """Return the type of the same memory layout that has binary for every string."""
    types = pa.types
    if types.is_map(kind):
        return pa.map_(_without_text(kind.key_type), _without_text(kind.item_type))
    if types.is_large_list(kind):
        return pa.large_list(_without_text(kind.value_type))
    if types.is_fixed_size_list(kind):
        return pa.list_(_without_text(kind.value_type), kind.list_size)
    if types.is_list(kind):
        return pa.list_(_without_text(kind.value_type))
    if types.is_struct(kind):
        return pa.struct([(field.name, _without_text(field.type)) for field in kind])
    return _BINARY_OF.get(kind, kind)
