"""One object that takes rows: holds them, and has them built piece by piece, in order."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

    from cloudquery_s3.ipc import ReceivedBatch
    from cloudquery_s3.stores.object_store import StoredObject
    from cloudquery_s3.writer.budget import Holder, MemoryBudget
    from cloudquery_s3.writer.lanes import Lanes
    from cloudquery_s3.writer.object_builder import ObjectBuilder


@dataclass(frozen=True, slots=True)
class _Piece:
    batches: list[ReceivedBatch]
    in_flight_bytes: int
    flush: bool
    last: bool


class OpenObject:
    """Rows on their way into one object.

    Lives on the event loop. Its builder runs on the workers, one piece at a time. `build` runs from the object's
    opening to its end; the other methods feed it.

    Attributes:
        schema: of the rows that it was opened for.
        rows: rows taken.
        size_bytes: their Arrow bytes.
        pending_bytes: Arrow bytes that no worker has been given yet.
    """

    def __init__(self, builder: ObjectBuilder, schema: pa.Schema, *, lanes: Lanes, budget: MemoryBudget) -> None:
        self.builder = builder
        self.schema = schema
        self.rows = 0
        self.size_bytes = 0
        self.pending_bytes = 0
        self._pending: list[ReceivedBatch] = []
        self._pieces: asyncio.Queue[_Piece] = asyncio.Queue()
        self._in_flight_bytes = 0
        self._buffered_bytes = 0
        self._given_up = False
        self._ended = False
        self._lanes = lanes
        self._budget = budget

    def add(self, batch: ReceivedBatch, holder: Holder) -> None:
        """Take rows; `holder` answers for their memory until they are sent."""
        self._pending.append(batch)
        self.rows += batch.rows
        self.size_bytes += batch.arrow_bytes
        self.pending_bytes += batch.arrow_bytes
        self._budget.hold(holder, batch.held_bytes)

    def send(self, holder: Holder, *, flush: bool = False, last: bool = False) -> None:
        """Hand the pending rows to the workers.

        Args:
            holder: who has answered for their memory so far.
            flush: the upload shall send what it can, instead of waiting until it must.
            last: the object ends behind them.
        """
        in_flight_bytes = 2 * self._budget.release(holder)  # the rows and their encoded copy
        if not self._ended:
            self._budget.launch(in_flight_bytes)
            self._in_flight_bytes += in_flight_bytes
            self._pieces.put_nowait(_Piece(self._pending, in_flight_bytes, flush, last))
        self._pending, self.pending_bytes = [], 0

    def give_up(self, holder: Holder) -> None:
        """Drop all rows: `build` leaves nothing behind and returns None, unless it is committing already."""
        self._given_up = True
        self.send(holder, last=True)

    async def build(self) -> StoredObject | None:
        """Build the object from its pieces as they come; return it when the store has acknowledged it.

        Raises:
            PluginError: it could not be built; nothing partial is left.
        """
        stored = None
        try:
            while stored is None:
                piece = await self._pieces.get()
                if self._given_up:
                    return None
                stored = await self._lanes.run(partial(self._work, piece))
                self._land(piece.in_flight_bytes, still_buffered_bytes=self.builder.buffered_bytes)
            return stored
        finally:
            self._ended = True
            if stored is None:
                await self._lanes.run(self.builder.abort)
            self._land(self._in_flight_bytes, still_buffered_bytes=0)

    def _work(self, piece: _Piece) -> StoredObject | None:
        if piece.batches:
            self.builder.write(piece.batches, flush=piece.flush)
            piece.batches.clear()  # they are encoded: free them before the upload takes its time
        return self.builder.commit() if piece.last else None

    def _land(self, in_flight_bytes: int, *, still_buffered_bytes: int) -> None:
        self._in_flight_bytes -= in_flight_bytes
        self._budget.land(in_flight_bytes, newly_buffered_bytes=still_buffered_bytes - self._buffered_bytes)
        self._buffered_bytes = still_buffered_bytes
