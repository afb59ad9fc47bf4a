"""One object that takes rows: holds them, and hands them to its pipeline piece by piece, in order."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from cloudquery_s3.errors import ObjectCancelledError

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor, Future
    from datetime import datetime
    from typing import Any

    import pyarrow as pa

    from cloudquery_s3.ipc import ReceivedBatch
    from cloudquery_s3.writer.budget import Reservation
    from cloudquery_s3.writer.object_file import ObjectFile
    from cloudquery_s3.writer.partitioning import Partition

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows that are encoded together: one row group in Parquet.

    Attributes:
        batches: the rows.
        arrow_bytes: their Arrow bytes.
        held_bytes: the memory that they take.
        flush: the upload shall send what it can, instead of waiting until it must.
        last: the object ends behind them.
    """

    batches: list[ReceivedBatch]
    arrow_bytes: int
    held_bytes: int
    flush: bool
    last: bool


class OpenObject:
    """Rows on their way into one object, and what they take of the memory budget. Lives on the event loop.

    `TableWriter` feeds it with `add` and `send`; its pipeline takes the pieces and tells when each is `encoded` and
    `uploaded`.

    Attributes:
        table: whose rows they are.
        partition: the values of the columns in its key.
        schema: of the rows that it was opened for.
        file: makes and sends its bytes.
        opened_at: when its first row came.
        rows: rows taken.
        size_bytes: their Arrow bytes.
        pending_bytes: Arrow bytes that are in no piece yet.
        encoding_arrow_bytes: Arrow bytes of pieces that are not encoded yet.
        file_bytes: encoded bytes, sent or not.
    """

    def __init__(  # noqa: PLR0913 - what one object is made of, by name
        self,
        *,
        table: str,
        partition: Partition,
        schema: pa.Schema,
        file: ObjectFile,
        opened_at: datetime,
        reservation: Reservation,
        on_encoded: Callable[[Piece, int], None],
    ) -> None:
        self.table = table
        self.partition = partition
        self.schema = schema
        self.file = file
        self.opened_at = opened_at
        self.rows = 0
        self.size_bytes = 0
        self.pending_bytes = 0
        self.encoding_arrow_bytes = 0
        self.file_bytes = 0
        self._pending: list[ReceivedBatch] = []
        self._pending_held_bytes = 0
        self._encoding_bytes = 0
        self._encoded_bytes = 0
        self._buffered_bytes = 0
        self._unsendable_bytes = 0
        self._pieces: asyncio.Queue[Piece] = asyncio.Queue()
        self._flushes = 0
        self._sealed = False
        self._closed = False
        self._jobs: set[Future[Any]] = set()
        self._reservation = reservation
        self._on_encoded = on_encoded

    @property
    def sendable_bytes(self) -> int:
        """What `send` with `flush` would work on: Arrow bytes that are pending, and encoded ones not yet tried."""
        encoded_bytes = 0 if self._is_leaving else self._encoded_bytes + self._buffered_bytes - self._unsendable_bytes
        return self.pending_bytes + encoded_bytes

    def add(self, batch: ReceivedBatch) -> None:
        """Take rows."""
        arrow_bytes, held_bytes = batch.arrow_bytes, batch.held_bytes
        self._pending.append(batch)
        self.rows += batch.rows
        self.size_bytes += arrow_bytes
        self.pending_bytes += arrow_bytes
        self._pending_held_bytes += held_bytes
        self._reservation.hold(held_bytes)

    @property
    def pending(self) -> list[ReceivedBatch]:
        """The rows that are in no piece yet: a list of its own."""
        return list(self._pending)

    def send(self, *, flush: bool = False, last: bool = False) -> None:
        """Hand the pending rows to the pipeline as a piece; see `Piece` for the arguments."""
        self._sealed = self._sealed or last
        self._flushes += flush
        self._encoding_bytes += self._pending_held_bytes
        self.encoding_arrow_bytes += self.pending_bytes
        self._pieces.put_nowait(Piece(self._pending, self.pending_bytes, self._pending_held_bytes, flush, last))
        self._pending, self.pending_bytes, self._pending_held_bytes = [], 0, 0
        self._account()

    def cancel(self) -> None:
        """Give the object up: its pipeline leaves nothing behind, unless the store has acknowledged the object."""
        if self._closed:
            return
        self.file.cancellation.cancel()
        self.send(last=True)
        for job in tuple(self._jobs):
            job.cancel()

    async def next_piece(self) -> Piece:
        """Return the next piece, when there is one.

        Raises:
            ObjectCancelledError: the object was given up.
        """
        piece = await self._pieces.get()
        self.file.cancellation.check()
        return piece

    def encoded(self, piece: Piece, size_bytes: int) -> None:
        """Count the piece's rows as encoded bytes that wait for their upload."""
        self._encoding_bytes -= piece.held_bytes
        self._encoded_bytes += size_bytes
        self.encoding_arrow_bytes -= piece.arrow_bytes
        self.file_bytes += size_bytes
        self._account()
        self._on_encoded(piece, size_bytes)

    def uploaded(self, piece: Piece, size_bytes: int) -> None:
        """Count the piece's encoded bytes as the upload's own: sent, or buffered there."""
        self._encoded_bytes -= size_bytes
        self._flushes -= piece.flush
        self._buffered_bytes = self.file.buffered_bytes
        self._unsendable_bytes = self._buffered_bytes if piece.flush else 0
        self._account()

    async def run(self, pool: Executor, work: Callable[[], _Result]) -> _Result:
        """Return what a step of this object returns, run on a pool.

        Raises:
            ObjectCancelledError: the object was given up before the step began. A step that has begun is waited for: it
                looks at the cancellation itself.
        """
        job = pool.submit(work)
        self._jobs.add(job)
        try:
            return await asyncio.wrap_future(job)
        except asyncio.CancelledError:
            if not self.file.cancellation.cancelled:
                raise
            raise ObjectCancelledError from None
        finally:
            self._jobs.discard(job)

    def close(self) -> None:
        """Return everything to the memory budget: the object is committed or gone."""
        self._closed = True
        self._reservation.close()

    @property
    def _is_leaving(self) -> bool:
        """Whether the encoded bytes are being sent, and do not wait for more of them."""
        return self._sealed or self._flushes > 0

    def _account(self) -> None:
        encoded_bytes = self._encoded_bytes + self._buffered_bytes
        self._reservation.set(
            held_bytes=self._pending_held_bytes + (0 if self._is_leaving else encoded_bytes),
            encoding_bytes=2 * self._encoding_bytes,
            uploading_bytes=encoded_bytes if self._is_leaving else 0,
        )
