"""Any Arrow column as CSV cells, and which of them need quotes.

Source: docs/formats.md, "Text, to the byte".
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv, types

from cloudquery_s3.formats.text.binary import mac_text, uuid_text
from cloudquery_s3.formats.text.buffers import Flags, Octets, Offsets, narrow, spans, text, valid_flags, validity
from cloudquery_s3.formats.text.cells import BARE, QUOTES, Cells, Overrides, are_few
from cloudquery_s3.formats.text.escapes import ranks, rows_with
from cloudquery_s3.formats.text.nested import Style, bare_text, is_bare, json_renderer, mark_of, plain_renderer
from cloudquery_s3.formats.text.network import BAD_INET, inet_text
from cloudquery_s3.formats.text.rows import whole_text
from cloudquery_s3.formats.text.utf8 import NOT_UTF8, utf8_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudquery_s3.formats.encoder import CountAltered
    from cloudquery_s3.formats.text.cells import Render

PLAIN_LETTERS: Final = frozenset(b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+-./:=")
"""What numbers, dates, base64 and the like consist of: only a delimiter among these forces quotes on them."""

_BARE_ROWS: Final = csv.WriteOptions(include_header=False, eol="", batch_size=256)
_QUOTE: Final = ord('"')
_CARRIAGE_RETURN: Final = ord("\r")
_LINE_FEED: Final = ord("\n")
_BLANKS: Final = np.isin(np.arange(256), list(b"\t\v\f "))
_TWO_BYTE_BLANKS: Final = (0xC285, 0xC2A0)
_THREE_BYTE_BLANKS: Final = (0xE19A80, *range(0xE28080, 0xE2808B), 0xE280A8, 0xE280A9, 0xE280AF, 0xE2819F, 0xE38080)
"""The UTF-8 of what Go takes for white space."""
_MAY_OPEN: Final = _BLANKS | np.isin(np.arange(256), [ord("\\"), 0xC2, 0xE1, 0xE2, 0xE3])
"""The first bytes of white space, and of `\\.` and `\\N`."""
_MAY_CLOSE: Final = _BLANKS | np.isin(
    np.arange(256), [wide & 0xFF for wide in (*_TWO_BYTE_BLANKS, *_THREE_BYTE_BLANKS)]
)
"""The last bytes of white space."""


def csv_renderer(field: pa.Field, delimiter: int, separator: str = "T") -> Render:
    """Return what renders columns of a field, of core types (`normalise`), as CSV cells between such delimiters.

    `separator` stands between the date and the time of a timestamp.

    The text is NULL where the column is.

    Raises:
        UnwritableError: the field's type cannot be written as text.
    """
    if types.is_nested(field.type):
        return partial(_nested, json_renderer(field, Style(html=True, quote='""', separator=separator)), delimiter)
    render, plain = _renderer(field, separator)
    if plain and delimiter not in PLAIN_LETTERS and chr(delimiter) != separator:
        return render
    return partial(_quoted, render, delimiter)


def _quoted(render: Render, delimiter: int, cells: pa.Array, count_altered: CountAltered) -> Cells:
    return quoted_where_needed(whole_text(render(cells, count_altered)), delimiter)


def _nested(render: Render, delimiter: int, cells: pa.Array, count_altered: CountAltered) -> Cells:
    """Render as JSON whose quotes are doubled already.

    It has no line breaks and does not begin with a blank, so quotes and the delimiter alone decide.
    """
    one = render(cells, count_altered)
    count = len(one.enclosures)
    which = np.zeros(len(cells), np.int8) if one.which is None else one.which
    letters = {'"', chr(delimiter)}
    needed = np.array([not letters.isdisjoint(before + after) for before, after in one.enclosures], np.bool_)[which]
    if not needed.all():
        offsets, octets = spans(one.text)
        needed |= rows_with((octets == _QUOTE) | (octets == delimiter), offsets)
    enclosures = (*one.enclosures, *((f'"{before}', f'{after}"') for before, after in one.enclosures))
    return Cells(one.text, enclosures, which + needed * np.int8(count))


def _renderer(field: pa.Field, separator: str) -> tuple[Render, bool]:
    """Return what makes text of a column, and whether that text only has `PLAIN_LETTERS` and `separator`."""
    kind, mark = field.type, mark_of(field)
    if mark in _MARKED:
        return _MARKED[mark]
    if types.is_string(kind) or types.is_large_string(kind):
        return _text, False
    if mark == "interval_month" or (is_bare(kind) and mark is None):
        return partial(_bare, partial(bare_text, json=False)), True
    if mark is not None or types.is_interval(kind):
        return json_renderer(field, Style(html=True)), False
    may_be_empty = types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind)
    return plain_renderer(kind, trim=False, separator=separator), not may_be_empty


def _text(cells: pa.Array, count_altered: CountAltered) -> Cells:
    texts, changed = utf8_text(cells)
    count_altered(NOT_UTF8, changed)
    return Cells(texts)


def _bare(kernel: Callable[[pa.Array], pa.Array], cells: pa.Array, _count_altered: CountAltered) -> Cells:
    return Cells(kernel(cells))


def _inet(cells: pa.Array, count_altered: CountAltered) -> Cells:
    texts, unparsable = inet_text(cells)
    count_altered(BAD_INET, unparsable)
    return _text(texts, count_altered) if unparsable else Cells(texts)


def quoted_where_needed(texts: pa.Array, delimiter: int) -> Cells:
    r"""Return text or binary cells as CSV has them: in quotes where that is needed, inner quotes doubled.

    It is for cells that hold the delimiter, a quote or a line break, begin with white space or are `\.`, as the
    reference has it; and for empty ones, so that they differ from NULL, for `\N`, which some readers take for NULL, and
    for those that end in white space, which some readers trim.
    """
    offsets, octets = spans(texts)
    quotes = octets == _QUOTE
    if not quotes.any():
        return _enclosed(Cells(narrow(texts)), _needing(texts, offsets, octets, None, delimiter))
    counts = np.diff(ranks(quotes, offsets))
    doubled = counts > 0
    if texts.null_count:
        doubled &= valid_flags(texts)
    return _enclosed(_doubled(narrow(texts), doubled, counts), _needing(texts, offsets, octets, doubled, delimiter))


def _enclosed(cells: Cells, quoted: Flags) -> Cells:
    return Cells(cells.text, (BARE, QUOTES), quoted.view(np.int8), cells.overrides) if quoted.any() else cells


def _doubled(texts: pa.Array, doubled: Flags, counts: Offsets) -> Cells:
    """Return texts, some of them in quotes, with their inner quotes doubled; `counts` of these."""
    rows = np.flatnonzero(doubled)
    if are_few(len(rows), len(texts)):
        return Cells(texts, overrides=Overrides(rows, all_quoted(texts.take(pa.array(rows)), counts[rows])))
    quoted = all_quoted(texts, counts)
    if len(rows) == len(texts) - texts.null_count:
        return Cells(quoted)
    rows = np.flatnonzero(valid_flags(texts) & ~doubled)
    others = texts.take(pa.array(rows))
    if are_few(len(rows), len(texts)):
        return Cells(quoted, overrides=Overrides(rows, others))
    mask = np.zeros(len(texts), np.bool_)
    mask[rows] = True
    return Cells(pc.replace_with_mask(quoted, pa.array(mask), others))


def _needing(texts: pa.Array, offsets: Offsets, octets: Octets, doubled: Flags | None, delimiter: int) -> Flags:
    """Return which cells need quotes, but those that are in them already."""
    lengths = np.diff(offsets)
    needed: Flags = lengths == 0
    rest = ~needed
    if doubled is not None:
        rest &= ~doubled
    if texts.null_count:
        valid = valid_flags(texts)
        needed &= valid
        rest &= valid
    if rest.any():
        bad = _begins_or_ends_badly(offsets, octets, lengths)
        bad |= _breaking(offsets, octets, delimiter)
        needed |= rest & bad
    return needed


def all_quoted(texts: pa.Array, inner_quotes: Offsets) -> pa.Array:
    """Return string cells in quotes, inner quotes doubled, whether needed or not; NULL stays NULL.

    Arrow's CSV writer does the work: one column, nothing between its rows. It is the fastest way there is to double
    quotes, and the size of each cell follows from how many it has.
    """
    sizes = np.diff(spans(texts)[0]) + inner_quotes + 2
    if texts.null_count:
        sizes[~valid_flags(texts)] = 0
    ends = np.zeros(len(texts) + 1, np.int64)
    np.cumsum(sizes, out=ends[1:])
    buffer = pa.allocate_buffer(int(ends[-1]))
    batch = pa.RecordBatch.from_arrays([texts], names=[""])
    with csv.CSVWriter(pa.FixedSizeBufferWriter(buffer), batch.schema, write_options=_BARE_ROWS) as writer:
        writer.write_batch(batch)
    return text(ends, buffer, validity(texts))


def _breaking(offsets: Offsets, octets: Octets, delimiter: int) -> Flags:
    """Return which cells hold the delimiter or a line break."""
    marks = octets == delimiter
    if int(octets.min()) <= _CARRIAGE_RETURN:
        marks |= (octets == _CARRIAGE_RETURN) | (octets == _LINE_FEED)
    return rows_with(marks, offsets) if marks.any() else np.zeros(len(offsets) - 1, np.bool_)


def _begins_or_ends_badly(offsets: Offsets, octets: Octets, lengths: Offsets) -> Flags:
    r"""Return which cells begin or end with what Go takes for white space, or are `\.` or `\N`."""
    bad = np.zeros(len(lengths), np.bool_)
    if not len(octets):
        return bad
    # an empty last cell would begin behind the end, an empty first one end before the beginning
    rows = np.flatnonzero(_MAY_OPEN.take(octets.take(offsets[:-1], mode="clip")))
    if len(rows):
        one, two, three = (_letter(offsets, octets, rows, offsets[:-1][rows] + index) for index in range(3))
        markers = (one == ord("\\")) & np.isin(two, list(b".N")) & (lengths[rows] == 2)  # noqa: PLR2004 - two letters
        bad[rows] = _BLANKS[one] | _is_blank_pair(one, two) | _is_blank_triple(one, two, three) | markers
    rows = np.flatnonzero(_MAY_CLOSE.take(octets.take(offsets[1:] - 1, mode="clip")))
    if len(rows):
        one, two, three = (_letter(offsets, octets, rows, offsets[1:][rows] - index) for index in (1, 2, 3))
        bad[rows] |= _BLANKS[one] | _is_blank_pair(two, one) | _is_blank_triple(three, two, one)
    return bad


def _is_blank_pair(one: Octets, two: Octets) -> Flags:
    blank: Flags = np.isin(one.astype(np.uint16) << 8 | two, _TWO_BYTE_BLANKS)
    return blank


def _is_blank_triple(one: Octets, two: Octets, three: Octets) -> Flags:
    blank: Flags = np.isin(one.astype(np.uint32) << 16 | two.astype(np.uint32) << 8 | three, _THREE_BYTE_BLANKS)
    return blank


def _letter(offsets: Offsets, octets: Octets, rows: Offsets, at: Offsets) -> Octets:
    """Return the bytes at these places of these cells, 0 where a place is outside of its cell."""
    inside = (at >= offsets[:-1][rows]) & (at < offsets[1:][rows])
    letters: Octets = np.where(inside, octets[np.where(inside, at, 0)], 0).astype(np.uint8)
    return letters


_MARKED: Final[dict[str | None, tuple[Render, bool]]] = {
    "json": (_text, False),
    "inet": (_inet, False),
    "uuid": (partial(_bare, uuid_text), True),
    "mac": (partial(_bare, mac_text), True),
}
