"""Unions as JSON text: Parquet, JSON and CSV have no such type."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from cloudquery_s3.formats.text.nested import Style, json_renderer
from cloudquery_s3.formats.text.rows import joined_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudquery_s3.formats.columns.conversion import Conversion
    from cloudquery_s3.formats.encoder import CountAltered


def union_text(array: pa.Array, count_altered: CountAltered, *, members: Sequence[Conversion]) -> pa.Array:
    """Return each cell of a union as `[typecode,value]`, in bytes; a NULL value is `[typecode,null]`.

    `members` bring the union's fields, in order, into core types.
    """
    # pyarrow's own type_codes and offsets forget that an array is a slice
    window = slice(array.offset, array.offset + len(array))
    codes = np.frombuffer(array.buffers()[1], np.int8)[window] if len(array) else np.empty(0, np.int8)
    if array.type.mode == "dense":
        places = np.frombuffer(array.buffers()[2], np.int32)[window] if len(array) else np.empty(0, np.int32)
    else:
        places = np.arange(len(array), dtype=np.int32)
    texts = [pa.array([], pa.binary())]
    rows = [np.empty(0, np.int64)]
    for index, (code, member) in enumerate(zip(array.type.type_codes, members, strict=True)):
        mine = np.flatnonzero(codes == code)
        if not len(mine):
            continue
        values = array.field(index)
        values = member.convert(values, count_altered) if member.convert else values
        values = values.take(pa.array(places[mine]))
        cells = json_renderer(member.field, Style(html=True))(values, count_altered)
        texts.append(joined_rows([cells], [f"[{code},", "]"], "null", len(mine)).cast(pa.binary()))
        rows.append(mine)
    return pa.concat_arrays(texts).take(pa.array(np.argsort(np.concatenate(rows))))
