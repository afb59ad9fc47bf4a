"""Columns of text put together as rows of text.

A row is a sequence of cells and separators: one separator before, between and behind the cells, each a literal with
what surrounds the cells at its sides. All of them lie in one array, and one `take` copies them in order. It does so at
the speed of the processor's cache as long as that array fits there, so long columns are taken block by block.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cloudquery_s3.formats.text.buffers import (
    narrow,
    row_bytes,
    spans,
    text,
    valid_flags,
    with_validity,
)
from cloudquery_s3.formats.text.cells import BARE, Cells, Enclosure, Overrides

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    from cloudquery_s3.chunk import Chunk

    Places: TypeAlias = npt.NDArray[np.int32]

_BLOCK_BYTES: Final = 3 << 19
_SMALL_LIMIT: Final = 2**31 - 1


def joined_rows(columns: Sequence[Cells], between: Sequence[str], null: str, rows: int) -> pa.Array:
    """Return rows of text: `between[0]`, first column, `between[1]`, second column, .. `between[-1]`.

    There is one more literal in `between` than there are columns. NULL is written as `null`.
    """
    varying, literals = _folded(columns, between, null)
    if not (varying and rows):
        width = len(literals[0])
        return text(np.arange(rows + 1, dtype=np.int64) * width, literals[0] * rows, None)
    offsets, octets = spans(_Frame(varying, literals, null).filled(0, rows))
    return text(np.ascontiguousarray(offsets[:: 2 * len(varying) + 1]), octets, None)


def joined_bytes(columns: Sequence[Cells], between: Sequence[str], null: str, rows: int) -> list[Chunk]:
    """Return the bytes of the rows that `joined_rows` returns, in order."""
    varying, literals = _folded(columns, between, null)
    if not (varying and rows):
        return [literals[0] * rows]
    frame = _Frame(varying, literals, null)
    step = -(-rows // max(1, frame.size // _BLOCK_BYTES))
    return [row_bytes(frame.filled(start, min(step, rows - start))) for start in range(0, rows, step)]


def whole_text(column: Cells) -> pa.Array:
    """Return a column's text with what surrounds each value; NULL stays NULL."""
    if column.enclosures == (BARE,) and column.overrides is None:
        return column.text
    return with_validity(joined_rows([column], ["", ""], "", len(column.text)), column.text)


def _folded(columns: Sequence[Cells], between: Sequence[str], null: str) -> tuple[list[Cells], list[bytes]]:
    """Return the columns that vary, and as literals between them all that does not."""
    varying: list[Cells] = []
    literals: list[bytes] = []
    literal = between[0].encode()
    for column, following in zip(columns, between[1:], strict=True):
        if column.constant:
            literal += _constant(column, null) + following.encode()
        else:
            varying.append(column)
            literals.append(literal)
            literal = following.encode()
    return varying, [*literals, literal]


def _constant(column: Cells, null: str) -> bytes:
    if column.text.null_count:
        return null.encode()
    before, after = column.enclosures[0 if column.which is None else int(column.which[0])]
    return b"".join((before.encode(), spans(column.text)[1].tobytes(), after.encode()))


