"""Rows as received: bytes that wait to be decoded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import pyarrow as pa

from cloudquery_s3.errors import DecodeError
from cloudquery_s3.ipc.validation import ARROW_ERRORS, require_sound, require_sound_lists

if TYPE_CHECKING:
    from cloudquery_s3.ipc.header import HeadLayout
    from cloudquery_s3.ipc.known_schema import KnownSchema


class Message(Protocol):
    """What one record batch message brought.

    Attributes:
        known: the schema that it came with.
        rows: how many rows.
        arrow_bytes: see `ReceivedBatch`.
        held_bytes: likewise.
    """

    known: KnownSchema
    rows: int
    arrow_bytes: int
    held_bytes: int

    def decode(self, *, keep: bool, aligned: bool) -> pa.RecordBatch:
        """Return all its rows as a sound record batch.

        Args:
            keep: remember the answer, for a message whose rows are asked for in several slices.
            aligned: have every buffer at an address that is a multiple of 8, as Arrow's kernels want it.

        Raises:
            DecodeError: the bytes are not such a batch.
        """


class DecodedMessage:
    """A message that was decoded on receipt."""

    __slots__ = ("_batch", "arrow_bytes", "held_bytes", "known", "rows")

    def __init__(self, known: KnownSchema, batch: pa.RecordBatch, *, arrow_bytes: int, held_bytes: int) -> None:
        self.known = known
        self.rows: int = batch.num_rows
        self.arrow_bytes = arrow_bytes
        self.held_bytes = held_bytes
        self._batch = batch

    def decode(self, *, keep: bool, aligned: bool) -> pa.RecordBatch:  # noqa: ARG002 - it is both anyway
        """See `Message`."""
        return self._batch


class EncodedMessage:
    """A message that is still bytes.

    Attributes:
        data: the whole message, head and body.
        layout: where its head's numbers stand.
    """

    __slots__ = ("_decoded", "arrow_bytes", "data", "held_bytes", "known", "layout", "rows")

    def __init__(
        self,
        known: KnownSchema,
        data: bytes | memoryview,
        layout: HeadLayout,
        rows: int,
        arrow_bytes: int,
        held_bytes: int,
    ) -> None:
        self.known = known
        self.data = data
        self.layout = layout
        self.rows = rows
        self.arrow_bytes = arrow_bytes
        self.held_bytes = held_bytes
        self._decoded: pa.RecordBatch | None = None

    def decode(self, *, keep: bool, aligned: bool) -> pa.RecordBatch:
        """See `Message`. The buffers lie in this message's memory, unless they had to be aligned."""
        if self._decoded is not None:
            return self._decoded
        data = pa.py_buffer(self.data)
        if (keep or aligned) and data.address % 8:  # gRPC hands messages out at any address
            data = pa.py_buffer(bytes(self.data))
        try:
            batch = pa.ipc.read_record_batch(data, self.known.schema)
        except ARROW_ERRORS as error:
            raise DecodeError(f"a record batch cannot be decoded: {error}") from error
        require_sound(batch)
        require_sound_lists(batch, self.known.inner_lists)
        if batch.num_rows != self.rows:
            raise DecodeError(f"a record batch announces {self.rows} rows and holds {batch.num_rows}")
        if keep:
            self._decoded = batch
        return batch


class ReceivedBatch:
    """Some rows of one table, in order, as received. Immutable; safe to hand to another thread.

    Attributes:
        schema: the table's schema. Batches of one stream whose schema bytes were equal share the object.
        message: what the rows came in.
        start: which of the message's rows is the first.
        rows: how many rows.
    """

    __slots__ = ("message", "rows", "schema", "start")

    def __init__(self, message: Message, start: int, rows: int) -> None:
        self.schema = message.known.schema
        self.rows = rows
        self.message = message
        self.start = start

    @property
    def table(self) -> str:
        """The table that the schema names; "" where it names none."""
        return self.message.known.table

    @property
    def is_slice(self) -> bool:
        """Whether it is a part only of what came in one message."""
        return self.rows != self.message.rows

    @property
    def arrow_bytes(self) -> int:
        """The size that rotation counts.

        It is the sum of the Arrow buffers' lengths, equal to `RecordBatch.get_total_buffer_size()` of the decoded
        batch. A slice counts its rows, each with the whole's average size, one byte at least.

        Source: docs/compatibility.md, "The same, although one might expect otherwise".
        """
        message = self.message
        if self.rows == message.rows:
            return message.arrow_bytes
        return self.rows * max(1, message.arrow_bytes // message.rows)

    @property
    def held_bytes(self) -> int:
        """The memory that it takes until it is decoded and dropped. A slice counts its share by rows."""
        message = self.message
        return message.held_bytes * self.rows // message.rows if self.is_slice else message.held_bytes

    def slice(self, start: int, rows: int) -> ReceivedBatch:
        """Return `rows` rows from row `start` on; they share this batch's memory.

        Raises:
            ValueError: there are no such rows.
        """
        if start < 0 or rows < 0 or start + rows > self.rows:
            raise ValueError(f"a batch of {self.rows} rows has no {rows} rows from row {start} on")
        return ReceivedBatch(self.message, self.start + start, rows)

    def decode(self, *, aligned: bool = True) -> pa.RecordBatch:
        """Return the rows as a sound record batch.

        Args:
            aligned: have every buffer at an address that is a multiple of 8; needless where the rows are copied anyway.

        Raises:
            DecodeError: the bytes are not such a batch.
        """
        if not self.is_slice:
            return self.message.decode(keep=False, aligned=aligned)
        return self.message.decode(keep=True, aligned=aligned).slice(self.start, self.rows)
