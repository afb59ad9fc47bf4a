"""Columns of text glued into rows of text."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cloudquery_s3.formats.text.buffers import Flags, valid_flags

if TYPE_CHECKING:
    from collections.abc import Sequence

_QUOTE: Final = '"'


@dataclass(frozen=True, slots=True)
class Cells:
    """A column as text.

    Attributes:
        text: a string array; NULL where the cell is NULL.
        quoted: which cells stand in quotes that `text` does not hold: all, none, or a flag for each.
    """

    text: pa.Array
    quoted: bool | Flags = False


def quoted_values(text: pa.Array) -> Cells:
    """Return text of which each value stands in quotes, but no NULL does."""
    return Cells(text, valid_flags(text) if text.null_count else True)


def glue(columns: Sequence[Cells], between: Sequence[str], null: str) -> pa.Array:
    """Return rows of text: `between[0]`, first column, `between[1]`, second column, .. `between[-1]`.

    There is one more piece of `between` than there are columns, and at least one column. NULL is written as `null`.
    """
    pieces: list[pa.Array | pa.Scalar] = []
    left: bool | Flags = False
    for literal, column in zip(between, columns, strict=False):
        pieces += [_seam(literal, left, column.quoted), column.text]
        left = column.quoted
    pieces.append(_seam(between[-1], left, False))  # noqa: FBT003 - nothing follows that could be quoted
    return _joined(pieces, "", null)


def lines(columns: Sequence[pa.Array], delimiter: str) -> pa.Array:
    """Return rows of text: the columns with a delimiter between them, and a line feed. NULL is written as nothing."""
    last = _joined([columns[-1], pa.scalar("\n")], "", "")
    return _joined([*columns[:-1], last], delimiter, "")


def _joined(pieces: Sequence[pa.Array | pa.Scalar], separator: str, null: str) -> pa.Array:
    wide = any(pa.types.is_large_string(piece.type) for piece in pieces)
    kind = pa.large_string() if wide else pa.string()
    if wide:
        pieces = [piece.cast(kind) for piece in pieces]
    return pc.binary_join_element_wise(
        *pieces, pa.scalar(separator, kind), null_handling="replace", null_replacement=null
    )


def _seam(literal: str, left: bool | Flags, right: bool | Flags) -> pa.Array | pa.Scalar:  # noqa: FBT001 - flags of cells
    """Return what stands between two columns: a literal, and the quotes of the cells at its sides."""
    if isinstance(left, bool) and isinstance(right, bool):
        return _scalars(literal)[left + 2 * right]
    which = np.multiply(right, 2, dtype=np.int8) + left
    return _variants(literal).take(pa.array(which))


@lru_cache(maxsize=4096)
def _variants(literal: str) -> pa.Array:
    """Return a literal without quotes, with one before, one after, and both."""
    return pa.array([literal, _QUOTE + literal, literal + _QUOTE, _QUOTE + literal + _QUOTE])


@lru_cache(maxsize=4096)
def _scalars(literal: str) -> list[pa.Scalar]:
    return list(_variants(literal))
