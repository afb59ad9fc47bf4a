"""Any Arrow column as JSON text, lists, structs and maps at any depth included.

Source: contract D.2, D.3. `html` tells whether `<`, `>` and `&` are escaped: inside lists and maps, and everywhere in
CSV, as the reference does it (contract H24: harmless, and so kept).
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from cloudquery_s3.formats.text.buffers import validity
from cloudquery_s3.formats.text.escapes import json_escaped
from cloudquery_s3.formats.text.json_cells import json_cells
from cloudquery_s3.formats.text.numbers import decimal_text, float_text
from cloudquery_s3.formats.text.octets import UUID_BYTES, base64_text, mac_text, uuid_text
from cloudquery_s3.formats.text.rows import Cells, glue, quoted_values
from cloudquery_s3.formats.text.spans_of_time import duration_text, interval_json
from cloudquery_s3.formats.text.temporal import date_text, time_text, timestamp_text
from cloudquery_s3.table import Extension, extension_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeAlias

    Report: TypeAlias = Callable[[str, int], None]

_INTERVALS: Final = frozenset({"interval_month", "interval_day_time"})


def mark_of(field: pa.Field) -> Extension | None:
    """Return a field's extension type if its storage can hold it; a mark on anything else is ignored."""
    mark, kind = extension_of(field), field.type
    fits = {
        "uuid": types.is_fixed_size_binary(kind) and kind.byte_width == UUID_BYTES,
        "interval_month": types.is_int32(kind),
        "interval_day_time": types.is_int64(kind),
    }
    textual = (
        types.is_binary(kind) or types.is_large_binary(kind) or types.is_string(kind) or types.is_large_string(kind)
    )
    return mark if mark is not None and fits.get(mark, textual) else None


def json_text(cells: pa.Array, field: pa.Field, report: Report, *, html: bool) -> Cells:
    """Return a column of core types (`normalise`) as JSON: NULL where NULL, without the quotes of strings.

    `report(reason, count)` is called for cells that are not written as they came.
    """
    kind, mark = cells.type, mark_of(field)
    if mark is not None:
        column = _extension(cells, mark, report, html=html)
    elif types.is_nested(kind):
        column = Cells(_nested(cells, report, html=html))
    elif types.is_string(kind) or types.is_large_string(kind):
        column = quoted_values(json_escaped(cells, html=html))
    elif types.is_interval(kind):
        column = Cells(interval_json(cells, None))
    elif is_bare(kind):
        column = Cells(bare_text(cells, json=True))
    else:
        column = quoted_values(plain_text(cells, report, trim=True))
    return column


def is_bare(kind: pa.DataType) -> bool:
    """Tell whether JSON writes a type without quotes: numbers (but no decimals), booleans, null."""
    return bool(types.is_boolean(kind) or types.is_integer(kind) or types.is_floating(kind) or types.is_null(kind))


def bare_text(cells: pa.Array, *, json: bool) -> pa.Array:
    """Return cells that `is_bare`: as JSON or, where floats follow another rule, as CSV."""
    if types.is_null(cells.type):
        return pa.nulls(len(cells), pa.string())
    return float_text(cells, json=json) if types.is_floating(cells.type) else cells.cast(pa.string())


def plain_text(cells: pa.Array, report: Report, *, trim: bool) -> pa.Array:
    """Return dates, times, decimals, durations and binary data as text that needs no escaping.

    `trim` cuts the fraction of a time of day to its significant digits, as JSON has it.

    Raises:
        TypeError: the type is none of these.
    """
    kind = cells.type
    if types.is_timestamp(kind):
        return timestamp_text(cells, report)
    if types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind):
        return base64_text(cells)
    if types.is_date(kind):
        return date_text(cells)
    if types.is_time(kind):
        return time_text(cells, trim=trim)
    if types.is_duration(kind):
        return duration_text(cells)
    if types.is_decimal(kind):
        return decimal_text(cells)
    raise TypeError(f"a column of type {kind} cannot be written as text")


