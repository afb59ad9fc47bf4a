"""One Write stream: messages in, objects and their publication out."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from cloudquery_s3.committed import WriteEnd
from cloudquery_s3.errors import (
    ClosedError,
    PayloadError,
    PluginError,
    ProtocolError,
    PublicationError,
    StoreUnavailableError,
    TableError,
    WriteFailedError,
    WriteModeError,
)
from cloudquery_s3.formats.columns.names import name_warnings
from cloudquery_s3.ipc import IpcReader, UndecodedPayload
from cloudquery_s3.spec.path_advice import table_advice
from cloudquery_s3.table import asks_for_upserts, table_name
from cloudquery_s3.writer.access_gate import AccessGate
from cloudquery_s3.writer.summary import WriteSummary
from cloudquery_s3.writer.table_writer import TableWriter

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

    from cloudquery_s3.committed import CommittedObject, Delete, WriteStart, WriteStatus
    from cloudquery_s3.ipc import ReceivedBatch
    from cloudquery_s3.writer.context import WriteContext

log = logging.getLogger(__name__)

MOST_TABLES: Final = 10_000
"""More tables end a Write: each takes 10 to 30 KiB as long as the Write lives, whether it has rows or not."""

_BATCHES_AT_ONCE: Final = 256


class StreamWriter:
    """Takes the messages of one Write, and ends with `finish` or `abort`.

    * `insert` never waits: its caller asks `full` between messages, and then for `make_room`, which also has those rows
      decoded that `insert` could not take as they are.
    * `encode` may come before `finish`, which then takes less time.
    * `finish` returns only if every row that came is in a committed object, and the Write is published.
    * `abort` leaves no partial object and no open upload; objects committed earlier stay.
    * A fault of one table stops that table; `finish` raises it when the others are done. A fault that holds for every
      table ends the stream: it is in `fatal`, `on_fatal` is called, and from then on every method raises it.
    * Both ways to end publish, once: every publisher hears how the Write ended.

    Lives on the event loop.
    """

    def __init__(self, context: WriteContext, start: WriteStart, *, on_fatal: Callable[[], None]) -> None:
        self.summary = WriteSummary(start)
        self.fatal: PluginError | None = None
        self._context = context
        self._on_fatal = on_fatal
        self._publishers = [*(make(start) for make in context.publishers), self.summary]
        self._published = False
        self._reader = IpcReader(memory_limit_bytes=context.budget.limit_bytes)
        self._undecoded: deque[list[ReceivedBatch] | UndecodedPayload] = deque()
        self._gate = AccessGate()
        self._tables: dict[str, TableWriter] = {}
        self._schemas: dict[str, pa.Schema] = {}
        self._owners_of_keys: dict[str, str] = {}
        self._failures: dict[str, Exception] = {}
        self._refusal: WriteModeError | None = None
        self._deletes: list[Delete] = []
        self._warned_of_write_mode = False

    @property
    def full(self) -> bool:
        """Whether the memory budget is used up, or rows wait for a worker: `make_room` before the next `insert`."""
        return self._context.budget.full or bool(self._undecoded)

    async def make_room(self) -> None:
        """Return when no rows wait for a worker and the memory budget has room again.

        Raises: see `insert`.
        """
        await self._decode()
        await self._context.budget.make_room()

    def insert(self, payload: bytes | memoryview) -> None:
        """Take the rows of an Insert.

        Raises:
            ProtocolError: they are not Arrow IPC, or do not say their table. What is wrong with rows that do fails it.
            PluginError: the stream has ended with a fault that holds for every table.
        """
        self._raise_fatal()
        try:
            received = self._reader.read(payload)
        except PayloadError as error:
            self.failed(self._table(error.table).name, error)
            return
        if self._undecoded or isinstance(received, UndecodedPayload):
            self._undecoded.append(received)  # rows keep their order
            return
        for batch in received:
            self._append(batch)

    def _append(self, batch: ReceivedBatch) -> None:
        self._raise_fatal()
        writer = self._table(batch.table, batch.schema)
        if batch.rows and writer.name not in self._failures:
            try:
                writer.append(batch)
            except TableError as error:
                self.failed(writer.name, error)
        self._raise_fatal()

    async def _decode(self) -> None:
        """Take the rows that wait for a worker, and make room between them: they may be many more than came."""
        while self._undecoded:
            received = self._undecoded.popleft()
            if isinstance(received, UndecodedPayload):
                received = await self._decoded(received)
            for number, batch in enumerate(received, 1):
                self._append(batch)
                await self._context.budget.make_room()
                if number % _BATCHES_AT_ONCE == 0:
                    await asyncio.sleep(0)  # others may have their turn

    async def _decoded(self, payload: UndecodedPayload) -> list[ReceivedBatch]:
        """Have a payload decoded on a worker; its memory is counted before it is used."""
        table = self._table(payload.table).name
        if table in self._failures:
            return []
        budget, workers = self._context.budget, self._context.pools.encode
        loop = asyncio.get_running_loop()
        try:
            size_bytes = await loop.run_in_executor(workers, payload.measure)
            await budget.make_room()
            reservation = budget.reserve(lambda: False)
            reservation.set(held_bytes=0, encoding_bytes=size_bytes, uploading_bytes=0)
            try:
                return await loop.run_in_executor(workers, payload.decode)
            finally:
                reservation.close()
        except PayloadError as error:
            self.failed(table, error)
            return []

    def migrate(self, payload: bytes | memoryview) -> None:
        """Take note of a table; with `write_empty_objects_for_empty_tables` it will leave an object in any case.

        Raises:
            ProtocolError: the payload is not an Arrow IPC schema, or does not say its table.
        """
        self._raise_fatal()
        try:
            schema = self._reader.read_schema(payload)
        except PayloadError as error:
            self.failed(self._table(error.table).name, error)
            return
        writer = self._table(table_name(schema), schema)
        if self._context.empty_objects:
            try:
                writer.reserve_key(schema)
            except TableError as error:
                self.failed(writer.name, error)
        if asks_for_upserts(schema) and not self._context.takes_deletes and not self._warned_of_write_mode:
            self._warned_of_write_mode = True
            log.warning(
                "this plugin appends: if the sync's write_mode is overwrite-delete-stale (the default), it will fail "
                "at its end; set 'write_mode: append' in the destination's spec",
                extra={"table": writer.name},
            )

    @property
    def refuses_rows(self) -> bool:
        """Whether deletes were asked for that cannot be: what comes after them is not taken."""
        return self._refusal is not None

    def delete(self, delete: Delete) -> None:
        """Take a DeleteStale or DeleteRecord: a publisher gets it at the end, if there is one that can delete rows.

        Otherwise every row is still delivered, and then `finish` raises a WriteModeError. Not at once: the CLI sends
        deletes last, and prints only `EOF` for a stream that ends meanwhile; at the stream's end, it prints the message
        in full.
        """
        if self._context.takes_deletes:
            self._deletes.append(delete)
        elif self._refusal is None:
            self._refusal = WriteModeError(
                "rows cannot be deleted from objects in S3: set 'write_mode: append' in the destination's spec "
                "(the default is overwrite-delete-stale)"
            )
            log.error("%s", self._refusal)

    def encode(self) -> None:
        """Have rows encoded that wait for more of their kind, since none will come; commits no object.

        No more than may be in flight: what is encoded stays in memory until `finish`.
        """
        for writer in self._tables.values():
            if self.full:
                return
            writer.encode()

    async def finish(self) -> None:
        """End every object, wait until the store has acknowledged all, and publish.

        Raises:
            WriteFailedError: tables have failed; names each, its key and the cause. The others are complete.
            WriteModeError: every row is in the bucket, and deletes were asked for.
            PublicationError: every row is in the bucket, and that could not be made known.
            PluginError: a fault that holds for every table.
        """
        await self._decode()
        await asyncio.gather(*(writer.finish() for writer in self._tables.values()))
        error = self.fatal or self._table_failures() or self._refusal
        error = await self._publish("failed" if error else "complete", error)
        if error is not None:
            raise error

    async def abort(self) -> None:
        """Give up all that is not committed, and publish what is; return when nothing partial is left."""
        self._undecoded.clear()
        for writer in self._tables.values():
            writer.stop()
        await asyncio.gather(*(writer.settle() for writer in self._tables.values()))
        was_ended = self.fatal is not None and not isinstance(self.fatal, ClosedError)
        await self._publish("failed" if was_ended else "interrupted", self.fatal)

    def committed(self, record: CommittedObject) -> None:
        """Tell every publisher of an object that is in the bucket."""
        for publisher in self._publishers:
            publisher.committed(record)

    def failed(self, table: str, error: Exception) -> None:
        """Stop what the fault concerns: its table, or everything."""
        if isinstance(error, StoreUnavailableError):
            self.end(error)
        elif table not in self._failures:
            self._failures[table] = error
            log.error("%s", error, extra={"table": table})
            self._tables[table].stop()

    def end(self, error: PluginError) -> None:
        """Give up every table for a fault that holds for all of them."""
        if self.fatal is not None:
            return
        self.fatal = error
        log.error("%s", error)
        for writer in self._tables.values():
            writer.stop()
        self._on_fatal()

    async def _publish(self, status: WriteStatus, error: PluginError | None) -> PluginError | None:
        """Have the Write published, if it is not yet; return the first error, which may be that of a publisher."""
        if self._published:
            return error
        self._published = True
        end = WriteEnd(status, self._context.now(), error, self._failures, self._schemas, self._deletes)
        for publisher in self._publishers:
            try:
                await publisher.publish(end)
            except Exception as problem:
                known = isinstance(problem, PluginError)
                what = str(problem) if known else f"{type(problem).__name__}: {problem}"
                stored = "the rows of this Write are" if status == "complete" else "what this Write has stored is"
                failure = PublicationError(f"{stored} in the bucket, but {what}")
                log.error("%s", failure, exc_info=None if known else problem)  # noqa: TRY400 -- no trace of what is known
                end = replace(end, status="failed", error=end.error or failure)
        return end.error

    def _table_failures(self) -> WriteFailedError | None:
        if not self._failures:
            return None
        failures = list(map(_named, self._failures, self._failures.values()))
        return WriteFailedError(failures, tables=len(self._tables))

    def _raise_fatal(self) -> None:
        if self.fatal is not None:
            raise self.fatal

    def _table(self, name: str, schema: pa.Schema | None = None) -> TableWriter:
        if not name:
            raise ProtocolError("a record's schema does not say its table: metadata cq:table_name is missing")
        writer = self._tables.get(name)
        if writer is None and len(self._tables) >= MOST_TABLES:
            raise ProtocolError(f"one Write has more than {MOST_TABLES:,} tables: sync fewer of them at a time")
        if schema is not None:
            self._schemas[name] = schema
        if writer is None:
            writer = self._tables[name] = TableWriter(name, self._context, self._gate, self)
            self.summary.table(name)
            self._claim_key(name)
            if schema is not None:
                self._advise(name, schema)
        return writer

    def _advise(self, table: str, schema: pa.Schema) -> None:
        """Log what readers of the table will stumble over."""
        for advice in (*name_warnings(schema), *table_advice(self._context.template.path, table, schema.names)):
            log.warning("%s", advice, extra={"table": table})

    def _claim_key(self, table: str) -> None:
        """Fail a table whose fixed key another table has: one would replace the other (`a-b` and `a_b`)."""
        template = self._context.template
        if template.has_file_id:
            return
        try:
            key = template.render(table, file_id="", now=self._context.now())
        except TableError as error:
            self.failed(table, error)
            return
        owner = self._owners_of_keys.setdefault(key, table)
        if owner != table:
            problem = f"its key {key} is that of table {owner}: use {{{{TABLE}}}} in 'path'"
            self.failed(table, TableError(table, problem))


def _named(table: str, error: Exception) -> str:
    """Return a failure's message with the table's name, which a store does not know."""
    return str(error) if isinstance(error, TableError) else f"table {table}: {error}"
