"""Hears of a Write's objects, and makes them rows of tables when it has succeeded."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from cloudquery_s3.catalogs.iceberg.commit import SOURCE, SYNC_ID, WRITE_ID, Committer, TableChange
from cloudquery_s3.catalogs.iceberg.files import StoredFile
from cloudquery_s3.catalogs.iceberg.relations import children_first, of_children
from cloudquery_s3.committed import DeleteRecord, DeleteStale
from cloudquery_s3.errors import CatalogError, PluginError
from cloudquery_s3.scope import Workers
from cloudquery_s3.table import primary_key, table_comment

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor

    import pyarrow as pa
    from pyiceberg.expressions import BooleanExpression

    from cloudquery_s3.catalogs.iceberg.catalog import Lake
    from cloudquery_s3.committed import CommittedObject, Delete, WriteEnd, WriteStart

log = logging.getLogger(__name__)

AT_ONCE: Final = 4
"""How many tables are committed to at once: a commit is mostly waiting for the catalogue and for S3."""

_MOST_FAILURES_IN_ERROR: Final = 5


class IcebergPublisher:
    """One Write's commits, one for each table that has new objects or rows to delete.

    A Write that has not succeeded commits nothing: a reader of the tables sees a sync whole or not at all. A table that
    fails does not keep the others from their commits; `publish` then names it.

    A table with a primary key whose Write has no DeleteStale for it gets its rows by key: that is what `overwrite`
    means, and what incremental tables need under `overwrite-delete-stale`.

    Args:
        lake: the catalogue.
        write: the Write.
        sync_id: the sync that it belongs to.
        pause: waits between two attempts, for so many seconds.
    """

    def __init__(
        self, lake: Lake, write: WriteStart, *, sync_id: str, pause: Callable[[float], None] = time.sleep
    ) -> None:
        self._lake = lake
        self._write = write
        self._sync_id = sync_id
        self._pause = pause
        self._files: defaultdict[str, list[StoredFile]] = defaultdict(list)
        self._schemas: defaultdict[str, dict[int, tuple[pa.Schema, pa.Schema]]] = defaultdict(dict)
        self._sources: set[str] = set()

    def committed(self, record: CommittedObject) -> None:
        """Take note of an object; see `Publisher`."""
        file = StoredFile.of(record, self._lake.spec.bucket)
        self._files[record.table].append(file)
        known = self._schemas[record.table]
        if id(record.schema) not in known and record.statistics.footer is not None:
            columns = record.statistics.footer.schema.to_arrow_schema().remove_metadata()
            known[id(record.schema)] = (record.schema, columns)
        self._sources |= record.origin.sources

    async def publish(self, end: WriteEnd) -> None:
        """Commit to every table; see `Publisher`.

        Raises:
            CatalogError: to some it could not be committed; names them and their objects.
        """
        if end.status != "complete":
            if self._files:
                log.warning("nothing of this Write becomes rows of Iceberg tables, since it has not succeeded")
            return
        pool = Workers(AT_ONCE, thread_name_prefix="iceberg")
        try:
            changes = await asyncio.get_running_loop().run_in_executor(pool, self._changes, end)
            failures = await self._commit_all(changes, pool)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)  # a commit that is under way when a client cancels ends
        self._raise_any([failure for failure in failures if failure is not None], len(changes))

    async def _commit_all(self, changes: Sequence[TableChange], pool: Executor) -> list[PluginError | None]:
        """Make each change once those are made that it comes after."""
        commits: dict[str, asyncio.Task[PluginError | None]] = {}

        async def commit(change: TableChange) -> PluginError | None:
            for table in change.after:
                if await commits[table] is not None:
                    return self._given_up(change, table)
            return await asyncio.get_running_loop().run_in_executor(pool, self._commit, change)

        commits |= {change.table: asyncio.create_task(commit(change)) for change in changes}
        return await asyncio.gather(*commits.values())

    @staticmethod
    def _given_up(change: TableChange, child: str) -> PluginError:
        error = CatalogError(
            f"table {change.table}: no commit to Iceberg, since that to {child} failed, where rows go with its own"
            f"{change.in_words}"
        )
        log.error("%s", error, extra={"table": change.table})
        return error

    def _changes(self, end: WriteEnd) -> list[TableChange]:
        deletes: defaultdict[str, list[Delete]] = defaultdict(list)
        of_parents: defaultdict[str, list[BooleanExpression]] = defaultdict(list)
        below: list[tuple[str, str]] = []
        for delete in end.deletes:
            deletes[delete.table].append(delete)
            if isinstance(delete, DeleteRecord) and delete.relations:
                for child, parent, meant in self._children(delete):
                    of_parents[child].append(meant)
                    below.append((child, parent))
        tables = sorted({*self._files, *deletes, *of_parents})
        self._require_names_apart(tables)
        first = children_first(below)
        return [
            replace(
                self._change(table, end.schemas.get(table), deletes[table]),
                of_parents=of_parents[table],
                after=first.get(table, frozenset()),
            )
            for table in tables
        ]

    def _require_names_apart(self, tables: Sequence[str]) -> None:
        owners: dict[tuple[str, ...], str] = {}
        for table in tables:
            owner = owners.setdefault(self._lake.identifier(table), table)
            if owner != table:
                raise CatalogError(
                    f"tables {owner} and {table} would be one Iceberg table: write {{{{TABLE}}}} in 'iceberg.table'"
                )

    def _children(self, delete: DeleteRecord) -> list[tuple[str, str, BooleanExpression]]:
        try:
            return list(of_children(self._lake, delete))
        except PluginError:
            raise
        except Exception as error:  # noqa: BLE001 -- each kind of catalogue raises its own
            what = self._lake.words(error)
            raise CatalogError(f"the rows below {delete.table} that go with it cannot be found: {what}") from None

    def _change(self, table: str, schema: pa.Schema | None, deletes: Sequence[Delete]) -> TableChange:
        stale = any(isinstance(delete, DeleteStale) for delete in deletes)
        return TableChange(
            table=table,
            comment=table_comment(schema) if schema is not None else "",
            columns=[columns for _, columns in self._schemas[table].values()],
            files=self._files[table],
            deletes=deletes,
            keys=primary_key(schema) if schema is not None and not stale else (),
        )

    def _commit(self, change: TableChange) -> PluginError | None:
        committer = Committer(self._lake, self._properties(), self._pause)
        try:
            committer.commit(change)
        except PluginError as error:
            log.error("%s", error, extra={"table": change.table})  # noqa: TRY400 -- no trace of what is known
            return error
        log.info("committed to Iceberg", extra={"table": change.table, "objects": len(change.files)})
        return None

    def _properties(self) -> dict[str, str]:
        properties = {WRITE_ID: self._write.write_id, SYNC_ID: self._sync_id, SOURCE: ",".join(sorted(self._sources))}
        return {name: value for name, value in properties.items() if value}

    @staticmethod
    def _raise_any(failures: Sequence[PluginError], tables: int) -> None:
        if not failures:
            return
        shown = "; ".join(map(str, failures[:_MOST_FAILURES_IN_ERROR]))
        more = len(failures) - _MOST_FAILURES_IN_ERROR
        raise CatalogError(
            f"{len(failures)} of {tables} tables have no commit to Iceberg: {shown}"
            + (f"; and {more} more, see the log" if more > 0 else "")
        )
