"""One partition of one table: its open object, and when that ends."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Protocol

from cloudquery_s3 import scope
from cloudquery_s3.cancellation import Cancellation
from cloudquery_s3.errors import ObjectCancelledError, PluginError, SchemaDriftError, TableError
from cloudquery_s3.table import same_columns
from cloudquery_s3.writer.context import LEAST_PIECE_BYTES
from cloudquery_s3.writer.object_file import ObjectFile
from cloudquery_s3.writer.open_object import OpenObject
from cloudquery_s3.writer.pipeline import ObjectPipeline

if TYPE_CHECKING:
    from datetime import datetime

    import pyarrow as pa

    from cloudquery_s3.committed import CommittedObject
    from cloudquery_s3.ipc import ReceivedBatch
    from cloudquery_s3.writer.access_gate import AccessGate
    from cloudquery_s3.writer.context import WriteContext
    from cloudquery_s3.writer.open_object import Piece
    from cloudquery_s3.writer.partitioning import Partition

log = logging.getLogger(__name__)


class ObjectEvents(Protocol):
    """Who wants to know how a table's objects end."""

    def committed(self, record: CommittedObject) -> None:
        """An object is in the bucket."""

    def failed(self, table: str, error: Exception) -> None:
        """An object is given up: its rows are not in the bucket."""


class PartitionWriter:
    """Appends rows of one partition to its open object, and ends that where the rules say.

    Lives on the event loop. Rows keep their order within an object; several objects may be on their way at once. A
    table whose keys have no columns is one partition.
    """

    def __init__(
        self,
        table: str,
        partition: Partition,
        *,
        context: WriteContext,
        gate: AccessGate,
        events: ObjectEvents,
    ) -> None:
        self.partition = partition
        self._table = table
        self._context = context
        self._gate = gate
        self._events = events
        self._open: OpenObject | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._reserved: tuple[str, pa.Schema] | None = None
        self._under_way: dict[asyncio.Task[None], OpenObject] = {}
        self._has_objects = False

    @property
    def opened_at(self) -> datetime | None:
        """When the object was opened that takes rows; None where there is none."""
        return self._open.opened_at if self._open is not None else None

    @property
    def is_idle(self) -> bool:
        """Whether no object is open or on its way, and no rows wait."""
        return not self._under_way

    def reserve_key(self, schema: pa.Schema) -> None:
        """Make sure that there will be an object, be it an empty one: the first key is drawn now.

        An empty object is only written when no row has come for it.
        """
        if self._reserved is None and not self._has_objects:
            self._reserved = (self._new_key(), schema)

    def append(self, batch: ReceivedBatch) -> None:
        """Take rows, at least one.

        Raises:
            SchemaDriftError: the columns changed, and the open object can neither hold both nor end.
        """
        self._take(batch)

    def _take(self, batch: ReceivedBatch) -> None:
        if self._open is not None and not self._holds(self._open, batch.schema):
            self._end_open()
        for cut in self._context.policy.split(
            rows=batch.rows,
            size_bytes=batch.arrow_bytes,
            held_rows=self._open.rows if self._open else 0,
            held_bytes=self._open.size_bytes if self._open else 0,
        ):
            if cut.rows:
                self._add(batch if cut.rows == batch.rows else batch.slice(cut.start, cut.rows))
            if cut.closes:
                self._end_open()

    def encode(self) -> None:
        """Have the rows encoded that the open object holds; it stays open, and nothing of it can be seen."""
        if self._open is not None and self._open.pending_bytes:
            self._open.send()

    def end_object(self) -> None:
        """End the open object, if there is one: it is on its way into the bucket."""
        self._end_open()

    def _end_open(self) -> None:
        ended = self._take_open()
        if ended is not None:
            ended.send(last=True)

    def finish(self) -> None:
        """End the open object, or the empty one for which a key is reserved."""
        if self._reserved is not None:
            self._open = self._new_object(self._reserved[1])
        self.end_object()

    def stop(self) -> None:
        """Give up every object that the store has not acknowledged."""
        self._reserved = None
        self._take_open()
        for unfinished in self._under_way.values():
            unfinished.cancel()

    async def settle(self) -> None:
        """Return when every object has ended: each is in the bucket, or nothing of it is left."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    def _take_open(self) -> OpenObject | None:
        if self._timer is not None:
            self._timer.cancel()
        taken, self._open, self._timer = self._open, None, None
        return taken

    def _holds(self, open_object: OpenObject, schema: pa.Schema) -> bool:
        if same_columns(open_object.schema, schema):
            return True
        if self._context.template.has_file_id:
            return False
        if not self._context.file_format.fixed_schema:
            return True
        raise SchemaDriftError(
            self._table,
            f"its columns changed during the sync, and {open_object.file.key} cannot hold both: "
            "put {{UUID}} into 'path' and leave 'no_rotate' off, so that each set of columns gets objects of its own",
        )

    def _add(self, batch: ReceivedBatch) -> None:
        if self._open is None:
            self._open = self._new_object(batch.schema)
        self._open.add(batch)
        if self._open.pending_bytes >= self._piece_bytes:
            self._open.send()

    @property
    def _piece_bytes(self) -> float:
        """With so many Arrow bytes pending, a piece is sent."""
        return self._context.piece_bytes

    def _encoded(self, piece: Piece, size_bytes: int) -> None:
        """Hear how large a piece has become; what is ended by its rows alone needs not know."""

    def _evict(self) -> bool:
        """Send on what is held: as an object of its own where keys are unique, else as a piece of the open one."""
        if self._context.template.has_file_id:
            self.end_object()
        elif self._open is not None and self._open.sendable_bytes >= LEAST_PIECE_BYTES:
            self._open.send(flush=True)
        else:
            return False
        return True

    def _new_key(self) -> str:
        context = self._context
        return context.template.render(
            self._table, file_id=context.new_id(), now=context.now(), partition=self.partition
        )

    def _new_object(self, schema: pa.Schema) -> OpenObject:
        key = self._reserved[0] if self._reserved else self._new_key()
        self._reserved = None
        self._has_objects = True
        context = self._context
        opened = OpenObject(
            table=self._table,
            partition=self.partition,
            schema=schema,
            file=ObjectFile(
                table=self._table,
                key=key,
                schema=schema,
                file_format=context.file_format,
                store=context.store,
                cancellation=Cancellation(),
                unique=context.template.has_file_id,
            ),
            opened_at=context.now(),
            reservation=context.budget.reserve(self._evict),
            on_encoded=self._encoded,
        )
        pipeline = ObjectPipeline(opened, context=context, gate=self._gate)
        loop = asyncio.get_running_loop()
        task = loop.create_task(self._run(pipeline, key, opened.opened_at))
        self._under_way[task] = opened
        task.add_done_callback(self._under_way.pop)
        if context.object_timeout_s > 0:
            self._timer = loop.call_later(context.object_timeout_s, self.end_object)
        return opened

    async def _run(self, pipeline: ObjectPipeline, key: str, opened_at: datetime) -> None:
        scope.enter(table=self._table, opened_at=opened_at)
        try:
            record = await pipeline.run()
        except ObjectCancelledError:
            pass  # whoever gave it up knows why
        except PluginError as error:
            self._events.failed(self._table, error)
        except Exception as error:
            log.exception("an error that this plugin does not know", extra={"table": self._table, "key": key})
            self._events.failed(self._table, TableError(self._table, f"{type(error).__name__}: {error}"))
        else:
            self._events.committed(record)
