"""What every dialect can say, and the parts that they say alike."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Final

from cloudquery_s3.catalogs.ddl.types import UnsupportedTypeError
from cloudquery_s3.catalogs.layout import SOURCE_NAME, SYNC_TIME
from cloudquery_s3.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from cloudquery_s3.catalogs.ddl.table import Column, Surroundings, Table
    from cloudquery_s3.catalogs.ddl.types import TypeTable

MANIFESTS: Final = "cloudquery_manifests"
"""The table that the manifests of Writes are read by."""

_NEWEST: Final = "_cq_newest"


class Dialect(ABC):
    """One engine's words. Statements come without the semicolon at their end.

    Args:
        surroundings: what they need to know beside the tables.
    """

    name: ClassVar[str]
    types: ClassVar[TypeTable]
    misread: ClassVar[frozenset[str]] = frozenset()
    """Types, by their names in `types`, that its reader of Parquet takes for others."""

    def __init__(self, surroundings: Surroundings) -> None:
        self.around = surroundings

    def script(self, tables: Sequence[Table]) -> str:
        """Return everything that has to be run, once, for these tables.

        Raises:
            SpecError: the engine cannot read objects that lie where these do.
        """
        statements = self.manifests() if self.around.manifests else []
        for table in tables:
            statements += [*self.left_out(table), *self.table(table), *self.load(table), *self.latest(table)]
        return "".join(text if text.startswith("--") else f"{text};\n\n" for text in statements)

    @abstractmethod
    def table(self, table: Table) -> list[str]:
        """Return the statements that make the objects a table."""

    def load(self, table: Table) -> list[str]:
        """Return the statements that copy the rows into the engine, where that is its way."""
        del table
        return []

    def manifests(self) -> list[str]:
        """Return the statements that make the manifests a table, where the engine needs one."""
        return []

    @abstractmethod
    def complete_syncs(self) -> str:
        """Return a query of the complete Writes in the manifests: `source`, `sync_time`."""

    @abstractmethod
    def moment(self, text: str) -> str:
        """Return the expression for the moment that a text holds as ISO 8601."""

    def latest(self, table: Table) -> list[str]:
        """Return the statement of the view of the newest sync of each source, the newest complete one if known."""
        if not table.has(SYNC_TIME):
            return [f"-- {_plain(table.name)}: no view of its latest rows, since it has no column {SYNC_TIME}\n\n"]
        if table.incremental:
            reason = "since no sync of an incremental table holds all of it"
            return [f"-- {_plain(table.name)}: no view of its latest rows, {reason}\n\n"]
        note = "" if self.around.manifests else _UNSURE
        columns = ", ".join(map(self.quoted, self.readable(table)))
        view = self.qualified(f"{table.name}_latest")
        query = (  # every name in it is quoted
            f"SELECT {columns} FROM (\n  SELECT t.*, max({self.sync_time(table)}) OVER ({self._partition(table)})"
            f" AS {_NEWEST}\n  FROM {self._complete(table)}\n) AS s\nWHERE {self.sync_time(table, of='s')} = {_NEWEST}"
        )
        return [*([note] if note else []), f"{self.create_view} {view} AS\n{query}{self.end_of_view}"]

    create_view: ClassVar[str] = "CREATE OR REPLACE VIEW"
    end_of_view: ClassVar[str] = ""

    def sync_time(self, table: Table, of: str = "t") -> str:
        """Return the expression for the sync time of a row of `t`."""
        column = f"{of}.{self.quoted(SYNC_TIME)}"
        return column if table.format == "parquet" else self.moment(column)

    def same_moment(self, row: str, sync: str) -> str:
        """Return the condition that a row's sync time is that of a manifest."""
        return f"{row} = {sync}"

    def readable(self, table: Table) -> list[str]:
        """Return the columns that the table has in this dialect, those of its folders last."""
        own = [column.name for column in table.columns if self.type_of(column.type, table) is not None]
        folders = self.folder_columns(table)
        return [name for name in own if name.lower() not in {folder.lower() for folder in folders}] + folders

    def folder_columns(self, table: Table) -> list[str]:
        """Return the columns that come from the names of folders."""
        return [level.name for level in table.layout.projected]

    def columns(self, table: Table) -> list[tuple[Column, str]]:
        """Return the columns that come from the files, each with its type."""
        folders = {name.lower() for name in self.folder_columns(table)}
        typed = ((column, self.type_of(column.type, table)) for column in table.columns)
        return [(column, kind) for column, kind in typed if kind is not None and column.name.lower() not in folders]

    def left_out(self, table: Table) -> list[str]:
        """Return a comment that names the columns for which the dialect has no type."""
        without = [column for column in table.columns if self.type_of(column.type, table) is None]
        return [
            f"-- {_plain(table.name)}: column {_plain(column.name)} is left out: {self.name} has no type for "
            f"{column.type}; format_spec.types: portable writes one that it has\n"
            for column in without
        ]

    def type_of(self, data_type: pa.DataType, table: Table) -> str | None:
        """Return the type of a column in this dialect; None where there is none."""
        types = self.types.without(self.misread) if table.format == "parquet" else self.types
        try:
            return types.name(data_type)
        except UnsupportedTypeError:
            return None

    def quoted(self, name: str) -> str:
        """Return an identifier as SQL."""
        return '"{}"'.format(name.replace('"', '""'))

    def text(self, value: str) -> str:
        """Return a text as SQL."""
        return "'{}'".format(value.replace("'", "''"))

    def qualified(self, name: str) -> str:
        """Return a table's name as SQL."""
        parts = [*self.around.namespace.split("."), name] if self.around.namespace else [name]
        return ".".join(map(self.quoted, parts))

    def own_folder(self, table: Table) -> str:
        """Return the folder that holds this table's objects and nothing else.

        Raises:
            SpecError: there is none.
        """
        if not table.layout.own:
            raise SpecError(
                f"gives table {table.name} no folder of its own, which {self.name} needs: write {{{{TABLE}}}}/ before "
                "what varies",
                field="path",
            )
        return table.layout.location

    def _partition(self, table: Table) -> str:
        return f"PARTITION BY t.{self.quoted(SOURCE_NAME)}" if table.has(SOURCE_NAME) else ""

    def _complete(self, table: Table) -> str:
        rows = f"{self.qualified(table.name)} AS t"
        if not self.around.manifests or not table.has(SOURCE_NAME):
            return rows
        same = self.same_moment(self.sync_time(table), "c.sync_time")
        syncs = self.complete_syncs().replace("\n", "\n    ")
        return f"{rows}\n  JOIN (\n    {syncs}\n  ) AS c ON t.{self.quoted(SOURCE_NAME)} = c.source AND {same}"


_UNSURE: Final = (
    "-- Without manifests nobody can tell a complete sync from one that failed half-way: this view takes the newest.\n"
    "-- Set manifest.path in the destination's spec, and make the view again.\n"
)


def _plain(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text)
