"""Letters that JSON writes otherwise, replaced in whole columns.

The way of all functions here: the column's bytes are one long text that a fast replacing function rewrites at once, and
the new offsets follow from how many replaced letters stand before each old one.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa

from cloudquery_s3.formats.text.buffers import Flags, Octets, Offsets, narrow, spans, text, validity, without_hidden
from cloudquery_s3.formats.text.cells import Cells, Overrides, are_few
from cloudquery_s3.formats.text.rows import whole_text
from cloudquery_s3.formats.text.utf8 import NOT_UTF8

if TYPE_CHECKING:
    from cloudquery_s3.formats.encoder import CountAltered

_QUOTE: Final = ord('"')
_BACKSLASH: Final = ord("\\")
_SPACE: Final = ord(" ")
_ASCII_END: Final = 0x80
_LINE_SEPARATOR_LEAD: Final = 0xE2
_HTML: Final = b"<>&"
_SHORT_CONTROLS: Final = (0x09, 0x0A, 0x0D)
_CONTROLS_OF_OTHERS: Final = (0x08, 0x0C)
"""Go writes `\\u0008` and `\\u000c` where others write `\\b` and `\\f`."""
_STRAYS: Final = re.compile("[\udc80-\udcff]")
"""The code units that "surrogateescape" makes of bytes that are not UTF-8; no valid text has them."""
_BLOCK_BYTES: Final = 1 << 18


def ranks(marks: Flags, offsets: Offsets) -> npt.NDArray[np.int64]:
    """Return for each offset how many marks stand before it."""
    packed = np.zeros((len(marks) // 64 + 1) * 8, np.uint8)
    bits = np.packbits(marks, bitorder="little")
    packed[: len(bits)] = bits
    words = packed.view(np.uint64)
    before = np.zeros(len(words), np.int64)
    np.cumsum(np.bitwise_count(words[:-1]), out=before[1:])
    at = offsets.astype(np.int64)
    word = at >> 6
    partial = words[word] & ((np.uint64(1) << (at & 63).astype(np.uint64)) - np.uint64(1))
    found: npt.NDArray[np.int64] = before[word] + np.bitwise_count(partial)
    return found


def rows_with(marks: Flags, offsets: Offsets) -> Flags:
    """Return which cells have a mark."""
    cells = len(offsets) - 1
    if np.count_nonzero(marks) >= cells:
        return np.diff(ranks(marks, offsets)) > 0
    touched = np.zeros(cells, np.bool_)
    touched[np.searchsorted(offsets, np.flatnonzero(marks), "right") - 1] = True
    return touched


def json_escaped(cells: pa.Array, *, html: bool) -> pa.Array:
    """Return cells of UTF-8 text as the inside of JSON strings, with `<`, `>` and `&` escaped where `html`."""
    return whole_text(json_insides(cells, lambda _reason, _cells: None, html=html))


def json_insides(cells: pa.Array, count_altered: CountAltered, *, html: bool) -> Cells:
    r"""Return text cells as the inside of JSON strings; the escaped cells override the others where they are few.

    Each byte that is not UTF-8 becomes `\ufffd`, and its cell is counted.
    """
    cells = without_hidden(cells)
    offsets, octets = spans(cells)
    if not len(octets):
        return Cells(narrow(cells))
    if int(octets.max()) >= _ASCII_END and not is_utf8(cells):
        return Cells(_escaped_one_by_one(cells, count_altered, html=html))
    marks = _json_marks(octets, html=html)
    if marks is None:
        return Cells(narrow(cells))
    touched = np.flatnonzero(rows_with(marks, offsets))
    if not are_few(len(touched), len(cells)):
        return Cells(_json_escaped_whole(cells, html=html))
    return Cells(
        narrow(cells), overrides=Overrides(touched, _json_escaped_whole(cells.take(pa.array(touched)), html=html))
    )


def html_escaped(cells: pa.Array) -> pa.Array:
    """Return JSON text with `<`, `>`, `&`, U+2028 and U+2029 escaped, which all only occur within its strings."""
    offsets, octets = spans(cells)
    marks = _marks_of(octets, _HTML)
    separators = _separators(octets)
    if not marks.any() and separators is None:
        return cells
    ends = offsets.astype(np.int64) + 5 * ranks(marks, offsets)
    if separators is not None:
        ends += 3 * ranks(separators, offsets)
    return text(ends, _replace_html(octets.tobytes()), validity(cells))


def is_utf8(cells: pa.Array) -> bool:
    """Tell whether all text or binary cells are UTF-8."""
    try:
        narrow(cells).validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _json_marks(octets: Octets, *, html: bool) -> Flags | None:
    """Return which bytes JSON escapes, or None where none does."""
    marks: Flags = octets < _SPACE
    marks |= octets == _QUOTE
    marks |= octets == _BACKSLASH
    if html:
        marks |= _marks_of(octets, _HTML)
    separators = _separators(octets)
    if separators is not None:
        marks |= separators
    return marks if marks.any() else None


def _marks_of(octets: Octets, letters: bytes) -> Flags:
    marks = np.zeros(len(octets), np.bool_)
    for letter in letters:
        marks |= octets == letter
    return marks


def _separators(octets: Octets) -> Flags | None:
    """Return where U+2028 or U+2029 begin in UTF-8 text, or None where there is none."""
    lead = octets == _LINE_SEPARATOR_LEAD
    if not lead.any():
        return None
    lead[-2:] = False
    lead[:-2] &= (octets[1:-1] == 0x80) & ((octets[2:] & 0xFE) == 0xA8)  # noqa: PLR2004 - the UTF-8 of both
    return lead if lead.any() else None


def _json_escaped_whole(cells: pa.Array, *, html: bool) -> pa.Array:
    offsets, octets = spans(cells)
    quoting = (octets == _QUOTE) | (octets == _BACKSLASH)
    controls = octets < _SPACE
    short = _marks_of(octets, bytes(_SHORT_CONTROLS)) if controls.any() else controls
    ends = offsets.astype(np.int64) + ranks(quoting | short, offsets)
    if controls.any():
        ends += 5 * ranks(controls & ~short, offsets)
    if html:
        ends += 5 * ranks(_marks_of(octets, _HTML), offsets)
    separators = _separators(octets)
    if separators is not None:
        ends += 3 * ranks(separators, offsets)
    letters = _escape_in_blocks(offsets, octets)
    return text(ends, _replace_html(letters) if html else _replace_separators(letters), validity(cells))


def _escape(octets: bytes) -> bytes:
    """Return UTF-8 text escaped as within a JSON string; U+2028 and U+2029 stay."""
    if not any(bytes((control,)) in octets for control in _CONTROLS_OF_OTHERS):
        return orjson.dumps(octets.decode())[1:-1]
    octets = octets.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    octets = octets.replace(b"\t", b"\\t").replace(b"\n", b"\\n").replace(b"\r", b"\\r")
    for control in range(_SPACE):
        octets = octets.replace(bytes((control,)), b"\\u%04x" % control)
    return octets


def _replace_html(octets: bytes) -> bytes:
    octets = octets.replace(b"<", b"\\u003c").replace(b">", b"\\u003e").replace(b"&", b"\\u0026")
    return _replace_separators(octets)


def _replace_separators(octets: bytes) -> bytes:
    return octets.replace(b"\xe2\x80\xa8", b"\\u2028").replace(b"\xe2\x80\xa9", b"\\u2029")


def _escaped_one_by_one(cells: pa.Array, count_altered: CountAltered, *, html: bool) -> pa.Array:
    """Escape cells of which some are not UTF-8."""
    octets = narrow(cells).cast(pa.binary()).to_pylist()
    parts = [None if cell is None else _STRAYS.split(cell.decode("utf-8", "surrogateescape")) for cell in octets]
    count_altered(NOT_UTF8, sum(part is not None and len(part) > 1 for part in parts))
    return narrow(pa.array([None if part is None else _escaped(part, html=html) for part in parts], pa.binary()))


def _escaped(valid: list[str], *, html: bool) -> bytes:
    """Return the valid parts of a cell, escaped, with a replacement between them."""
    escaped = b"\\ufffd".join([_escape(part.encode()) for part in valid])
    return _replace_html(escaped) if html else _replace_separators(escaped)


def _escape_in_blocks(offsets: Offsets, octets: Octets) -> bytes:
    """Escape UTF-8 text in blocks of whole cells that stay in the processor's cache."""
    cuts = np.searchsorted(offsets, np.arange(_BLOCK_BYTES, len(octets), _BLOCK_BYTES))
    blocks = pairwise([0, *np.unique(offsets[cuts]).tolist(), len(octets)])
    return b"".join([_escape(octets[start:end].tobytes()) for start, end in blocks])