class _Frame:
    """Where the cells and separators of each row are.

    They lie in one array: the literals, of which the first is empty, then the cells of one column after the other, then
    those that stand in their stead. Which separator it is follows from the enclosures of the cells at its sides.

    Attributes:
        size: how many bytes the cells have.
    """

    def __init__(self, columns: Sequence[Cells], between: Sequence[bytes], null: str) -> None:
        texts = [column.text for column in columns]
        overrides = [column.overrides for column in columns]
        all_texts = [*texts, *(one.text for one in overrides if one is not None)]
        self.size = _size(all_texts)
        wide = self.size > _SMALL_LIMIT or any(pa.types.is_large_string(one.type) for one in all_texts)
        self._kind = pa.large_string() if wide else pa.string()
        self._texts = [self._fitting(one) for one in texts]
        self._overrides = [one and Overrides(one.rows, self._fitting(one.text)) for one in overrides]
        sides = [_side(column, null) for column in columns]
        self._kept = [side.kept for side in sides]
        literals, self._separators = _separators(sides, between)
        self._literals = narrow(pa.array(literals, pa.binary())).cast(self._kind)
        self._unmarked = np.empty((0, 0), np.int32)

    def filled(self, start: int, rows: int) -> pa.Array:
        """Return the parts of some rows, row by row: a separator, a cell, a separator, .. a separator."""
        stop = start + rows
        places = self._places(rows).copy()
        pool = [self._literals, *(one.slice(start, rows) for one in self._texts)]
        size = len(self._literals) + rows * len(self._texts)
        for separator, chosen in zip(places[::2], self._separators, strict=True):
            if isinstance(chosen, np.ndarray):
                separator[:] = chosen[start:stop]
        for cells, override, kept in zip(places[1::2], self._overrides, self._kept, strict=True):
            if override is not None:
                first, last = np.searchsorted(override.rows, (start, stop)).tolist()
                pool.append(override.text.slice(first, last - first))
                cells[override.rows[first:last] - start] = np.arange(size, size + last - first)
                size += last - first
            if kept is not None:
                np.multiply(cells, kept[start:stop], out=cells)  # the first literal, which is empty, is at 0
        return pc.take(pa.concat_arrays(pool), pa.array(places.T.reshape(-1)), boundscheck=False)

    def _fitting(self, cells: pa.Array) -> pa.Array:
        return cells if cells.type == self._kind else cells.cast(self._kind)

    def _places(self, rows: int) -> Places:
        """Return where the parts are as long as they do not differ by cell; a row for each part."""
        if self._unmarked.shape[1] != rows:
            self._unmarked = places = np.empty((2 * len(self._texts) + 1, rows), np.int32)
            fixed = [one if isinstance(one, int) else 0 for one in self._separators]
            places[::2] = np.array(fixed)[:, None]
            first = np.arange(len(self._texts), dtype=np.int32) * rows + len(self._literals)
            np.add(np.arange(rows, dtype=np.int32), first[:, None], out=places[1::2])
        return self._unmarked


def _size(texts: Sequence[pa.Array]) -> int:
    """Return how many bytes texts have; the exact figure, which matters for slices, costs too much for small ones."""
    held: int = sum(one.get_total_buffer_size() for one in texts)
    return held if held < _BLOCK_BYTES else sum(one.nbytes for one in texts)


class _Side(NamedTuple):
    """What surrounds the cells of a column.

    Attributes:
        enclosures: all that occur, NULL's among them.
        which: the index of each cell's enclosure; None where all have the first.
        kept: 0 for each cell that is NULL, else 1; None where none is.
    """

    enclosures: tuple[Enclosure, ...]
    which: npt.NDArray[np.int8] | None = None
    kept: Places | None = None


def _side(column: Cells, null: str) -> _Side:
    if not column.text.null_count:
        return _Side(column.enclosures, column.which)
    valid = valid_flags(column.text)
    last = np.int8(len(column.enclosures))
    which = ~valid * last if column.which is None else np.where(valid, column.which, last)
    return _Side((*column.enclosures, (null, "")), which, valid.astype(np.int32))


def _separators(sides: Sequence[_Side], between: Sequence[bytes]) -> tuple[list[bytes], list[int | Places]]:
    """Return each literal in every pair of enclosures that may surround it, and which of these each separator is."""
    literals = [b""]
    separators: list[int | Places] = []
    for literal, left, right in zip(between, [_Side((BARE,)), *sides], [*sides, _Side((BARE,))], strict=True):
        separator: int | Places = len(literals)
        if left.which is not None:
            separator = np.int32(separator) + left.which * np.int32(len(right.enclosures))
        if right.which is not None:
            separator = np.int32(separator) + right.which if isinstance(separator, int) else separator + right.which
        separators.append(separator)
        literals += [
            after.encode() + literal + before.encode() for _, after in left.enclosures for before, _ in right.enclosures
        ]
    return literals, separators
