"""One partition whose objects end by their size in the bucket."""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Final

from cloudquery_s3.errors import ObjectCancelledError, PluginError
from cloudquery_s3.writer.context import LEAST_PIECE_BYTES
from cloudquery_s3.writer.partition_writer import PartitionWriter
from cloudquery_s3.writer.sizes import next_piece

if TYPE_CHECKING:
    from datetime import datetime

    from cloudquery_s3.ipc import ReceivedBatch
    from cloudquery_s3.writer.access_gate import AccessGate
    from cloudquery_s3.writer.budget import Reservation
    from cloudquery_s3.writer.context import WriteContext
    from cloudquery_s3.writer.open_object import OpenObject, Piece
    from cloudquery_s3.writer.partition_writer import ObjectEvents
    from cloudquery_s3.writer.partitioning import Partition
    from cloudquery_s3.writer.sizes import NextPiece, SizeEstimate

_PIECES_IN_BUDGET: Final = 5
"""A piece may be as large as this part of the budget, whatever else is in memory."""


class SizedPartitionWriter(PartitionWriter):
    """Appends rows of one partition to its open object, and ends that also where it has `object_size` bytes.

    Rows wait here while only the encoded bytes of others can tell where they belong: those of a sample, which is
    encoded twice, or of the object's earlier pieces. What ends an object meanwhile waits behind them, as None, so that
    rows keep their order. They count as held.
    """

    def __init__(
        self,
        table: str,
        partition: Partition,
        *,
        context: WriteContext,
        gate: AccessGate,
        events: ObjectEvents,
        estimate: SizeEstimate,
    ) -> None:
        super().__init__(table, partition, context=context, gate=gate, events=events)
        self._estimate = estimate
        self._waiting: deque[ReceivedBatch | None] = deque()
        self._held: Reservation | None = None
        self._trial: asyncio.Task[None] | None = None

    @property
    def opened_at(self) -> datetime | None:
        """When the object was opened that takes rows; None where there is none, or its end waits."""
        return None if self._waiting and self._waiting[-1] is None else super().opened_at

    @property
    def is_idle(self) -> bool:
        """Whether no object is open or on its way, and no rows wait."""
        return super().is_idle and self._trial is None and not self._waiting

    def append(self, batch: ReceivedBatch) -> None:
        """Take rows, at least one; see `PartitionWriter.append`."""
        self._wait(batch)
        self._proceed()

    def encode(self) -> None:
        """Have the rows encoded that the open object holds, unless it is about to be shown where they belong."""
        if not self._waiting and self._trial is None:
            super().encode()

    def end_object(self) -> None:
        """End the object of the rows that came last."""
        self._wait(None)
        self._resume()

    def stop(self) -> None:
        """Give up every object that the store has not acknowledged."""
        self._waiting.clear()
        self._release()
        super().stop()

    async def settle(self) -> None:
        """Return when every object has ended: each is in the bucket, or nothing of it is left."""
        while tasks := {*self._under_way, *([self._trial] if self._trial is not None else [])}:
            await asyncio.wait(tasks)

    @property
    def _piece_bytes(self) -> float:
        return float("inf")  # `_advance` sends the pieces

    def _encoded(self, piece: Piece, size_bytes: int) -> None:
        self._estimate.observe(piece.arrow_bytes, size_bytes)
        self._resume()

    def _evict(self) -> bool:
        if self._open is None or self._trial is not None or self._waiting:
            return False  # what they wait for is being encoded
        if self._open.sendable_bytes >= LEAST_PIECE_BYTES:
            self._open.send(flush=True)
        else:
            self._end_open()
        return True

    def _wait(self, batch: ReceivedBatch | None) -> None:
        self._waiting.append(batch)
        if batch is not None:
            if self._held is None:
                self._held = self._context.budget.reserve(lambda: False)
            self._held.hold(batch.held_bytes)

    def _release(self) -> None:
        if self._held is not None:
            self._held.close()
            self._held = None

    def _resume(self) -> None:
        """Go on with the rows that wait; not within a call that could be told of a fault."""
        try:
            self._proceed()
        except PluginError as error:
            self._events.failed(self._table, error)

    def _proceed(self) -> None:
        while self._ends_next() or (self._trial is None and self._advance()):
            pass
        if not self._waiting:
            self._release()

    def _ends_next(self) -> bool:
        """End the open object if no row waits for it, whatever is not known yet; return whether that was next."""
        if not self._waiting or self._waiting[0] is not None:
            return False
        self._waiting.popleft()
        self._end_open()
        return True

    def _advance(self) -> bool:
        """Do the next thing that can be decided: send a piece, end the object, take rows; return whether there was one.

        A trial of a sample may be begun instead.
        """
        opened = self._open
        plan = next_piece(
            self._context.object_size,
            self._estimate,
            encoded_bytes=opened.file_bytes if opened is not None else 0,
            encoding_arrow_bytes=opened.encoding_arrow_bytes if opened is not None else 0,
        )
        if plan is None:
            return False
        if opened is not None:
            if plan.sample_bytes and opened.pending_bytes >= plan.sample_bytes:
                return not self._begin_trial(opened)
            complete = opened.pending_bytes >= plan.arrow_bytes
            if complete or self._is_short_of_memory(opened):
                return self._send(opened, last=complete and plan.last)
        return self._take_next(plan, opened.pending_bytes if opened is not None else 0)

    def _send(self, opened: OpenObject, *, last: bool) -> bool:
        """Send what is pending, as a piece or the last one; return False where memory wants pieces before encoded."""
        encoding = any(one.encoding_arrow_bytes for one in self._under_way.values())
        if encoding and self._context.budget.free_bytes < opened.pending_bytes:
            return False
        if last:
            self._end_open()
        else:
            opened.send()
        return True

    def _is_short_of_memory(self, opened: OpenObject) -> bool:
        budget = self._context.budget
        most = max(LEAST_PIECE_BYTES, budget.limit_bytes // _PIECES_IN_BUDGET)
        return opened.pending_bytes >= most and budget.free_bytes < opened.pending_bytes

    def _take_next(self, plan: NextPiece, pending_bytes: int) -> bool:
        """Take what the plan has room for of the rows that have waited longest; return whether there were any."""
        batch = self._waiting.popleft() if self._waiting else None
        if batch is None:
            return False
        room = (plan.sample_bytes or plan.arrow_bytes) - pending_bytes
        rows = max(1, min(batch.rows, room * batch.rows // max(1, batch.arrow_bytes)))
        if self._held is not None:
            self._held.hold(-batch.held_bytes)
        if rows < batch.rows:
            rest = batch.slice(rows, batch.rows - rows)
            self._waiting.appendleft(rest)
            if self._held is not None:
                self._held.hold(rest.held_bytes)
            batch = batch.slice(0, rows)
        self._take(batch)
        return True

    def _begin_trial(self, opened: OpenObject) -> bool:
        """Have a sample encoded; return False where something is known already, and memory is short."""
        self._estimate.trying(opened.pending_bytes)
        if self._estimate.ratio is not None and self._context.budget.free_bytes < 2 * opened.pending_bytes:
            return False
        reservation = self._context.budget.reserve(lambda: False)
        reservation.set(held_bytes=0, encoding_bytes=2 * opened.pending_bytes, uploading_bytes=0)
        trial = self._try(opened, opened.pending_bytes, reservation)
        self._trial = asyncio.get_running_loop().create_task(trial)
        return True

    async def _try(self, opened: OpenObject, arrow_bytes: int, reservation: Reservation) -> None:
        """Learn what the open object's rows become, before more are taken."""
        try:
            work = partial(opened.file.trial, opened.pending)
            size_bytes = await opened.run(self._context.pools.encode, work)
            self._estimate.observe(arrow_bytes, size_bytes)
        except ObjectCancelledError:
            pass  # whoever gave the object up knows why
        except PluginError as error:
            self._events.failed(self._table, error)
        finally:
            reservation.close()
            self._trial = None
        self._resume()
