"""A column as text: what the renderers make, and what rows are put together from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from cloudquery_s3.formats.encoder import CountAltered

    Render: TypeAlias = Callable[[pa.Array, CountAltered], "Cells"]
    """Turns a column into text. `CountAltered` hears of cells that are not written as they came."""

Enclosure: TypeAlias = tuple[str, str]
"""What stands before and after a cell."""

BARE: Final[Enclosure] = ("", "")
QUOTES: Final[Enclosure] = ('"', '"')
_DENSE: Final = 4
_SHORT: Final = 1024


class Overrides(NamedTuple):
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
        enclosures: what surrounds a value and is not in `text`, each that occurs.
        which: for each cell the index of its enclosure, anything for a NULL; None where all have the first.
        overrides: the cells of which `text` is not the text; None where there are none.
        constant: whether the one cell here stands for all cells of its column.
    """

    text: pa.Array
    enclosures: tuple[Enclosure, ...] = (BARE,)
    which: npt.NDArray[np.int8] | None = None
    overrides: Overrides | None = None
    constant: bool = False


def are_few(some: int, cells: int) -> bool:
    """Tell whether so few cells are unlike the others that overriding these costs less than making the column anew."""
    return some * _DENSE < cells and cells >= _SHORT


def quoted_values(cells: Cells) -> Cells:
    """Return bare cells of which each value stands in quotes, but no NULL does."""
    return Cells(cells.text, (QUOTES,), overrides=cells.overrides)
