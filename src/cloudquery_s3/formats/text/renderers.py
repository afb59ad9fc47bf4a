"""The columns of a table rendered with as few calls as they need.

A call costs some dozen microseconds whatever it renders, which in tables of few rows is most of the cost. So a column
of one value is rendered as one cell, and short columns of one type together, one behind the other.
"""

from __future__ import annotations

from itertools import accumulate, zip_longest
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from cloudquery_s3.formats.encoder import unwritable
from cloudquery_s3.formats.text.cells import Cells
from cloudquery_s3.formats.text.constants import is_constant
from cloudquery_s3.formats.text.rows import whole_text
from cloudquery_s3.table import extension_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cloudquery_s3.formats.encoder import CountAltered
    from cloudquery_s3.formats.text.cells import Render

_NULL: Final = Cells(pa.nulls(1, pa.string()), constant=True)
_SHORT_BYTES: Final = 1 << 16


class Renderers:
    """Renders the columns of some fields.

    Raises:
        ValueError: `make` cannot render one of them.
    """

    def __init__(self, fields: Sequence[pa.Field], make: Callable[[pa.Field], Render]) -> None:
        self._renders = [make(field) for field in fields]
        self._groups = _groups(fields)
        self._group_names = {
            group[0]: f"column {', '.join(fields[index].name for index in group)}" for group in self._groups
        }

    def __call__(self, columns: Sequence[pa.Array], counters: Sequence[CountAltered]) -> list[Cells]:
        """Return all columns as text, each altered cell counted for its own column."""
        done: dict[int, Cells] = {}
        for group in self._groups:
            with unwritable(self._group_names[group[0]]):
                self._render(group, columns, counters, done)
        return [done.get(index, _NULL) for index in range(len(columns))]

    def _render(
        self,
        group: Sequence[int],
        columns: Sequence[pa.Array],
        counters: Sequence[CountAltered],
        done: dict[int, Cells],
    ) -> None:
        constant = {index for index in group if is_constant(columns[index])}
        present = [index for index in group if not (index in constant and columns[index].null_count)]
        parts = [columns[index].slice(0, 1) if index in constant else columns[index] for index in present]
        together = _together(self._renders[group[0]], parts)
        for index, part, one in zip_longest(present, parts, together):
            times = len(columns[index]) if index in constant else 1
            cells = one or self._renders[index](part, _repeated(counters[index], times))
            done[index] = cells._replace(constant=True) if index in constant else cells


def _groups(fields: Sequence[pa.Field]) -> list[list[int]]:
    """Return the fields that are rendered alike, as lists of their indexes."""
    groups: list[list[int]] = []
    for index, field in enumerate(fields):
        for group in groups:
            other = fields[group[0]]
            if field.type.equals(other.type, check_metadata=True) and extension_of(field) == extension_of(other):
                group.append(index)
                break
        else:
            groups.append([index])
    return groups


def _repeated(count_altered: CountAltered, times: int) -> CountAltered:
    return lambda reason, altered: count_altered(reason, altered * times)


def _together(render: Render, columns: Sequence[pa.Array]) -> list[Cells]:
    """Return columns of one kind; or none, where that does not pay, or cells are altered."""
    if len(columns) < 2 or sum(column.get_total_buffer_size() for column in columns) > _SHORT_BYTES:  # noqa: PLR2004 - there is nothing to share the call with
        return []
    altered: list[int] = []
    whole = render(pa.concat_arrays(columns), lambda _, count: altered.append(count))
    if any(altered):
        return []  # nobody knows of which column they are
    if whole.overrides is not None:
        whole = Cells(whole_text(whole))
    starts = accumulate((len(column) for column in columns), initial=0)
    return [_part(whole, start, len(column)) for start, column in zip(starts, columns, strict=False)]


def _part(cells: Cells, start: int, rows: int) -> Cells:
    which = None if cells.which is None else cells.which[start : start + rows]
    return Cells(cells.text.slice(start, rows), cells.enclosures, which)
