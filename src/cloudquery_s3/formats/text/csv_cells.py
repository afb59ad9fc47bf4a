"""Any Arrow column as CSV cells, and which of them need quotes.

Source: contract D.1, D.3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
from pyarrow import types

from cloudquery_s3.formats.text.buffers import Flags, Octets, Offsets, spans, valid_flags
from cloudquery_s3.formats.text.escapes import quotes_doubled, ranks
from cloudquery_s3.formats.text.nested import bare_text, is_bare, json_text, mark_of, plain_text
from cloudquery_s3.formats.text.network import inet_text
from cloudquery_s3.formats.text.octets import mac_text, uuid_text
from cloudquery_s3.formats.text.rows import Cells
from cloudquery_s3.formats.text.spans_of_time import interval_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from cloudquery_s3.table import Extension

    Report: TypeAlias = Callable[[str, int], None]

BAD_INET: Final = "a network address that does not parse is written as it is"
PLAIN_LETTERS: Final = frozenset(b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+-./:=")
"""What numbers, dates, base64 and the like consist of: only a delimiter among these forces quotes on them."""

_UNSAFE: Final = b'"\r\n'
_BLANK_FIRST: Final = np.isin(np.arange(256), list(b"\t\v\f "))
_OPENS_BLANK: Final = np.isin(np.arange(256), [*b"\t\v\f \\", 0xC2, 0xE1, 0xE2, 0xE3])
"""The first bytes of what Go takes for white space, and of `\\.`."""


def csv_text(cells: pa.Array, field: pa.Field, delimiter: int, report: Report) -> Cells:
    """Return a column of core types (`normalise`) as CSV cells for a delimiter, NULL where NULL.

    `report(reason, count)` is called for cells that are not written as they came.
    """
    texts, plain = _text(cells, field, report)
    if plain and delimiter not in PLAIN_LETTERS:
        return Cells(texts)
    return quoted_where_needed(texts, delimiter)


def _text(cells: pa.Array, field: pa.Field, report: Report) -> tuple[pa.Array, bool]:
    """Return a column as text, and whether it only has `PLAIN_LETTERS`."""
    kind, mark = cells.type, mark_of(field)
    if mark is not None:
        return _extension(cells, mark, report)
    if types.is_string(kind) or types.is_large_string(kind):
        return cells, False
    if types.is_nested(kind) or types.is_interval(kind):
        return json_text(cells, field, report, html=True).text, False
    return (bare_text(cells, json=False) if is_bare(kind) else plain_text(cells, report, trim=False)), True


def _extension(cells: pa.Array, mark: Extension, report: Report) -> tuple[pa.Array, bool]:
    if mark == "json":
        return cells, False
    if mark == "inet":
        texts, unparsable = inet_text(cells)
        report(BAD_INET, unparsable)
        return texts, not unparsable
    if mark == "uuid":
        return uuid_text(cells), True
    if mark == "mac":
        return mac_text(cells), True
    return interval_text(cells, mark), False


def quoted_where_needed(texts: pa.Array, delimiter: int) -> Cells:
    r"""Return text or binary cells with their quotes doubled, and which of them stand in quotes.

    Those do that hold the delimiter, a quote or a line break, begin with white space or are `\.`, as the reference has
    it; and empty ones, so that they differ from NULL (contract H23).
    """
    offsets, octets = spans(texts)
    lengths = np.diff(offsets)
    quoted = _opens_badly(offsets, octets, lengths) | (lengths == 0)
    marks = octets == delimiter
    for letter in _UNSAFE:
        marks |= octets == letter
    if marks.any():
        quoted |= np.diff(ranks(marks, offsets)) > 0
    if texts.null_count:
        quoted &= valid_flags(texts)
    return Cells(quotes_doubled(texts), quoted if quoted.any() else False)


def never_blank(cells: Cells) -> Cells:
    """Return a column of which no cell is written as nothing, for a table of this column only: NULL is quoted."""
    if not cells.text.null_count:
        return cells
    return Cells(cells.text.fill_null(""), cells.quoted | ~valid_flags(cells.text))


def _opens_badly(offsets: Offsets, octets: Octets, lengths: Offsets) -> Flags:
    r"""Return which cells begin with what Go takes for white space, or are `\.`."""
    bad = np.zeros(len(lengths), np.bool_)
    if not len(octets):
        return bad
    # an empty last cell would begin behind the end
    first = octets[np.minimum(offsets[:-1], len(octets) - 1)]
    rows = np.flatnonzero(_OPENS_BLANK[first] & (lengths > 0))
    if not len(rows):
        return bad
    one, two, three = (_letter(offsets, octets, rows, index) for index in range(3))
    pair = one.astype(np.uint16) << 8 | two
    bad[rows] = (
        _BLANK_FIRST[one]
        | ((pair == ord("\\") << 8 | ord(".")) & (lengths[rows] == 2))  # noqa: PLR2004 - the two letters before
        | np.isin(pair, [0xC285, 0xC2A0])
        | ((pair == 0xE280) & ((three - 0x80 <= 0x0A) & (three >= 0x80) | np.isin(three, [0xA8, 0xA9, 0xAF])))  # noqa: PLR2004 - UTF-8 of U+2000 to U+202F
        | np.isin(pair.astype(np.uint32) << 8 | three, [0xE19A80, 0xE2819F, 0xE38080])
    )
    return bad


def _letter(offsets: Offsets, octets: Octets, rows: Offsets, index: int) -> Octets:
    """Return one byte of each of these cells, 0 where a cell has ended."""
    at = offsets[:-1][rows].astype(np.int64) + index
    inside = at < offsets[1:][rows]
    letters: Octets = np.where(inside, octets[np.where(inside, at, 0)], 0).astype(np.uint8)
    return letters
