"""Where one object ends and the next begins. Pure arithmetic: no clock, no data.

An object of a table ends when one of these holds:

* it has `max_rows` rows;
* it has `max_bytes` bytes of Arrow buffers;
* its first row is older than the batch timeout (`TableWriter` watches the time);
* the stream ends, or the memory budget wants its bytes (`StreamWriter`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator


class Cut(NamedTuple):
    """Rows `start` to `start + rows` of a batch go into the open object, which then ends if `closes`.

    With `rows` 0 nothing fits any more: the open object only ends.
    """

    start: int
    rows: int
    closes: bool


@dataclass(frozen=True, slots=True)
class RotationPolicy:
    """The limits of an object; 0 or less means no limit.

    Attributes:
        max_rows: rows.
        max_bytes: bytes of Arrow buffers, as `RecordBatch.get_total_buffer_size` counts them.
    """

    max_rows: int
    max_bytes: int

    def split(self, *, rows: int, size_bytes: int, held_rows: int, held_bytes: int) -> Iterator[Cut]:
        """Cut a batch where objects end; the cuts cover each of its rows once and in order.

        The rows of a batch are taken as equally large, `size_bytes // rows` and at least one byte each. A row that is
        larger than the limit becomes an object of its own.

        Args:
            rows: rows of the batch, at least 1.
            size_bytes: its Arrow bytes.
            held_rows: rows in the open object already.
            held_bytes: their Arrow bytes.

        Source: docs/compatibility.md, "Rows and objects": no row twice, and no division by zero.
        """
        row_bytes = max(1, size_bytes // rows)
        fits = self._room(rows, held_rows, held_bytes, row_bytes)
        if fits >= rows:
            yield Cut(0, rows, closes=self._reached(held_rows + rows, held_bytes + size_bytes))
            return
        if fits or held_rows:
            yield Cut(0, fits, closes=True)
        whole = max(1, self._room(rows, 0, 0, row_bytes))
        for start in range(fits, rows, whole):
            piece = min(whole, rows - start)
            yield Cut(start, piece, closes=piece == whole)

    def _room(self, rows: int, held_rows: int, held_bytes: int, row_bytes: int) -> int:
        by_rows = self.max_rows - held_rows if self.max_rows > 0 else rows
        by_bytes = (self.max_bytes - held_bytes) // row_bytes if self.max_bytes > 0 else rows
        return max(0, min(by_rows, by_bytes))

    def _reached(self, rows: int, size_bytes: int) -> bool:
        return (0 < self.max_rows <= rows) or (0 < self.max_bytes <= size_bytes)
