"""One table of one Write: its open object, and when that ends."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from cloudquery_s3.errors import PluginError, SchemaDriftError, TableError
from cloudquery_s3.table import same_columns
from cloudquery_s3.writer.object_builder import ObjectBuilder
from cloudquery_s3.writer.open_object import OpenObject

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    import pyarrow as pa

    from cloudquery_s3.formats.encoder import Format
    from cloudquery_s3.ipc import ReceivedBatch
    from cloudquery_s3.object_key import PathTemplate
    from cloudquery_s3.stores.object_store import ObjectStore, StoredObject
    from cloudquery_s3.writer.budget import MemoryBudget
    from cloudquery_s3.writer.lanes import Lanes
    from cloudquery_s3.writer.rotation import RotationPolicy

log = logging.getLogger(__name__)

MOST_PIECE_BYTES: Final = 64 << 20
_PIECES_IN_BUDGET: Final = 16

LEAST_PIECE_BYTES: Final = 1 << 20
"""Fewer Arrow bytes are not encoded on their own: Parquet would be a heap of small row groups."""


@dataclass(frozen=True, slots=True)
class Plant:
    """What all tables of a destination share.

    Attributes:
        template: names each object.
        policy: ends each object by size.
        timeout_s: ends each object by the age of its first row, in seconds; 0 or less: never.
        file_format: encodes each object.
        store: takes each object.
        lanes: do the work.
        budget: bounds the memory.
        now: the wall clock in UTC, for keys.
        new_id: a fresh `{{UUID}}`.
    """

    template: PathTemplate
    policy: RotationPolicy
    timeout_s: float
    file_format: Format
    store: ObjectStore
    lanes: Lanes
    budget: MemoryBudget
    now: Callable[[], datetime]
    new_id: Callable[[], str]

    @property
    def piece_bytes(self) -> int:
        """With so many Arrow bytes pending, an object is encoded and sent as far as it goes: never whole in memory.

        One whose size is limited may be whole, and Parquet have one row group. One without a limit is many pieces, of
        which several are on their way at once, each with its copies: it leaves most of the budget to them.
        """
        if self.policy.max_bytes > 0:
            return MOST_PIECE_BYTES
        return min(MOST_PIECE_BYTES, max(LEAST_PIECE_BYTES, self.budget.limit_bytes // _PIECES_IN_BUDGET))


class TableEvents(Protocol):
    """Who wants to know how a table's objects end."""

    def committed(self, table: str, stored: StoredObject, builder: ObjectBuilder) -> None:
        """An object is in the bucket."""

    def failed(self, table: str, error: Exception) -> None:
        """An object is given up: its rows are not in the bucket."""


