"""One Write stream: messages in, objects and a report out."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from cloudquery_s3.errors import (
    PluginError,
    ProtocolError,
    StoreUnavailableError,
    TableError,
    WriteFailedError,
    WriteModeError,
)
from cloudquery_s3.ipc import IpcReader
from cloudquery_s3.table import asks_for_upserts, table_name
from cloudquery_s3.writer.report import SyncReport
from cloudquery_s3.writer.table_writer import Plant, TableWriter

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

    from cloudquery_s3.stores.object_store import StoredObject
    from cloudquery_s3.writer.object_builder import ObjectBuilder

log = logging.getLogger(__name__)


class StreamWriter:
    """Takes the messages of one Write, and ends with `finish` or `abort`.

    * `insert` never waits: its caller asks `full` between messages, and then for `make_room`.
    * `encode` may come before `finish`, which then takes less time.
    * `finish` returns only if every row that came is in a committed object.
    * `abort` leaves no partial object and no open upload; objects committed earlier stay.
    * A fault of one table stops that table; `finish` raises it when the others are done. A fault that holds for every
      table ends the stream: it is in `fatal`, `on_fatal` is called, and from then on every method raises it.

    Lives on the event loop.
    """

    def __init__(self, plant: Plant, *, empty_objects: bool, on_fatal: Callable[[], None]) -> None:
        self.report = SyncReport()
        self._plant = plant
        self._empty_objects = empty_objects
        self._on_fatal = on_fatal
        self._reader = IpcReader()
        self._tables: dict[str, TableWriter] = {}
        self._names: dict[int, tuple[pa.Schema, str]] = {}
        self._fixed_keys: dict[str, str] = {}
        self.fatal: PluginError | None = None
        self._failures: dict[str, Exception] = {}
        self._warned_of_write_mode = False

    @property
    def full(self) -> bool:
        """Whether the memory budget is used up: `make_room` before the next `insert`."""
        return self._plant.budget.full

    async def make_room(self) -> None:
        """Return when the memory budget has room again."""
        await self._plant.budget.make_room()

    def insert(self, payload: bytes | memoryview) -> None:
        """Take the rows of an Insert.

        Raises:
            ProtocolError: they are not Arrow IPC, or do not say their table.
            PluginError: the stream has ended with a fault that holds for every table.
        """
        for batch in self._reader.read(payload):
            self._raise_fatal()
            writer = self._table(batch.schema)
            if not batch.rows or writer.name in self._failures:
                continue
            try:
                writer.append(batch)
            except TableError as error:
                self.failed(writer.name, error)
        self._raise_fatal()

    def migrate(self, payload: bytes | memoryview) -> None:
        """Take note of a table; with `write_empty_objects_for_empty_tables` it will leave an object in any case.

        Raises:
            ProtocolError: the payload is not an Arrow IPC schema, or does not say its table.
        """
        self._raise_fatal()
        schema = self._reader.read_schema(payload)
        writer = self._table(schema)
        if self._empty_objects:
            try:
                writer.reserve(schema)
            except TableError as error:
                self.failed(writer.name, error)
        if asks_for_upserts(schema) and not self._warned_of_write_mode:
            self._warned_of_write_mode = True
            log.warning(
                "this plugin appends: if the sync's write_mode is overwrite-delete-stale (the default), it will fail "
                "at its end; set 'write_mode: append' in the destination's spec",
                extra={"table": writer.name},
            )

    def refuse_deletes(self) -> None:
        """Answer a DeleteStale or DeleteRecord: stop; `finish` will raise a WriteModeError.

        Not at once: the CLI sends deletes last, and prints only `EOF` for a stream that ends meanwhile; answered at the
        stream's end, it prints the message in full.
        """
        self._condemn(
            WriteModeError(
                "rows cannot be deleted from objects in S3: set 'write_mode: append' in the destination's spec "
                "(the default is overwrite-delete-stale)"
            )
        )

    def encode(self) -> None:
        """Have rows encoded that wait for more of their kind, since none will come; commits no object.

        No more than may be in flight: what is encoded stays in memory until `finish`.
        """
        for writer in self._tables.values():
            if self.full:
                return
            writer.encode()

    async def finish(self) -> SyncReport:
        """End every object, wait until the store has acknowledged all, and return what is there.

        Raises:
            WriteFailedError: tables have failed; names each, its key and the cause. The others are complete.
            PluginError: a fault that holds for every table.
        """
        await asyncio.gather(*(writer.finish() for writer in self._tables.values()))
        self._raise_fatal()
        if self._failures:
            failures = list(map(_named, self._failures, self._failures.values()))
            raise WriteFailedError(failures, tables=len(self._tables))
        self._log_report()
        return self.report

    async def abort(self) -> None:
        """Give up all that is not committed; return when nothing partial is left."""
        await asyncio.gather(*(writer.abort() for writer in self._tables.values()))
        self._log_report()

    def committed(self, table: str, stored: StoredObject, builder: ObjectBuilder) -> None:
        """Count an object that is in the bucket."""
        report = self.report.table(table)
        for (column, reason), cells in builder.alterations.cells.items():
            if (column, reason) not in report.altered:
                where = {"table": table, "column": column, "key": stored.key}
                log.warning("cells altered", extra={**where, "reason": reason, "cells": cells})
        report.add(stored, builder.rows, builder.alterations.cells)
        figures = {"table": table, "key": stored.key, "rows": builder.rows, "bytes": stored.size_bytes}
        log.info("object written", extra=figures)

    def failed(self, table: str, error: Exception) -> None:
        """Stop what the fault concerns: its table, or everything."""
        if isinstance(error, StoreUnavailableError | ProtocolError):
            self.end(error)
        elif table not in self._failures:
            self._failures[table] = error
            log.error("%s", error, extra={"table": table})
            self._tables[table].stop()

    def end(self, error: PluginError) -> None:
        """Give up every table for a fault that holds for all of them."""
        self._condemn(error)
        self._on_fatal()

    def _condemn(self, error: PluginError) -> None:
        if self.fatal is None:
            self.fatal = error
            log.error("%s", error)
            for writer in self._tables.values():
                writer.stop()

    def _raise_fatal(self) -> None:
        if self.fatal is not None:
            raise self.fatal

    def _table(self, schema: pa.Schema) -> TableWriter:
        name = self._name(schema)
        writer = self._tables.get(name)
        if writer is None:
            writer = self._tables[name] = TableWriter(name, self._plant, self)
            self.report.table(name)
            self._claim_key(name)
        return writer

    def _claim_key(self, table: str) -> None:
        """Fail a table whose fixed key another table has: one would replace the other (`a-b` and `a_b`)."""
        if self._plant.template.has_file_id:
            return
        try:
            key = self._plant.template.render(table, file_id="", now=self._plant.now())
        except TableError as error:
            self.failed(table, error)
            return
        owner = self._fixed_keys.setdefault(key, table)
        if owner != table:
            problem = f"its key {key} is that of table {owner}: use {{{{TABLE}}}} in 'path'"
            self.failed(table, TableError(table, problem))

    def _name(self, schema: pa.Schema) -> str:
        known = self._names.get(id(schema))
        if known is not None and known[0] is schema:
            return known[1]
        name = table_name(schema)
        if not name:
            raise ProtocolError("a record's schema does not say its table: metadata cq:table_name is missing")
        self._names[id(schema)] = (schema, name)
        return name

    def _log_report(self) -> None:
        for name, table in self.report.tables.items():
            altered = {f"{column}: {reason}": cells for (column, reason), cells in table.altered.items()}
            figures = {"table": name, "rows": table.rows, "objects": len(table.objects), "bytes": table.size_bytes}
            log.debug("table written", extra={**figures, "retries": table.retries, "altered": altered})
        log.info("write ended", extra={"failed_tables": len(self._failures), **self.report.totals()})


def _named(table: str, error: Exception) -> str:
    """Return a failure's message with the table's name, which a store does not know."""
    return str(error) if isinstance(error, TableError) else f"table {table}: {error}"
