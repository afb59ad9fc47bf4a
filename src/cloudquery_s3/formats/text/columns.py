"""A column as text: what the renderers make, and what rows are put together from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    Report: TypeAlias = Callable[[str, int], None]
    """Takes note of altered cells: the reason, and how many."""
    Render: TypeAlias = Callable[[pa.Array, Report], "Cells"]
    """Turns a column into text. A Report hears of cells that are not written as they came."""

Shell: TypeAlias = tuple[str, str]
"""What stands before and after a cell."""

BARE: Final[Shell] = ("", "")
QUOTES: Final[Shell] = ('"', '"')
_DENSE: Final = 4
_SHORT: Final = 1024


class Patch(NamedTuple):
    """Some cells of a column, written otherwise than the others.

    Attributes:
        rows: which cells, in order; none is NULL.
        text: theirs, one for each of `rows`.
    """

    rows: npt.NDArray[np.int64]
    text: pa.Array


class Cells(NamedTuple):
    """A column as text.

    Attributes:
        text: a string array; NULL where the cell is NULL.
        shells: what surrounds a value and is not in `text`, each that occurs.
        which: for each cell the index of its shell, anything for a NULL; None where all have the first.
        patch: the cells of which `text` is not the text; None where there are none.
        constant: whether the one cell here stands for all cells of its column.
    """

    text: pa.Array
    shells: tuple[Shell, ...] = (BARE,)
    which: npt.NDArray[np.int8] | None = None
    patch: Patch | None = None
    constant: bool = False


def are_few(some: int, cells: int) -> bool:
    """Tell whether so few of a column's cells are unlike the others that a patch costs less than the column anew."""
    return some * _DENSE < cells and cells >= _SHORT


def quoted_values(cells: Cells) -> Cells:
    """Return bare cells of which each value stands in quotes, but no NULL does."""
    return Cells(cells.text, (QUOTES,), patch=cells.patch)