class TableWriter:
    """Appends a table's rows to its open object, and ends that where the plant's rules say.

    Lives on the event loop. Rows keep their order within an object; several objects may be on their way at once.
    """

    def __init__(self, name: str, plant: Plant, events: TableEvents) -> None:
        self.name = name
        self._plant = plant
        self._events = events
        self._open: OpenObject | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._reserved: tuple[str, pa.Schema] | None = None
        self._building: dict[asyncio.Task[None], OpenObject] = {}
        self._stopped = False

    def reserve(self, schema: pa.Schema) -> None:
        """Make sure that the table leaves an object, be it an empty one: the first key is drawn now.

        Source: contract C.6, without H35: an empty object is only written when no row has come for it.
        """
        if self._reserved is None and not self._building:
            self._reserved = (self._new_key(), schema)

    def append(self, batch: ReceivedBatch) -> None:
        """Take rows, at least one; rows after `stop` are dropped.

        Raises:
            SchemaDriftError: the columns changed, and the open object can neither hold both nor end.
        """
        if self._stopped:
            return
        if self._open is not None and not self._holds(self._open, batch.schema):
            self.seal()
        for cut in self._plant.policy.split(
            rows=batch.rows,
            size_bytes=batch.arrow_bytes,
            held_rows=self._open.rows if self._open else 0,
            held_bytes=self._open.size_bytes if self._open else 0,
        ):
            if cut.rows:
                self._add(batch if cut.rows == batch.rows else batch.slice(cut.start, cut.rows))
            if cut.closes:
                self.seal()

    def relieve(self) -> bool:
        """Send on what is held: as an object of its own where keys are unique, else as a piece of the open one."""
        if self._plant.template.has_file_id:
            self.seal()
        elif self._open is not None and self._open.sendable_bytes >= LEAST_PIECE_BYTES:
            self._open.send(flush=True)
        else:
            return False
        return True

    def encode(self) -> None:
        """Have the rows encoded that the open object holds; it stays open, and nothing of it can be seen."""
        if self._open is not None and self._open.pending_bytes:
            self._open.send()

    def seal(self) -> None:
        """End the open object, if there is one: it is on its way into the bucket."""
        ended = self._take_open()
        if ended is not None:
            ended.send(last=True)

    async def finish(self) -> None:
        """End the open object and wait until all of the table's objects have ended."""
        if self._reserved is not None and not self._stopped:
            try:
                self._open = self._new_object(self._reserved[1])
            except TableError as error:
                self._events.failed(self.name, error)
        self.seal()
        await self._wait()

    def stop(self) -> None:
        """Give up every object that is not being committed already; take no more rows."""
        self._stopped = True
        self._take_open()
        for unfinished in self._building.values():
            unfinished.give_up()

    async def abort(self) -> None:
        """Stop, and wait until nothing partial is left."""
        self.stop()
        await self._wait()

    async def _wait(self) -> None:
        while self._building:
            await asyncio.wait(self._building)

    def _take_open(self) -> OpenObject | None:
        if self._timer is not None:
            self._timer.cancel()
        taken, self._open, self._timer = self._open, None, None
        return taken

    def _holds(self, open_object: OpenObject, schema: pa.Schema) -> bool:
        if same_columns(open_object.schema, schema):
            return True
        if self._plant.template.has_file_id:
            return False
        if not self._plant.file_format.fixed_schema:
            return True
        raise SchemaDriftError(
            self.name,
            f"its columns changed during the sync, and {open_object.builder.key} cannot hold both: "
            "put {{UUID}} into 'path' and leave 'no_rotate' off, so that each set of columns gets objects of its own",
        )

    def _add(self, batch: ReceivedBatch) -> None:
        if self._open is None:
            self._open = self._new_object(batch.schema)
        self._open.add(batch)
        if self._open.pending_bytes >= self._plant.piece_bytes:
            self._open.send()

    def _new_key(self) -> str:
        return self._plant.template.render(self.name, file_id=self._plant.new_id(), now=self._plant.now())

    def _new_object(self, schema: pa.Schema) -> OpenObject:
        key = self._reserved[0] if self._reserved else self._new_key()
        self._reserved = None
        plant = self._plant
        builder = ObjectBuilder(
            table=self.name,
            key=key,
            schema=schema,
            file_format=plant.file_format,
            store=plant.store,
            slots=plant.lanes.encode_slots,
        )
        opened = OpenObject(builder, schema, self, lanes=plant.lanes, budget=plant.budget)
        loop = asyncio.get_running_loop()
        task = loop.create_task(self._build(opened))
        self._building[task] = opened
        task.add_done_callback(self._building.pop)
        if plant.timeout_s > 0:
            self._timer = loop.call_later(plant.timeout_s, self.seal)
        return opened

    async def _build(self, opened: OpenObject) -> None:
        try:
            stored = await opened.build()
        except PluginError as error:
            self._events.failed(self.name, error)
        except Exception as error:
            where = {"table": self.name, "key": opened.builder.key}
            log.exception("an error that this plugin does not know", extra=where)
            self._events.failed(self.name, TableError(self.name, f"{type(error).__name__}: {error}"))
        else:
            if stored is not None:
                self._events.committed(self.name, stored, opened.builder)
