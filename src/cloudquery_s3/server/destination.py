"""A destination as one Init makes it: a bucket, a format, and the streams that write to it."""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from contextvars import Context, copy_context
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final

from cloudquery_s3 import scope
from cloudquery_s3.catalogs import catalog_publishers
from cloudquery_s3.committed import WriteStart
from cloudquery_s3.errors import ClosedError
from cloudquery_s3.formats import make_format
from cloudquery_s3.server import allocator
from cloudquery_s3.stores import probe
from cloudquery_s3.stores.s3 import s3_store
from cloudquery_s3.stores.sent_request import ignore
from cloudquery_s3.writer.budget import MemoryBudget
from cloudquery_s3.writer.context import WriteContext
from cloudquery_s3.writer.fixed_keys import FixedKeysOfSyncs
from cloudquery_s3.writer.pools import Pools
from cloudquery_s3.writer.rotation import RotationPolicy
from cloudquery_s3.writer.stream_writer import StreamWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cloudquery_s3.committed import PublisherFactory
    from cloudquery_s3.formats.encoder import Format
    from cloudquery_s3.spec import Spec
    from cloudquery_s3.stores.object_store import ObjectStore
    from cloudquery_s3.telemetry.telemetry import Telemetry


_FIXED_KEYS: Final = FixedKeysOfSyncs()
"""Of the whole process: the CLI calls Init again for each source of a sync."""


class Destination:
    """Where rows go: made by `connect`, ended by `retire`.

    Attributes:
        sync_id: of the sync that it was made for.
    """

    def __init__(self, spec: Spec, store: ObjectStore, context: WriteContext, *, sync_id: str) -> None:
        self.spec = spec
        self.store = store
        self.context = context
        self.sync_id = sync_id
        self._streams: dict[StreamWriter, Context] = {}
        self._readings = 0
        self._retired = False
        self._leave_budget: Callable[[], None] = _nothing

    @classmethod
    def connect(cls, spec: Spec, *, sync_id: str, telemetry: Telemetry | None = None) -> Destination:
        """Fetch credentials, try the bucket if `test_write` says so, and return the destination.

        Blocks.

        Args:
            spec: what the user asks for.
            sync_id: the sync, by its invocation id.
            telemetry: hears of objects and requests.

        Raises:
            StoreError: there are no credentials, or the test object could not be written.
        """
        file_format = make_format(spec)
        template = spec.path_template(sync_id=sync_id)
        listener = ignore if telemetry is None else telemetry.requested
        store = s3_store(spec, content_type=file_format.content_type, listener=listener)
        try:
            if spec.test_write:
                probe.try_write(store, template.render("TEST_TABLE", file_id="TEST_UUID", now=_now()))
        except BaseException:
            store.close()
            raise
        context = write_context(spec, store, file_format=file_format, sync_id=sync_id)
        if telemetry is not None:
            publishers = (*context.publishers, telemetry.publisher(bucket=spec.bucket))
            context = replace(context, publishers=publishers)
        return cls(spec, store, context, sync_id=sync_id)

    def share(self, budget: MemoryBudget | None) -> MemoryBudget:
        """Take part in the memory budget of the process, if there is one yet; return the one that holds from now on.

        Its limit is the largest of all living destinations. To be called before any stream is opened.
        """
        if budget is not None:
            budget.join(self.spec.memory_budget)
            self.context = replace(self.context, budget=budget)
        shared = self.context.budget
        self._leave_budget = partial(shared.leave, self.spec.memory_budget)
        return shared

    def open_stream(self, on_fatal: Callable[[], None]) -> StreamWriter:
        """Begin a Write, in the scope of its own that the calling task is in from now on.

        `on_fatal` is called when the Write cannot go on. The caller ends it with `end_stream`.
        """
        start = WriteStart(write_id=str(uuid.uuid4()), started_at=self.context.now())
        scope.enter(write_id=start.write_id, sources=scope.SeenSources())
        stream = StreamWriter(self.context, start, on_fatal=on_fatal)
        self._streams[stream] = copy_context()
        return stream

    def end_stream(self, stream: StreamWriter) -> None:
        """Forget a stream that has been finished or aborted."""
        self._streams.pop(stream, None)
        self._close_if_idle()

    @contextmanager
    def reading(self, schema: bytes) -> Iterator[Iterator[bytes]]:
        """Give the rows of a table's object; see `read_table`. The store stays open until the block ends."""
        from cloudquery_s3.writer.table_reader import read_table  # noqa: PLC0415 -- only state backends are read

        self._readings += 1
        try:
            context = self.context
            yield read_table(schema, spec=self.spec, template=context.template, store=self.store, now=context.now())
        finally:
            self._readings -= 1
            self._close_if_idle()

    def retire(self) -> None:
        """Release threads and connections, as soon as the last stream and the last reading have ended."""
        self._retired = True
        self._close_if_idle()

    def interrupt(self, reason: str) -> None:
        """End every running stream with a ClosedError."""
        for stream, context in self._streams.items():
            context.run(stream.end, ClosedError(reason))

    def abandon(self) -> None:
        """Take back every upload that is open; blocks. For the end of the process, when streams do not end."""
        self.store.abandon()

    def _close_if_idle(self) -> None:
        if self._retired and not self._streams and not self._readings:
            self._leave_budget()
            self._leave_budget = _nothing
            self.context.pools.close()
            self.store.close()


def write_context(spec: Spec, store: ObjectStore, *, file_format: Format, sync_id: str) -> WriteContext:
    """Return what the writers of a destination share: this is where a destination is composed."""
    return WriteContext(
        template=spec.path_template(sync_id=sync_id),
        policy=RotationPolicy(max_rows=spec.batch_size, max_bytes=spec.batch_size_bytes),
        timeout_s=spec.batch_timeout_s,
        file_format=file_format,
        store=store,
        pools=Pools.start(uploads=spec.upload_concurrency),
        budget=MemoryBudget(spec.memory_budget, trim=allocator.give_back_meanwhile),
        fixed_keys=_FIXED_KEYS.of(bucket=f"{spec.endpoint}/{spec.bucket}", sync_id=sync_id),
        now=_now,
        new_id=lambda: str(uuid.uuid4()),
        max_open_partitions=spec.max_open_partitions,
        object_size=spec.object_size,
        publishers=_publishers(spec, store, sync_id),
        takes_deletes=spec.iceberg is not None,
        # Of a table that is empty in one part only the publication of all parts can tell that it is empty.
        empty_objects=spec.write_empty_objects_for_empty_tables and not (spec.manifest and spec.manifest.part),
    )


def _publishers(spec: Spec, store: ObjectStore, sync_id: str) -> list[PublisherFactory]:
    """Return what publishes each Write, in this order: the manifest comes last, since it tells how the others went."""
    catalogs = catalog_publishers(spec, sync_id=sync_id)
    if spec.manifest is None:
        return catalogs
    from cloudquery_s3.publication.publisher import manifest_publisher  # noqa: PLC0415 -- only for who asks for it

    return [*catalogs, manifest_publisher(spec, sync_id=sync_id, store=store)]


def _nothing() -> None:
    """Have no part in a shared budget."""


def _now() -> datetime:
    return datetime.now(UTC)
