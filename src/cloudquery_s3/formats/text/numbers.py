"""Numbers as Go prints them.

Source: docs/formats.md, "Text, to the byte".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cloudquery_s3.formats.text.buffers import Flags, validity
from cloudquery_s3.formats.text.cells import Cells

if TYPE_CHECKING:
    from cloudquery_s3.formats.encoder import CountAltered

ABOVE_PRECISION: Final = "a decimal has more digits than its column's precision"
_DIGITS_128: Final = 38
_DIGITS_256: Final = 76
_PARTS: Final = r"^(?P<sign>-?)(?P<whole>[0-9]+)(?:\.(?P<fraction>[0-9]+))?(?:e(?P<exponent>[+-]?[0-9]+))?$"
_SMALLEST_CSV_EXPONENT: Final = -4
_CSV_PLAIN: Final = (1e-4, 1e6)
_CSV_LARGEST_EXPONENT: Final = 6
_JSON_PLAIN: Final = (1e-6, 1e21)
_ARROW_PLAIN_BELOW: Final = 1e9
"""Below this, and from 1e-6 on, Arrow prints a float without an exponent."""


@dataclass(frozen=True, slots=True)
class _Digits:
    """Decimal numbers, taken apart: `0.d1d2d3.. x 10^(exponent + 1)`.

    Attributes:
        negative: whether there is a minus sign.
        digits: the significant digits, without zeros at either end; "0" for zero.
        exponent: the power of ten of the first digit.
    """

    negative: Flags
    digits: pa.Array
    exponent: npt.NDArray[np.int64]


def float_text(cells: pa.Array, *, json: bool) -> pa.Array:
    """Return `float16`, `float32` or `float64` cells with the fewest digits that read back as the same number.

    With `json` by the rule of JSON, where NaN and the infinities are strings (quotes included); else by that of CSV.
    A float16 is printed as the float32 of the same value (the reference gets subnormals wrong).
    """
    if pa.types.is_float16(cells.type):
        cells = cells.cast(pa.float32())
    shortest = cells.cast(pa.string())
    values = (cells.fill_null(0) if cells.null_count else cells).to_numpy(zero_copy_only=False)
    size = np.abs(values)
    low, high = (values.dtype.type(limit) for limit in (_JSON_PLAIN if json else _CSV_PLAIN))
    odd = ~(((size >= low) & (size < min(high, values.dtype.type(_ARROW_PLAIN_BELOW)))) | (values == 0))
    if not odd.any():
        return shortest
    rest = values[odd]
    finite = np.isfinite(rest)
    texts = _not_finite(rest, quote='"' if json else "")
    if finite.any():
        parts = _parts(shortest.filter(pa.array(odd)).filter(pa.array(finite)))
        size = size[odd][finite]
        scientific = (size < low) | (size >= high) if json else _needs_exponent(parts.exponent, _CSV_LARGEST_EXPONENT)
        texts = pc.replace_with_mask(texts, pa.array(finite), _compose(parts, scientific))
    return pc.replace_with_mask(shortest, pa.array(odd), texts)


def decimal_cells(cells: pa.Array, count_altered: CountAltered) -> Cells:
    """Return `decimal_text` of the cells; those of more digits than the column's precision are counted."""
    count_altered(ABOVE_PRECISION, cells_above_precision(cells))
    return Cells(decimal_text(cells))


def cells_above_precision(cells: pa.Array) -> int:
    """Return how many decimal cells have more digits than their type says; costs next to nothing where none has."""
    return 0 if fits_precision(cells) else int(np.count_nonzero(unscaled_digits(cells) > cells.type.precision))


def fits_precision(cells: pa.Array) -> bool:
    """Tell whether no decimal cell has more digits than its type says."""
    try:
        cells.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def unscaled_digits(cells: pa.Array) -> npt.NDArray[np.int64]:
    """Return how many digits each decimal cell that is not NULL has, its point left out."""
    return _lengths(pc.ascii_ltrim(_unscaled(cells.drop_null()).cast(pa.string()), "-"))


def _unscaled(present: pa.Array) -> pa.Array:
    """Return decimals without NULLs as whole numbers, whatever their precision says."""
    whole_kind = (
        pa.decimal256(_DIGITS_256, 0) if pa.types.is_decimal256(present.type) else pa.decimal128(_DIGITS_128, 0)
    )
    return pa.Array.from_buffers(whole_kind, len(present), [None, present.buffers()[1]], offset=present.offset)


