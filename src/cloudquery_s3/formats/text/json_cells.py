"""Cells that hold JSON already: checked, on one line, and never a reason to stop."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cloudquery_s3.formats.text.buffers import (
    Octets,
    Offsets,
    memory,
    narrow,
    spans,
    spread,
    text,
    valid_flags,
    without_hidden,
)
from cloudquery_s3.formats.text.escapes import html_escaped, is_utf8, json_escaped, rows_with
from cloudquery_s3.formats.text.utf8 import NOT_UTF8, utf8_text

if TYPE_CHECKING:
    from cloudquery_s3.formats.encoder import CountAltered

HALF_SURROGATES: Final = "half of a surrogate pair in JSON is replaced by U+FFFD"
NOT_JSON: Final = "JSON that does not parse is written as a JSON string"
_SPACE: Final = ord(" ")
_BLANKS: Final = b" \t\r\n"
_MAY_BE_HALF: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_ESCAPES: Final = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
_VALUES: Final = msgspec.json.Decoder(msgspec.Raw)
_LIST: Final = msgspec.json.Decoder(list[msgspec.Raw])


def json_cells(cells: pa.Array, count_altered: CountAltered, *, html: bool) -> pa.Array:
    """Return `binary` or text cells of JSON as JSON on one line each.

    Numbers, escapes, duplicate keys and their order stay as they are, but for halves of surrogate pairs, which are
    replaced and counted, as are bytes that are not UTF-8. Blank space around a value goes, and within one
    that holds line breaks or tabs. An empty cell is NULL. A cell that is not JSON becomes a JSON string of its text and
    is counted. With `html`, `<`, `>`, `&`, U+2028 and U+2029 are escaped, as the reference does inside lists and maps.

    Source: docs/compatibility.md, "File contents": the reference fails the table for a cell that is not JSON.
    """
    cells = _blank_as_null(cells)
    offsets, octets = spans(cells)
    if _are_json(cells, np.diff(offsets), octets) and not html:
        return narrow(cells)
    present = cells.drop_null() if cells.null_count else cells
    texts = _checked(present, count_altered)
    return spread(html_escaped(texts) if html else texts, cells)


def _blank_as_null(cells: pa.Array) -> pa.Array:
    """Return cells that are NULL exactly where they have no bytes."""
    offsets, octets = spans(cells)
    lengths = np.diff(offsets)
    present = valid_flags(cells) & (lengths > 0)
    if int(present.sum()) < len(cells) - cells.null_count:
        cells = text(offsets, octets, pa.py_buffer(np.packbits(present, bitorder="little")))
    return without_hidden(cells)


def _are_json(cells: pa.Array, lengths: Offsets, octets: Octets) -> bool:
    """Tell whether all cells can be written as they are. It is the common answer, and this the cheapest way to it.

    Their bytes are parsed as they lie in memory, one behind the other. Each cell is one JSON value, without blank space
    around it, if there are as many values and each is as long as its cell. Where values run into each other, as numbers
    do, the answer is no.
    """
    if not len(octets):
        return True
    # as signed numbers, bytes that are not ASCII are below all others: one pass tells of them and of control characters
    if int(octets.view(np.int8).min()) < _SPACE and (int(octets.min()) < _SPACE or not is_utf8(cells)):
        return False
    try:
        values = _VALUES.decode_lines(memory(octets))
    except (msgspec.DecodeError, RecursionError):
        return False
    return np.array_equal(np.fromiter(map(len, values), np.int64, len(values)), lengths[lengths > 0])


def _checked(cells: pa.Array, count_altered: CountAltered) -> pa.Array:
    """Return cells without NULLs as JSON on one line each."""
    texts, changed = utf8_text(cells)
    texts = narrow(texts)
    count_altered(NOT_UTF8, changed)
    try:
        values = _values(texts)
    except (msgspec.DecodeError, RecursionError):
        return _one_by_one(texts, count_altered)
    offsets, letters = spans(texts)
    if list(map(len, values)) != np.diff(offsets).tolist():
        return _one_by_one(texts, count_altered)
    lines = rows_with(letters < _SPACE, offsets)
    if not lines.any():
        return texts
    return pc.replace_with_mask(texts, pa.array(lines), _compacted(texts.filter(pa.array(lines))).cast(texts.type))


def _values(texts: pa.Array) -> list[msgspec.Raw]:
    """Return the elements of the list that texts make when commas stand between them.

    Each text is one JSON value, without blank space around it, if there are as many elements and each is as long as its
    text: a comma or bracket too many in one cell cannot make up for one too few in another.

    Raises:
        msgspec.DecodeError: they make no list.
        RecursionError: a value is nested too deeply.
    """
    return _LIST.decode(_joined(texts))


def _joined(texts: pa.Array) -> bytes:
    whole = pa.ListArray.from_arrays(pa.array([0, len(texts)], pa.int32()), texts)
    return b"".join((b"[", pc.binary_join(whole, ",")[0].as_buffer(), b"]"))


def _compacted(texts: pa.Array) -> pa.Array:
    """Return JSON texts without any blank space outside strings."""
    values = _LIST.decode(msgspec.json.format(_joined(texts), indent=-1))
    return pa.array(list(map(bytes, values)), pa.binary()).cast(pa.string())


def _one_by_one(texts: pa.Array, count_altered: CountAltered) -> pa.Array:
    """Return cells of which some are not JSON, hold half a surrogate pair, or have blank space around them."""
    values = [_value(cell.strip(_BLANKS)) for cell in texts.cast(pa.large_binary()).to_pylist()]
    lines = pa.array([value.text for value in values], pa.large_binary()).cast(texts.type)
    count_altered(HALF_SURROGATES, sum(value.mended for value in values))
    bad = lines.is_null()
    count = pc.sum(bad, min_count=0).as_py()
    if not count:
        return lines
    count_altered(NOT_JSON, count)
    strings = pc.binary_join_element_wise('"', json_escaped(texts.filter(bad), html=False), '"', "")
    return pc.replace_with_mask(lines, bad, strings.cast(texts.type))


class _Value(NamedTuple):
    """What becomes of one cell.

    Attributes:
        text: JSON on one line, or None if the cell is no JSON.
        mended: whether a half of a surrogate pair had to be replaced.
    """

    text: bytes | None
    mended: bool = False


def _value(cell: bytes) -> _Value:
    text = _compact(cell)
    if text is None and _MAY_BE_HALF.search(cell):
        mended = without_half_surrogates(cell)
        text = _compact(mended)
        return _Value(text, mended=text is not None)
    return _Value(text)


def _compact(cell: bytes) -> bytes | None:
    try:
        return msgspec.json.format(cell, indent=-1) if len(_LIST.decode(b"[%b]" % cell)) == 1 else None
    except (msgspec.DecodeError, RecursionError):
        return None


def without_half_surrogates(document: bytes) -> bytes:
    r"""Return JSON with `\ufffd` for each escaped half of a surrogate pair that stands alone.

    RFC 8259 lets such a document be JSON; most readers refuse the whole file.
    """
    return _ESCAPES.sub(lambda match: b"\\ufffd" if match["half"] else match[0], document)
