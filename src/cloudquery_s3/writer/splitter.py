"""Rows of a table on their way to their partitions: split on the workers, several messages at a time, in order."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Final

from cloudquery_s3.errors import DecodeError, PluginError, TableError
from cloudquery_s3.ipc import DecodedMessage, ReceivedBatch, decode
from cloudquery_s3.writer.partitioning import Partitioner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cloudquery_s3.writer.context import WriteContext
    from cloudquery_s3.writer.partitioning import Partition

_ENOUGH_BYTES: Final = 12 << 20
"""So many Arrow bytes are split together: fewer make more and smaller copies, more leave the processor's cache."""


class Splitter:
    """Takes rows of one table, and delivers those of each partition in the order in which they came.

    Lives on the event loop. What waits here counts as held, and what is being split as encoding, twice: for its copy.

    Args:
        deliver: takes the rows of a partition, on the loop; may raise a TableError.
        failed: hears why no more can be split.
    """

    def __init__(
        self,
        table: str,
        context: WriteContext,
        deliver: Callable[[Partition, ReceivedBatch], None],
        failed: Callable[[Exception], None],
    ) -> None:
        self._table = table
        self._context = context
        self._deliver = deliver
        self._failed = failed
        self._partitioner = Partitioner(table, context.template.partition_fields)
        self._checked: object = None
        self._pending: list[ReceivedBatch] = []
        self._pending_bytes = 0
        self._held_bytes = 0
        self._splitting_bytes = 0
        self._queue: list[list[ReceivedBatch]] = []
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._reservation = context.budget.reserve(self._evict)

    def add(self, batch: ReceivedBatch) -> None:
        """Take rows.

        Raises:
            TableError: a column of the keys has a type that makes none.
        """
        if batch.schema is not self._checked:
            self._partitioner.check(batch.schema)
            self._checked = batch.schema
        self._pending.append(batch)
        self._pending_bytes += batch.arrow_bytes
        self._held_bytes += batch.held_bytes
        self._reservation.hold(batch.held_bytes)
        if self._pending_bytes >= _ENOUGH_BYTES:
            self.send()
        elif self._timer is None and self._context.split_delay_s > 0:
            self._timer = asyncio.get_running_loop().call_later(self._context.split_delay_s, self.send)

    def send(self) -> None:
        """Have what has come split now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._pending:
            return
        self._queue.append(self._pending)
        self._splitting_bytes += self._held_bytes
        self._pending, self._pending_bytes, self._held_bytes = [], 0, 0
        self._account()
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    def stop(self) -> None:
        """Drop what is not delivered yet."""
        if self._timer is not None:
            self._timer.cancel()
        self._queue.clear()
        self._pending, self._pending_bytes, self._held_bytes = [], 0, 0
        self._account()

    async def settle(self) -> None:
        """Return when all that was sent is delivered, or dropped."""
        while self._task is not None:
            await asyncio.wait([self._task])

    def _evict(self) -> bool:
        self.send()
        return True

    def _account(self) -> None:
        self._reservation.set(held_bytes=self._held_bytes, encoding_bytes=2 * self._splitting_bytes, uploading_bytes=0)

    async def _run(self) -> None:
        try:
            while self._queue:
                await self._split(self._queue.pop(0))
        except PluginError as error:
            self._failed(error)
        except Exception as error:  # noqa: BLE001 -- whatever it is, it concerns this table alone
            self._failed(TableError(self._table, f"its rows cannot be split: {type(error).__name__}"))
        finally:
            self._task = None
            self._splitting_bytes = 0
            self._account()

    async def _split(self, batches: list[ReceivedBatch]) -> None:
        held_bytes = sum(batch.held_bytes for batch in batches)
        loop = asyncio.get_running_loop()
        split = await loop.run_in_executor(self._context.pools.encode, self._parts, batches)
        self._splitting_bytes -= held_bytes
        self._account()
        for partition, rows in split:
            self._deliver(partition, rows)

    def _parts(self, batches: list[ReceivedBatch]) -> list[tuple[Partition, ReceivedBatch]]:
        """Return the rows of each partition; the work of a worker."""
        try:
            return list(self._each_part(batches))
        except DecodeError as error:
            raise TableError(self._table, f"its rows cannot be read: {error}") from error

    def _each_part(self, batches: list[ReceivedBatch]) -> Iterator[tuple[Partition, ReceivedBatch]]:
        for known, neighbours in itertools.groupby(batches, lambda batch: batch.message.known):
            for record in decode(list(neighbours)):
                for partition, rows in self._partitioner.split(record):
                    size_bytes = rows.get_total_buffer_size()
                    message = DecodedMessage(known, rows, arrow_bytes=size_bytes, held_bytes=size_bytes)
                    yield partition, ReceivedBatch(message, 0, rows.num_rows)
