"""One table of one Write: its partitions, each with an open object."""

from __future__ import annotations

import asyncio
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from cloudquery_s3.errors import TableError
from cloudquery_s3.writer.partition_writer import PartitionWriter
from cloudquery_s3.writer.sized_writer import SizedPartitionWriter
from cloudquery_s3.writer.sizes import SizeEstimate
from cloudquery_s3.writer.splitter import Splitter

if TYPE_CHECKING:
    import pyarrow as pa

    from cloudquery_s3.ipc import ReceivedBatch
    from cloudquery_s3.writer.access_gate import AccessGate
    from cloudquery_s3.writer.context import WriteContext
    from cloudquery_s3.writer.partition_writer import ObjectEvents
    from cloudquery_s3.writer.partitioning import Partition

MOST_PARTITIONS: Final = 10_000
"""More distinct values of the columns in its keys fail a table: each has objects of its own."""


class TableWriter:
    """Hands a table's rows to their partitions. Lives on the event loop.

    Where keys have columns, rows are split on workers first, several messages at a time (`Splitter`). No more than
    `max_open_partitions` objects are open at a time: above that the one that was opened first ends.
    """

    def __init__(self, name: str, context: WriteContext, gate: AccessGate, events: ObjectEvents) -> None:
        self.name = name
        self._context = context
        self._gate = gate
        self._events = events
        self._partitions: dict[Partition, PartitionWriter] = {}
        self._seen: set[Partition] = set()
        self._migrated: pa.Schema | None = None
        self._estimate = SizeEstimate()
        self._stopped = False
        self._splitter: Splitter | None = None
        if context.template.partition_fields:
            self._splitter = Splitter(name, context, self._split, lambda error: events.failed(name, error))

    def reserve_key(self, schema: pa.Schema) -> None:
        """Make sure that the table leaves an object, be it an empty one: a key without columns is drawn now.

        Raises:
            TableError: the key cannot be used.
        """
        if self._splitter is None:
            self._partition(()).reserve_key(schema)
        else:
            self._migrated = schema

    def append(self, batch: ReceivedBatch) -> None:
        """Take rows, at least one; rows after `stop` are dropped.

        Raises:
            TableError: a column of the keys has a type that makes none, or the columns changed, and the open object can
                neither hold both nor end.
        """
        if self._stopped:
            return
        if self._splitter is not None:
            self._splitter.add(batch)
        else:
            self._partition(()).append(batch)

    def encode(self) -> None:
        """Have the rows encoded that open objects hold; they stay open, and nothing of them can be seen."""
        if self._splitter is not None:
            self._splitter.send()
        for writer in self._partitions.values():
            writer.encode()

    async def finish(self) -> None:
        """End the open objects and wait until all of the table's objects have ended."""
        if self._splitter is not None:
            self._splitter.send()
            await self._splitter.settle()
        if not self._stopped:
            self._end_all()
        await self.settle()

    def stop(self) -> None:
        """Give up every object that the store has not acknowledged; take no more rows."""
        self._stopped = True
        if self._splitter is not None:
            self._splitter.stop()
        for writer in self._partitions.values():
            writer.stop()

    async def settle(self) -> None:
        """Return when every object has ended: each is in the bucket, or nothing of it is left."""
        if self._splitter is not None:
            await self._splitter.settle()
        await asyncio.gather(*(writer.settle() for writer in tuple(self._partitions.values())))

    def _end_all(self) -> None:
        try:
            if self._migrated is not None and not self._seen:
                nowhere = (None,) * len(self._context.template.partition_fields)
                self._partition(nowhere).reserve_key(self._migrated)
            for writer in tuple(self._partitions.values()):
                writer.finish()
        except TableError as error:
            self._events.failed(self.name, error)

    def _split(self, partition: Partition, batch: ReceivedBatch) -> None:
        """Append rows to their partition; see `append` for what it raises."""
        if self._stopped:
            return
        self._seen.add(partition)
        if len(self._seen) > MOST_PARTITIONS:
            columns = ", ".join(field.column for field in self._context.template.partition_fields)
            problem = f"its rows have more than {MOST_PARTITIONS:,} distinct values of {columns}, which 'path' has"
            raise TableError(self.name, f"{problem}: each gets objects of its own; use columns with fewer values")
        if not self._is_open(partition):
            self._end_oldest()
        self._partition(partition).append(batch)

    def _is_open(self, partition: Partition) -> bool:
        writer = self._partitions.get(partition)
        return writer is not None and writer.opened_at is not None

    def _end_oldest(self) -> None:
        """Make room for another open object, and forget partitions that have none."""
        opened = [(writer.opened_at, writer) for writer in self._partitions.values() if writer.opened_at is not None]
        if len(opened) < self._context.max_open_partitions:
            return
        min(opened, key=itemgetter(0))[1].end_object()
        for partition in [partition for partition, writer in self._partitions.items() if writer.is_idle]:
            del self._partitions[partition]

    def _partition(self, partition: Partition) -> PartitionWriter:
        writer = self._partitions.get(partition)
        if writer is None:
            writer = self._partitions[partition] = self._new_writer(partition)
        return writer

    def _new_writer(self, partition: Partition) -> PartitionWriter:
        if not self._context.object_size:
            return PartitionWriter(self.name, partition, context=self._context, gate=self._gate, events=self._events)
        return SizedPartitionWriter(
            self.name,
            partition,
            context=self._context,
            gate=self._gate,
            events=self._events,
            estimate=SizeEstimate(self._estimate),
        )
