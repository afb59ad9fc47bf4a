"""Text that claims to be UTF-8, made so."""

from __future__ import annotations

import codecs
from typing import Final

import numpy as np
import pyarrow as pa

from cloudquery_s3.formats.text.buffers import is_wide, spans

NOT_UTF8: Final = "bytes that are not UTF-8 are replaced by U+FFFD"
_HANDLER: Final = "cloudquery_s3.each_byte"


def _each_byte(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "\ufffd" * (error.end - error.start), error.end


codecs.register_error(_HANDLER, _each_byte)


def utf8_text(cells: pa.Array) -> tuple[pa.Array, int]:
    """Return text or binary cells as valid text, and how many cells had to be changed for that.

    Each byte that is no part of a UTF-8 character becomes U+FFFD. The result is `large_string` where the input counts
    with 64-bit offsets, else `string`. Checking costs a pass at memory speed; where all is well nothing is copied.
    """
    kind = pa.large_string() if is_wide(cells.type) else pa.string()
    if _is_ascii(cells):
        return cells if cells.type == kind else _seen_as(kind, cells), 0
    octets = _seen_as(pa.large_binary() if is_wide(cells.type) else pa.binary(), cells)
    try:
        return octets.cast(kind), 0
    except pa.ArrowInvalid:
        pass
    texts: list[str | None] = []
    changed = 0
    for cell in octets.to_pylist():
        try:
            texts.append(None if cell is None else cell.decode())
        except UnicodeDecodeError:
            texts.append(cell.decode(errors=_HANDLER))
            changed += 1
    return pa.array(texts, kind), changed


def _seen_as(kind: pa.DataType, cells: pa.Array) -> pa.Array:
    """Return text or binary cells as a type of the same layout, without a check."""
    return pa.Array.from_buffers(kind, len(cells), cells.buffers(), offset=cells.offset)


def _is_ascii(cells: pa.Array) -> bool:
    """Tell whether no byte of the cells is above 127: in one vectorised pass over all of them."""
    _, data = spans(cells)
    return not len(data) or bool(data.view(np.int8).min() >= 0)
