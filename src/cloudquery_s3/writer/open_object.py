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
    opening to its end; the other methods feed it. `holder` answers to the budget for what it holds: rows that no worker
    has been given yet, and encoded bytes that wait in the upload.

    Attributes:
        schema: of the rows that it was opened for.
        rows: rows taken.
        size_bytes: their Arrow bytes.
        pending_bytes: Arrow bytes that no worker has been given yet.
    """

    def __init__(
        self, builder: ObjectBuilder, schema: pa.Schema, holder: Holder, *, lanes: Lanes, budget: MemoryBudget
    ) -> None:
        self.builder = builder
        self.schema = schema
        self.rows = 0
        self.size_bytes = 0
        self.pending_bytes = 0
        self._pending: list[ReceivedBatch] = []
        self._pieces: asyncio.Queue[_Piece] = asyncio.Queue()
        self._in_flight_bytes = 0
        self._buffered_bytes = 0
        self._stuck_bytes = 0
        self._sealed = False
        self._given_up = False
        self._ended = False
        self._holder = holder
        self._lanes = lanes
        self._budget = budget

    @property
    def sendable_bytes(self) -> int:
        """What `send` with `flush` would work on: Arrow bytes that are pending, and buffered ones not yet tried."""
        return self.pending_bytes + self._buffered_bytes - self._stuck_bytes

    def add(self, batch: ReceivedBatch) -> None:
        """Take rows."""
        self._pending.append(batch)
        self.rows += batch.rows
        self.size_bytes += batch.arrow_bytes
        self.pending_bytes += batch.arrow_bytes
        self._budget.hold(self._holder, batch.held_bytes)

    def send(self, *, flush: bool = False, last: bool = False) -> None:
        """Hand the pending rows to the workers.

        Args:
            flush: the upload shall send what it can, instead of waiting until it must.
            last: the object ends behind them.
        """
        self._sealed = self._sealed or last
        row_bytes = self._budget.release(self._holder) - self._buffered_bytes
        in_flight_bytes = 2 * row_bytes + self._buffered_bytes  # the rows, their encoded copy, and what waits already
        self._buffered_bytes = self._stuck_bytes = 0
        if not self._ended:
            self._budget.launch(in_flight_bytes)
            self._in_flight_bytes += in_flight_bytes
            self._pieces.put_nowait(_Piece(self._pending, in_flight_bytes, flush, last))
        self._pending, self.pending_bytes = [], 0

    def give_up(self) -> None:
        """Drop all rows: `build` leaves nothing behind and returns None, unless it is committing already."""
        self._given_up = True
        self.send(last=True)

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
                self._land(piece)
            return stored
        finally:
            self._ended = True
            if stored is None:
                await self._lanes.run(self.builder.abort)
            self._budget.land(self._in_flight_bytes)

    def _work(self, piece: _Piece) -> StoredObject | None:
        if piece.batches:
            self.builder.write(piece.batches)
        if piece.flush:
            self.builder.flush()
        return self.builder.commit() if piece.last else None

    def _land(self, piece: _Piece) -> None:
        self._in_flight_bytes -= piece.in_flight_bytes
        self._budget.land(piece.in_flight_bytes)
        if self._sealed:
            return  # what is still buffered goes with the last piece, and the holder has another object
        buffered_bytes = self.builder.buffered_bytes
        self._budget.hold(self._holder, buffered_bytes - self._buffered_bytes)
        self._buffered_bytes = buffered_bytes
        self._stuck_bytes = buffered_bytes if piece.flush else 0
