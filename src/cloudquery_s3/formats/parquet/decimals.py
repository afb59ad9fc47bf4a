"""Decimals in Parquet: types that hold what a column's own type has no room for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pyarrow as pa

from cloudquery_s3.formats.columns.conversion import is_list_like
from cloudquery_s3.formats.text.numbers import (
    ABOVE_PRECISION,
    cells_above_precision,
    decimal_text,
    fits_precision,
    unscaled_digits,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cloudquery_s3.formats.columns.conversion import Convert
    from cloudquery_s3.formats.encoder import CountAltered

WIDEST: Final = 76
"""The most digits of a decimal in Parquet as Arrow writes it."""
WIDEST_PORTABLE: Final = 38
"""The most digits that every engine reads."""
_STEPS: Final = (WIDEST_PORTABLE, WIDEST, WIDEST + 1)


def decimal_column(kind: pa.DataType, *, digits: int, widest: int) -> tuple[pa.DataType, Convert]:
    """Return what a decimal type becomes in a file, and what converts its arrays and counts cells above its precision.

    A scale that is negative, or above the precision, becomes one that Parquet has: the values stay. What needs more
    digits than `widest` becomes text.

    Args:
        kind: the type.
        digits: how many the cells need, where that is more than the type says (`digits_needed`).
        widest: the most digits of a decimal.
    """
    precision = max(kind.precision, digits)
    scale = max(kind.scale, 0)
    whole = max(precision, scale) if kind.scale >= 0 else precision - kind.scale
    if whole > widest:
        return pa.string(), lambda cells, count_altered: decimal_text(_counted(cells, count_altered))
    if (whole, scale) == (kind.precision, kind.scale):
        return kind, _counted
    becomes = pa.decimal128(whole, scale) if whole <= WIDEST_PORTABLE else pa.decimal256(whole, scale)
    return becomes, lambda cells, count_altered: _counted(cells, count_altered).cast(becomes)


def digits_needed(arrays: Iterable[pa.Array]) -> int:
    """Return for how many digits the decimals in arrays, at any depth, need room: 0 if their own types are enough.

    Else it is the next of 38, 76 and 77, so that later rows rarely need more.
    """
    needed = max((int(unscaled_digits(leaf).max()) for leaf in _unfit(arrays)), default=0)
    return needed and next(step for step in _STEPS if needed <= step)


def has_decimals(kind: pa.DataType) -> bool:
    """Tell whether a type holds decimals, at any depth."""
    return bool(pa.types.is_decimal(kind)) or any(
        has_decimals(kind.field(index).type) for index in range(kind.num_fields)
    )


def _unfit(arrays: Iterable[pa.Array]) -> Iterator[pa.Array]:
    return (leaf for array in arrays for leaf in _decimals(array) if not fits_precision(leaf))


def _decimals(array: pa.Array) -> Iterator[pa.Array]:
    kind = array.type
    if pa.types.is_decimal(kind):
        yield array
    elif not has_decimals(kind):
        return
    elif pa.types.is_struct(kind):
        for member in array.flatten():
            yield from _decimals(member)
    elif pa.types.is_map(kind):
        yield from _decimals(array.keys)
        yield from _decimals(array.items)
    elif is_list_like(kind):
        yield from _decimals(array.flatten())


def _counted(cells: pa.Array, count_altered: CountAltered) -> pa.Array:
    count_altered(ABOVE_PRECISION, cells_above_precision(cells))
    return cells