def _extension(cells: pa.Array, mark: Extension, report: Report, *, html: bool) -> Cells:
    if mark == "json":
        return Cells(json_cells(cells, report, html=html))
    if mark == "uuid":
        return quoted_values(uuid_text(cells))
    if mark == "inet":
        return quoted_values(json_escaped(cells, html=html))
    if mark == "mac":
        return quoted_values(mac_text(cells, empty=""))
    return Cells(interval_json(cells, mark))


def _nested(cells: pa.Array, report: Report, *, html: bool) -> pa.Array:
    kind = cells.type
    if types.is_struct(kind):
        # what stands beneath a NULL is no cell: it must be neither checked nor reported
        members = cells.flatten() if cells.null_count else [cells.field(index) for index in range(kind.num_fields)]
        parts = [(member, kind.field(index), report) for index, member in enumerate(members)]
        texts = object_text(parts, len(cells), html=html)
        return _with_validity(texts, cells)
    if types.is_map(kind):
        entries = pa.StructArray.from_arrays([cells.keys, cells.items], fields=[kind.key_field, kind.item_field])
        kind = pa.list_(pa.field("entries", entries.type, nullable=False))
        buffers = cells.buffers()[:2]
        cells = pa.Array.from_buffers(kind, len(cells), buffers, offset=cells.offset, children=[entries])
    return _list(cells, kind.value_field, report)


def _list(cells: pa.Array, item: pa.Field, report: Report) -> pa.Array:
    values = cells.flatten()
    lengths = pc.list_value_length(cells)
    offsets = np.zeros(len(cells) + 1, np.int64)
    np.cumsum((lengths.fill_null(0) if lengths.null_count else lengths).to_numpy(), out=offsets[1:])
    rendered = json_text(values, item, report, html=True)
    texts = rendered.text
    if rendered.quoted is not False:
        texts = glue([rendered], ["", ""], "null")
    elif texts.null_count:
        texts = texts.fill_null("null")
    joined = pc.binary_join(pa.LargeListArray.from_arrays(pa.array(offsets), texts), ",")
    return _with_validity(glue([Cells(joined)], ["[", "]"], ""), cells)


def object_text(
    members: Sequence[tuple[pa.Array, pa.Field, Report]], count: int, *, html: bool, end: str = "}"
) -> pa.Array:
    """Return `count` JSON objects, keys in the reference's order; of members with one name the last is taken.

    A member is its column, the column's field, and where to report altered cells.
    """
    order = _key_order(tuple(field.name for _, field, _ in members), html)
    if not order:
        return pa.array(["{" + end]).take(pa.array(np.zeros(count, np.int8)))
    columns = [json_text(*members[index], html=html) for _, index in order]
    between = [*(f"{',' if place else '{'}{key}:" for place, (key, _) in enumerate(order)), end]
    return glue(columns, between, "null")


@lru_cache(maxsize=1024)
def _key_order(names: tuple[str, ...], html: bool) -> list[tuple[str, int]]:  # noqa: FBT001 - a key of the cache
    """Return the keys of an object as JSON strings, each with the index of the last member of that name.

    They are sorted by their bytes, the closing quote included. Source: contract D.2.
    """
    last = {name: index for index, name in enumerate(names)}
    escaped = json_escaped(pa.array(list(last), pa.string()), html=html).to_pylist()
    keys = [(f'"{key}"', index) for key, index in zip(escaped, last.values(), strict=True)]
    return sorted(keys, key=lambda item: item[0].encode())


def _with_validity(texts: pa.Array, cells: pa.Array) -> pa.Array:
    if not cells.null_count:
        return texts
    if texts.offset:
        texts = pa.concat_arrays([texts])
    return pa.Array.from_buffers(texts.type, len(cells), [validity(cells), *texts.buffers()[1:]])
