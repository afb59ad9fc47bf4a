"""Rows that go with their parents: a DeleteRecord names the tables below its own."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from pyiceberg.expressions import In

from cloudquery_s3.catalogs.iceberg.deletes import predicate
from cloudquery_s3.errors import TableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pyiceberg.expressions import BooleanExpression

    from cloudquery_s3.catalogs.iceberg.catalog import Lake
    from cloudquery_s3.committed import DeleteRecord

MOST_PARENTS: Final = 100_000
"""The most rows of one table whose children one DeleteRecord may take with them."""

_ID: Final = "_cq_id"
_PARENT_ID: Final = "_cq_parent_id"


def of_children(lake: Lake, delete: DeleteRecord) -> Iterator[tuple[str, str, BooleanExpression]]:
    """Yield each table below that of the wish, its parent, and which of its rows go: those whose parents go.

    Reads the ids of the parents.

    Raises:
        TableError: there are more parents than `MOST_PARENTS`.
    """
    table = lake.load(delete.table)
    if table is None:
        return
    going = {delete.table: predicate(delete, lake.spec, table.schema())}
    waiting = list(delete.relations)
    while ready := [relation for relation in waiting if relation[1] in going]:
        for child, parent in ready:
            waiting.remove((child, parent))
            if child in going or (ids := _ids(lake, parent, going[parent])) is None:
                continue
            going[child] = In(_PARENT_ID, ids)
            yield child, parent, going[child]


def children_first(pairs: Iterable[tuple[str, str]]) -> Mapping[str, frozenset[str]]:
    """Return which tables have to be committed to before each: those below it.

    A reader then never sees rows without their parents; and where a commit to a child fails, the parents are still
    there to find its rows by, the next time. A pair that contradicts earlier ones is left out. Pure.

    Args:
        pairs: tables, each after one that is below it.
    """
    first: defaultdict[str, set[str]] = defaultdict(set)
    for child, parent in pairs:
        if not _waits(first, child, parent):
            first[parent].add(child)
    return {parent: frozenset(children) for parent, children in first.items()}


def _waits(first: Mapping[str, set[str]], table: str, other: str) -> bool:
    return table == other or any(_waits(first, child, other) for child in first.get(table, ()))


def _ids(lake: Lake, table: str, meant: BooleanExpression) -> list[str] | None:
    """Return the ids of rows; None where there are none."""
    loaded = lake.load(table)
    if loaded is None or _ID not in loaded.schema().column_names:
        return None
    scan = loaded.scan(row_filter=meant, selected_fields=(_ID,), limit=MOST_PARENTS + 1)
    ids = [text for text in scan.to_arrow()[_ID].to_pylist() if text is not None]
    if len(ids) > MOST_PARENTS:
        raise TableError(table, f"one DeleteRecord means more than {MOST_PARENTS} rows that have rows below them")
    return ids or None
