"""Any Arrow column as JSON text, lists, structs and maps at any depth included.

Source: docs/formats.md, "Text, to the byte".
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from cloudquery_s3.formats.encoder import UnwritableError
from cloudquery_s3.formats.text.binary import UUID_BYTES, base64_text, mac_text, uuid_text
from cloudquery_s3.formats.text.buffers import spans, with_validity
from cloudquery_s3.formats.text.cells import BARE, Cells, Overrides, quoted_values
from cloudquery_s3.formats.text.durations import duration_text, interval_json
from cloudquery_s3.formats.text.escapes import json_escaped, json_insides
from cloudquery_s3.formats.text.json_cells import json_cells
from cloudquery_s3.formats.text.numbers import decimal_cells, float_text
from cloudquery_s3.formats.text.renderers import Renderers
from cloudquery_s3.formats.text.rows import joined_bytes, joined_rows
from cloudquery_s3.formats.text.temporal import date_cells, time_cells, timestamp_cells
from cloudquery_s3.table import Extension, extension_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cloudquery_s3.chunk import Chunk
    from cloudquery_s3.formats.encoder import CountAltered
    from cloudquery_s3.formats.text.cells import Render


class Style(NamedTuple):
    """How JSON is spelled.

    Attributes:
        html: whether `<`, `>` and `&` are escaped; inside lists and maps they always are.
        quote: what is written for each quote: one, or two as inside a quoted CSV cell.
        separator: what stands between the date and the time of a timestamp.
    """

    html: bool
    quote: str = '"'
    separator: str = "T"


_NO_TEXT: Final = "a column of type {} cannot be written as text"


def mark_of(field: pa.Field) -> Extension | None:
    """Return a field's extension type if its storage can hold it; a mark on anything else is ignored."""
    mark, kind = extension_of(field), field.type
    fits = {
        "uuid": types.is_fixed_size_binary(kind) and kind.byte_width == UUID_BYTES,
        "interval_month": types.is_int32(kind),
        "interval_day_time": types.is_int64(kind),
        "bool8": False,  # on int8 it is a boolean before it comes here
    }
    textual = (
        types.is_binary(kind) or types.is_large_binary(kind) or types.is_string(kind) or types.is_large_string(kind)
    )
    return mark if mark is not None and fits.get(mark, textual) else None


def json_renderer(field: pa.Field, style: Style) -> Render:
    """Return what renders columns of a field, of core types (`normalise`), as JSON.

    The text is NULL where the column is, and lacks the quotes around strings.

    Raises:
        UnwritableError: the field's type cannot be written as text.
    """
    if types.is_nested(field.type):
        return _nested(field.type, style)
    render = _flat(field, style)
    return render if style.quote == '"' else partial(_requoted, render, style.quote)


def _flat(field: pa.Field, style: Style) -> Render:
    kind, mark = field.type, mark_of(field)
    if mark is not None:
        return _marked(mark, html=style.html)
    if types.is_string(kind) or types.is_large_string(kind):
        return partial(_string, html=style.html)
    if types.is_interval(kind):
        return partial(_bare, partial(interval_json, mark=None))
    if is_bare(kind):
        return partial(_bare, partial(bare_text, json=True))
    return partial(_plain, plain_renderer(kind, trim=True, separator=style.separator))


def _requoted(render: Render, quote: str, cells: pa.Array, count_altered: CountAltered) -> Cells:
    """Render with another text for each quote."""
    one = render(cells, count_altered)
    enclosures = tuple((before.replace('"', quote), after.replace('"', quote)) for before, after in one.enclosures)
    overrides = one.overrides and Overrides(one.overrides.rows, _with_quotes(one.overrides.text, quote))
    return Cells(_with_quotes(one.text, quote), enclosures, one.which, overrides)


def _with_quotes(texts: pa.Array, quote: str) -> pa.Array:
    return pc.replace_substring(texts, '"', quote) if (spans(texts)[1] == ord('"')).any() else texts


def _bare(kernel: Callable[[pa.Array], pa.Array], cells: pa.Array, _count_altered: CountAltered) -> Cells:
    return Cells(kernel(cells))


def _quoted(kernel: Callable[[pa.Array], pa.Array], cells: pa.Array, _count_altered: CountAltered) -> Cells:
    return quoted_values(Cells(kernel(cells)))


def _string(cells: pa.Array, count_altered: CountAltered, *, html: bool) -> Cells:
    return quoted_values(json_insides(cells, count_altered, html=html))


def _plain(kernel: Render, cells: pa.Array, count_altered: CountAltered) -> Cells:
    return quoted_values(kernel(cells, count_altered))


def _marked(mark: Extension, *, html: bool) -> Render:
    if mark == "json":
        return partial(_json, html=html)
    if mark == "inet":
        return partial(_string, html=html)
    kernels: dict[str, Callable[[pa.Array], pa.Array]] = {
        "uuid": uuid_text,
        "mac": partial(mac_text, empty=""),
    }
    return partial(_quoted, kernels[mark]) if mark in kernels else partial(_bare, partial(interval_json, mark=mark))


def _json(cells: pa.Array, count_altered: CountAltered, *, html: bool) -> Cells:
    return Cells(json_cells(cells, count_altered, html=html))


def is_bare(kind: pa.DataType) -> bool:
    """Tell whether JSON writes a type without quotes: numbers (but no decimals), booleans, null."""
    return bool(types.is_boolean(kind) or types.is_integer(kind) or types.is_floating(kind) or types.is_null(kind))