def decimal_text(cells: pa.Array) -> pa.Array:
    """Return `decimal128` or `decimal256` cells exactly, without zeros at the end of the fraction.

    Cells of more digits than the type's precision count as decimals of the widest precision.
    """
    kind = cells.type
    present = cells.drop_null()
    if not len(present):
        return pa.nulls(len(cells), pa.string())
    unscaled = _unscaled(present).cast(pa.string())
    parts = _parts(unscaled)
    exponent = parts.exponent - np.where(pc.equal(parts.digits, "0").to_numpy(zero_copy_only=False), 0, kind.scale)
    count = pc.binary_length(parts.digits).to_numpy(zero_copy_only=False).astype(np.int64)
    precision: Any = kind.precision
    if not fits_precision(present):
        widest = _DIGITS_256 if pa.types.is_decimal256(kind) else _DIGITS_128
        precision = np.where(unscaled_digits(present) > kind.precision, widest, kind.precision)
    limit = np.where((precision > count) & (count >= exponent + 1), count, precision)
    texts = _compose(_Digits(parts.negative, parts.digits, exponent), _needs_exponent(exponent, limit))
    if not cells.null_count:
        return texts
    valid = pc.is_valid(cells)
    position = np.cumsum(valid.to_numpy(zero_copy_only=False)) - 1
    return texts.take(pa.Array.from_buffers(pa.int64(), len(cells), [validity(cells), pa.py_buffer(position)]))


def _needs_exponent(exponent: npt.NDArray[np.int64], limit: npt.NDArray[np.int64] | int) -> Flags:
    return (exponent < _SMALLEST_CSV_EXPONENT) | (exponent >= limit)


def _not_finite(values: npt.NDArray[Any], *, quote: str) -> pa.Array:
    """Return `NaN`, `+Inf` or `-Inf` for each value; anything for a finite one."""
    names = pa.array([f"{quote}{name}{quote}" for name in ("NaN", "+Inf", "-Inf")])
    return names.take(pa.array(np.where(np.isnan(values), 0, np.where(values > 0, 1, 2))))


def _parts(texts: pa.Array) -> _Digits:
    found = pc.extract_regex(texts, _PARTS)
    sign, whole, fraction, power = found.flatten()
    all_digits = pc.binary_join_element_wise(whole, fraction, "")
    stripped = pc.ascii_ltrim(all_digits, "0")
    leading = _lengths(all_digits) - _lengths(stripped)
    digits = pc.ascii_rtrim(stripped, "0")
    zero = pc.equal(digits, "")
    written = pc.if_else(pc.equal(power, ""), "0", pc.ascii_ltrim(power, "+")).cast(pa.int64()).to_numpy()
    exponent = np.where(zero.to_numpy(zero_copy_only=False), 0, _lengths(whole) - 1 - leading + written)
    negative: Flags = pc.equal(sign, "-").to_numpy(zero_copy_only=False)
    return _Digits(negative, pc.if_else(zero, "0", digits), exponent)


def _lengths(texts: pa.Array) -> npt.NDArray[np.int64]:
    lengths: npt.NDArray[np.int64] = pc.binary_length(texts).to_numpy(zero_copy_only=False).astype(np.int64)
    return lengths


def _compose(parts: _Digits, scientific: Flags) -> pa.Array:
    """Return the numbers as text, with an exponent where `scientific` says so."""
    order, texts = [], []
    rows = np.flatnonzero(scientific)
    if len(rows):
        order.append(rows)
        texts.append(_with_exponent(parts.digits.take(pa.array(rows)), parts.exponent[rows]))
    # without an exponent the point stands elsewhere for each power of ten, and few powers occur together
    for power in np.unique(parts.exponent[~scientific]).tolist():
        rows = np.flatnonzero(~scientific & (parts.exponent == power))
        order.append(rows)
        texts.append(_without_exponent(parts.digits.take(pa.array(rows)), power))
    place = np.empty(len(scientific), np.int64)
    place[np.concatenate(order)] = np.arange(len(scientific))
    size = pa.concat_arrays(texts).take(pa.array(place))
    if not parts.negative.any():
        return size
    return pc.binary_join_element_wise(pa.array(["", "-"]).take(pa.array(parts.negative.view(np.int8))), size, "")


def _with_exponent(digits: pa.Array, exponent: npt.NDArray[np.int64]) -> pa.Array:
    more = pc.utf8_slice_codeunits(digits, 1)
    mark = pa.array(["e+", "e-"]).take(pa.array((exponent < 0).view(np.int8)))
    power = pc.ascii_lpad(pa.array(np.abs(exponent)).cast(pa.string()), 2, "0")
    return pc.binary_join_element_wise(pc.utf8_slice_codeunits(digits, 0, 1), _fraction(more), mark, power, "")


def _without_exponent(digits: pa.Array, power: int) -> pa.Array:
    if power < 0:
        return pc.binary_join_element_wise("0." + "0" * (-power - 1), digits, "")
    whole = pc.ascii_rpad(pc.utf8_slice_codeunits(digits, 0, power + 1), power + 1, "0")
    return pc.binary_join_element_wise(whole, _fraction(pc.utf8_slice_codeunits(digits, power + 1)), "")


def _fraction(digits: pa.Array) -> pa.Array:
    return pc.if_else(pc.equal(digits, ""), "", pc.binary_join_element_wise(".", digits, ""))
