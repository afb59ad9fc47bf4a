"""Cells that hold JSON already: checked, on one line, and never a reason to stop."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, NoReturn

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cloudquery_s3.formats.text.buffers import (
    Octets,
    Offsets,
    is_wide,
    memory,
    narrow,
    spans,
    spread,
    text,
    valid_flags,
    without_hidden,
)
from cloudquery_s3.formats.text.escapes import html_escaped, is_utf8, json_escaped, rows_with

if TYPE_CHECKING:
    from collections.abc import Callable

NOT_JSON: Final = "JSON that does not parse is written as a JSON string"
_SPACE: Final = ord(" ")
_BLANKS: Final = b" \t\r\n"
_VALUES: Final = msgspec.json.Decoder(msgspec.Raw)
_LIST: Final = msgspec.json.Decoder(list[msgspec.Raw])


def json_cells(cells: pa.Array, count_altered: Callable[[str, int], None], *, html: bool) -> pa.Array:
    """Return `binary` or text cells of JSON as JSON on one line each.

    Numbers, escapes, duplicate keys and their order stay as they are. Blank space around a value goes, and within one
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


def _checked(cells: pa.Array, count_altered: Callable[[str, int], None]) -> pa.Array:
    """Return cells without NULLs as JSON on one line each."""
    octets = cells.cast(pa.large_binary() if is_wide(cells.type) else pa.binary())
    try:
        texts = octets.cast(pa.string())  # checks that it is UTF-8
        values = _values(texts)
    except (pa.ArrowInvalid, msgspec.DecodeError, RecursionError):
        return _one_by_one(octets, count_altered)
    offsets, letters = spans(texts)
    if list(map(len, values)) != np.diff(offsets).tolist():
        return _one_by_one(octets, count_altered)
    lines = rows_with(letters < _SPACE, offsets)
    if not lines.any():
        return texts
    return pc.replace_with_mask(texts, pa.array(lines), _compacted(texts.filter(pa.array(lines))))


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


def _one_by_one(octets: pa.Array, count_altered: Callable[[str, int], None]) -> pa.Array:
    """Return cells of which some are not JSON, or have blank space around them."""
    values = [_value(cell.strip(_BLANKS)) for cell in octets.to_pylist()]
    bad = pa.array([value is None for value in values])
    texts = pa.array([b"" if value is None else value for value in values], pa.binary()).cast(pa.string())
    count = pc.sum(bad).as_py()
    if not count:
        return texts
    count_altered(NOT_JSON, count)
    strings = pc.binary_join_element_wise('"', json_escaped(octets.filter(bad), html=False), '"', "")
    return pc.replace_with_mask(texts, bad, strings)


def _value(cell: bytes) -> bytes | None:
    """Return one cell as JSON on one line, or None if it is none."""
    try:
        letters = cell.decode()
        if len(_LIST.decode(b"[%b]" % cell)) != 1:
            return None
        return msgspec.json.format(cell, indent=-1)
    except UnicodeDecodeError:
        return None
    except (msgspec.DecodeError, RecursionError):
        # msgspec refuses an escaped half of a surrogate pair, which is JSON all the same
        return cell.translate(None, _BLANKS[1:]) if _is_json(letters) else None


def _is_json(letters: str) -> bool:
    try:
        json.loads(letters, parse_int=str, parse_float=str, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return False
    return True


def _refuse(name: str) -> NoReturn:
    raise ValueError(name)
