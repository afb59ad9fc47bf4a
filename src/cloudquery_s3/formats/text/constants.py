"""Columns of one value: many of a cloud's tables have more of them than of any others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pyarrow import types

from cloudquery_s3.formats.text.buffers import fixed, spans

if TYPE_CHECKING:
    import pyarrow as pa


def is_constant(cells: pa.Array) -> bool:
    """Tell whether all cells are NULL, or all hold the same bytes; False for nested cells that are not NULL.

    It costs next to nothing where the first cell and the last differ.
    """
    count = len(cells)
    if cells.null_count:
        return bool(cells.null_count == count)
    kind = cells.type
    if not count or types.is_nested(kind) or not cells[0].equals(cells[count - 1]):
        return False
    if types.is_boolean(kind):
        return cells.true_count in {0, count}
    if types.is_fixed_size_binary(kind) or types.is_primitive(kind) or types.is_decimal(kind):
        rows = fixed(cells, kind.bit_width // 8)
        return bool((rows[1:] == rows[:-1]).all())
    offsets, octets = spans(cells)
    width = int(offsets[1])
    if width * count != len(octets) or not (np.diff(offsets) == width).all():
        return False
    return bool((octets[width:] == octets[: len(octets) - width]).all())