def bare_text(cells: pa.Array, *, json: bool) -> pa.Array:
    """Return cells that `is_bare`: as JSON or, where floats follow another rule, as CSV."""
    if types.is_null(cells.type):
        return pa.nulls(len(cells), pa.string())
    return float_text(cells, json=json) if types.is_floating(cells.type) else cells.cast(pa.string())


def plain_renderer(kind: pa.DataType, *, trim: bool, separator: str) -> Render:
    """Return what makes text, without need of escapes, of dates, times, decimals, durations and binary data.

    `trim` cuts the fraction of a time of day to its significant digits, as JSON has it; `separator` stands between the
    date and the time of a timestamp.

    Raises:
        UnwritableError: the type is none of these.
    """
    if types.is_timestamp(kind):
        return partial(timestamp_cells, separator=separator)
    if types.is_time(kind):
        return partial(time_cells, trim=trim)
    if types.is_date(kind):
        return date_cells
    if types.is_decimal(kind):
        return decimal_cells
    for is_kind, kernel in _PLAIN_KERNELS:
        if is_kind(kind):
            return partial(_bare, kernel)
    raise UnwritableError(_NO_TEXT.format(kind))


def _nested(kind: pa.DataType, style: Style) -> Render:
    if types.is_struct(kind):
        members = [kind.field(index) for index in range(kind.num_fields)]
        return partial(_struct, ObjectText(members, style))
    if types.is_map(kind):
        members = [kind.key_field.with_name("key"), kind.item_field.with_name("value")]
        return partial(_map, partial(_struct, ObjectText(members, style._replace(html=True))))
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return partial(_list, json_renderer(kind.value_field, style._replace(html=True)))
    raise UnwritableError(_NO_TEXT.format(kind))


class ObjectText:
    """Renders rows as JSON objects, keys in the reference's order."""

    def __init__(self, fields: Sequence[pa.Field], style: Style, *, end: str = "}") -> None:
        order = _key_order([field.name for field in fields], html=style.html)
        self._order = [index for _, index in order]
        make = partial(json_renderer, style=style)
        self._renderers = Renderers([fields[index] for index in self._order], make)
        keys = [key.replace('"', style.quote) for key, _ in order]
        self._between = [*(f"{',' if place else '{'}{key}:" for place, key in enumerate(keys)), end]
        self._empty = "{" + end

    def __call__(self, members: Sequence[pa.Array], counters: Sequence[CountAltered], count: int) -> pa.Array:
        """Return `count` objects; a member has a column, and what counts its altered cells."""
        if not self._order:
            return pa.array([self._empty]).take(pa.array(np.zeros(count, np.int8)))
        return joined_rows(self._columns(members, counters), self._between, "null", count)

    def bytes(self, members: Sequence[pa.Array], counters: Sequence[CountAltered], count: int) -> list[Chunk]:
        """Return the bytes of `count` objects, one behind the other."""
        if not self._order:
            return [self._empty.encode() * count]
        return joined_bytes(self._columns(members, counters), self._between, "null", count)

    def _columns(self, members: Sequence[pa.Array], counters: Sequence[CountAltered]) -> list[Cells]:
        return self._renderers([members[index] for index in self._order], [counters[index] for index in self._order])


def _struct(objects: ObjectText, cells: pa.Array, count_altered: CountAltered) -> Cells:
    count = cells.type.num_fields
    # what stands beneath a NULL is no cell: it must be neither checked nor counted
    members = cells.flatten() if cells.null_count else [cells.field(index) for index in range(count)]
    return Cells(with_validity(objects(members, [count_altered] * count, len(cells)), cells))


def _map(entry: Render, cells: pa.Array, count_altered: CountAltered) -> Cells:
    kind = cells.type
    entries = pa.StructArray.from_arrays([cells.keys, cells.items], fields=[kind.key_field, kind.item_field])
    lists = pa.list_(pa.field("entries", entries.type, nullable=False))
    pairs = pa.Array.from_buffers(lists, len(cells), cells.buffers()[:2], offset=cells.offset, children=[entries])
    return _list(entry, pairs, count_altered)


def _list(item: Render, cells: pa.Array, count_altered: CountAltered) -> Cells:
    values = item(cells.flatten(), count_altered)
    lengths = pc.list_value_length(cells)
    counts = (lengths.fill_null(0) if lengths.null_count else lengths).to_numpy()
    offsets = np.zeros(len(cells) + 1, np.int64)
    np.cumsum(counts, out=offsets[1:])
    if values.which is None and values.overrides is None and not values.text.null_count:
        texts, (before, after) = values.text, values.enclosures[0]
    else:
        texts, (before, after) = joined_rows([values], ["", ""], "null", len(values.text)), BARE
    joined = pc.binary_join(pa.LargeListArray.from_arrays(pa.array(offsets), texts), f"{after},{before}")
    empty = None if before == after == "" else (counts == 0).view(np.int8)
    return Cells(with_validity(joined, cells), ((f"[{before}", f"{after}]"), ("[", "]")), empty)


def _key_order(names: Sequence[str], *, html: bool) -> list[tuple[str, int]]:
    """Return the keys of an object as JSON strings, each with the index of its member.

    They are sorted by their bytes, the closing quote included, as the reference sorts them.
    """
    escaped = json_escaped(pa.array(names, pa.string()), html=html).to_pylist()
    keys = [(f'"{key}"', index) for index, key in enumerate(escaped)]
    return sorted(keys, key=lambda item: item[0].encode())


_PLAIN_KERNELS: Final = (
    (types.is_binary, base64_text),
    (types.is_large_binary, base64_text),
    (types.is_fixed_size_binary, base64_text),
    (types.is_duration, duration_text),
)
