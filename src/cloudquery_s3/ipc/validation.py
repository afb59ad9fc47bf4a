"""Whether decoded data is sound: no offset, index or size in it leads outside of its buffers.

Arrow's reader checks that messages are well-formed, not that the numbers inside of their buffers are. A kernel that
follows a wrong offset ends the process, so every batch is checked before anything else touches it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from cloudquery_s3.errors import DecodeError, PayloadError, PluginError
from cloudquery_s3.ipc.c_data import Exported, fields_of

if TYPE_CHECKING:
    import numpy.typing as npt

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

_OUTSIDE: Final = "has offsets, sizes or indexes that lead outside of its data"

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


def columns_of_inner_lists(schema: pa.Schema) -> tuple[int, ...]:
    """Return the numbers of the columns with lists inside of another type: these can be empty where rows are not."""
    return tuple(
        number for number, field in enumerate(schema) if any(_has_lists(inner) for inner in _inner_types(field.type))
    )


def require_sound_lists(batch: pa.RecordBatch, columns: tuple[int, ...]) -> None:
    """Return if no list array without lists begins outside of its child array, in these columns of a batch with rows.

    Arrow's own check passes over arrays without values, and a kernel that follows their one offset ends the process.

    Raises:
        DecodeError: one does; the message names the column.
    """
    for number in columns:
        if not _lists_begin_inside(batch.column(number)):
            raise DecodeError(f"column {batch.schema.field(number).name} of a record batch {_OUTSIDE}")


def require_map_keys(batch: pa.RecordBatch) -> None:
    """Return if no map of a batch has NULL for a key.

    Arrow's reader looks at the keys' own bitmap only, and not at what a dictionary or runs refer to; whatever then
    builds the map of its plain values ends the process.

    Raises:
        DecodeError: one has; the message names the column.
    """
    for field, column in zip(batch.schema, batch.columns, strict=True):
        if not _has_all_keys(column):
            raise DecodeError(f"column {field.name} of a record batch has a map with NULL for a key")


def _has_all_keys(array: pa.Array) -> bool:
    if pa.types.is_map(array.type) and not _valid(array.keys).all():
        return False
    return all(_has_all_keys(child) for child in _child_arrays(array))


def _valid(array: pa.Array) -> npt.NDArray[np.bool_]:
    """Return which values of an array are there, those of dictionaries and runs looked up."""
    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        return _valid(array.storage)
    if pa.types.is_run_end_encoded(kind):
        rows = np.arange(array.offset, array.offset + len(array))
        found: npt.NDArray[np.bool_] = _valid(array.values)[np.searchsorted(array.run_ends.to_numpy(), rows, "right")]
        return found
    valid: npt.NDArray[np.bool_] = array.is_valid().to_numpy(zero_copy_only=False)
    if pa.types.is_dictionary(kind) and len(array.dictionary):
        valid = valid & _valid(array.dictionary)[array.indices.fill_null(0).to_numpy()]
    return valid


def _has_lists(kind: pa.DataType) -> bool:
    return _is_list(kind) or any(_has_lists(inner) for inner in _inner_types(kind))


def _inner_types(kind: pa.DataType) -> list[pa.DataType]:
    if isinstance(kind, pa.BaseExtensionType):
        return [kind.storage_type]
    if pa.types.is_dictionary(kind):
        return [kind.value_type]
    return [kind.field(index).type for index in range(kind.num_fields)]


def _lists_begin_inside(array: pa.Array) -> bool:
    if _is_list(array.type) and not len(array):
        wide = pa.types.is_large_list(array.type)
        offsets = np.frombuffer(array.buffers()[1] or b"", np.int64 if wide else np.int32)[array.offset :]
        if len(offsets) and not 0 <= offsets[0] <= len(array.values):
            return False
    return all(_lists_begin_inside(child) for child in _child_arrays(array))


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_map(kind))


def _child_arrays(array: pa.Array) -> list[pa.Array]:
    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        return [array.storage]
    if pa.types.is_dictionary(kind):
        return [array.dictionary]
    if pa.types.is_struct(kind) or pa.types.is_union(kind):
        return [array.field(index) for index in range(kind.num_fields)]
    return [array.values] if kind.num_fields else []


def _require_sound_memory(batch: pa.RecordBatch) -> None:
    """Check again with every column taken as bare memory."""
    whole = _structural_error(batch)
    for field, column in zip(batch.schema, batch.columns, strict=True):
        try:
            column.validate()  # on its way through the C data interface a buffer's size becomes what offsets say
            _bare(column).validate(full=True)
        except ARROW_ERRORS:
            # what pyarrow says may hold a cell's value
            raise DecodeError(f"column {field.name} of a record batch {_OUTSIDE}") from None
    if whole is not None:
        raise DecodeError(f"a record batch {_OUTSIDE}") from whole


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
