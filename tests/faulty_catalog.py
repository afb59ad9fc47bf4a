"""A catalogue whose calls fail as a test says, before or after they have done what they were asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyiceberg.catalog.sql import SqlCatalog

from iceberg_lake import LakeFolder, catalog_properties

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PERMANENT = 10_000


class FaultyCatalog(SqlCatalog):
    """A catalogue in SQLite whose calls fail as a test says: `call: (when, error, how often)`."""

    faults: dict[str, tuple[str, Exception, int]] = {}  # noqa: RUF012 -- of the test that runs: pyiceberg makes catalogues
    of_tables: dict[str, Exception] = {}  # noqa: RUF012 -- likewise: what a commit to a table meets, always
    committed: list[str] = []  # noqa: RUF012 -- likewise: the tables that a commit was made to
    between: list[Callable[[], Any]] = []  # noqa: RUF012 -- what others do between a load and the commit

    def __init__(self, name: str, **properties: str) -> None:
        self._faulty("open", lambda: super(FaultyCatalog, self).__init__(name, **properties))

    def load_table(self, identifier: Any) -> Any:
        """See `Catalog`."""
        return self._faulty("load_table", lambda: super(FaultyCatalog, self).load_table(identifier))

    def commit_table(self, *arguments: Any, **named: Any) -> Any:
        """See `Catalog`."""
        while self.between:
            self.between.pop()()
        name = arguments[0].name()[-1]
        if name in self.of_tables:
            raise self.of_tables[name]
        answer = self._faulty("commit_table", lambda: super(FaultyCatalog, self).commit_table(*arguments, **named))
        self.committed.append(name)
        return answer

    def create_namespace(self, *arguments: Any, **named: Any) -> Any:
        """See `Catalog`."""
        return self._faulty(
            "create_namespace", lambda: super(FaultyCatalog, self).create_namespace(*arguments, **named)
        )

    def _faulty(self, call: str, do: Callable[[], Any]) -> Any:
        when, error, times = self.faults.get(call, ("", Exception(), 0))
        if not times:
            return do()
        self.faults[call] = (when, error, times - 1)
        if when == "after":
            do()
        raise error


def faulty_lake(folder: Path) -> LakeFolder:
    """A lake whose catalogue can fail, and does not yet."""
    FaultyCatalog.faults.clear()
    FaultyCatalog.of_tables.clear()
    FaultyCatalog.committed.clear()
    FaultyCatalog.between.clear()
    properties = catalog_properties(folder)
    del properties["type"]
    return LakeFolder(folder, {**properties, "py-catalog-impl": f"{__name__}.FaultyCatalog"})
