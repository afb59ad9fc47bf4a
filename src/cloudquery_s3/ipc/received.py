"""Rows as received: bytes that wait to be decoded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from cloudquery_s3.errors import DecodeError
from cloudquery_s3.ipc.validation import ARROW_ERRORS, require_sound

if TYPE_CHECKING:
    from cloudquery_s3.ipc.known_schema import KnownSchema


class Message:
    """One record batch message, still encoded.

    Attributes:
        known: its schema.
        data: the whole message: frame, header and body.
        rows: how many rows its header announces.
    """

    __slots__ = ("_decoded", "data", "known", "rows")

    def __init__(self, known: KnownSchema, data: bytes | memoryview, rows: int) -> None:
        self.known = known
        self.data = data
        self.rows = rows
        self._decoded: pa.RecordBatch | None = None

    def decode(self, *, keep: bool = False) -> pa.RecordBatch:
        """Return the batch, its buffers in this message's memory, sound (`require_sound`).

        Args:
            keep: remember the answer, for a message whose rows are asked for in several slices.

        Raises:
            DecodeError: the bytes are not such a batch.
        """
        if self._decoded is not None:
            return self._decoded
        data = pa.py_buffer(self.data)
        if data.address % 8:  # kernels expect aligned buffers
            data = pa.py_buffer(bytes(self.data))
        try:
            batch = pa.ipc.read_record_batch(data, self.known.schema)
        except ARROW_ERRORS as error:
            raise DecodeError(f"a record batch cannot be decoded: {error}") from error
        require_sound(batch)
        if batch.num_rows != self.rows:
            raise DecodeError(f"a record batch announces {self.rows} rows and holds {batch.num_rows}")
        if keep:
            self._decoded = batch
        return batch


class ReceivedBatch:
    """Some rows of one table, in order, as received. Immutable; safe to hand to another thread.

    Attributes:
        schema: the table's schema. Batches of one stream whose schema bytes were equal share the object.
        rows: how many rows.
        arrow_bytes: the size that rotation counts: the sum of the Arrow buffers' lengths, equal to
            `RecordBatch.get_total_buffer_size()` of the decoded batch; of a slice, its share by rows.
            Source: contract C.2.
        held_bytes: the memory that it takes until it is decoded and dropped; of a slice, its share by rows.
    """

    __slots__ = ("_source", "_start", "_whole_arrow_bytes", "_whole_held_bytes", "_whole_rows", "rows", "schema")

    def __init__(
        self, schema: pa.Schema, source: Message | pa.RecordBatch, *, rows: int, arrow_bytes: int, held_bytes: int
    ) -> None:
        self.schema = schema
        self.rows = rows
        self._source = source
        self._start = 0
        self._whole_rows = rows
        self._whole_arrow_bytes = arrow_bytes
        self._whole_held_bytes = held_bytes

    @classmethod
    def of(cls, schema: pa.Schema, batch: pa.RecordBatch) -> ReceivedBatch:
        """Return decoded, sound rows as if they had been received."""
        size = batch.get_total_buffer_size()
        return cls(schema, batch, rows=batch.num_rows, arrow_bytes=size, held_bytes=size)

    @property
    def is_slice(self) -> bool:
        """Whether it is a part of what came in one message."""
        return self.rows != self._whole_rows

    @property
    def message(self) -> Message | None:
        """The encoded message that it is all of, or None."""
        return self._source if isinstance(self._source, Message) and not self.is_slice else None

    @property
    def arrow_bytes(self) -> int:
        """See the class."""
        if not self.is_slice:
            return self._whole_arrow_bytes
        return self.rows * max(1, self._whole_arrow_bytes // self._whole_rows)

    @property
    def held_bytes(self) -> int:
        """See the class."""
        return self._whole_held_bytes * self.rows // self._whole_rows if self.is_slice else self._whole_held_bytes

    def slice(self, start: int, rows: int) -> ReceivedBatch:
        """Return `rows` rows from row `start` on; they share this batch's memory.

        Raises:
            ValueError: there are no such rows.
        """
        if start < 0 or rows < 0 or start + rows > self.rows:
            raise ValueError(f"rows {start} to {start + rows} of {self.rows}")
        part = ReceivedBatch.__new__(ReceivedBatch)
        part.schema = self.schema
        part.rows = rows
        part._source = self._source
        part._start = self._start + start
        part._whole_rows = self._whole_rows
        part._whole_arrow_bytes = self._whole_arrow_bytes
        part._whole_held_bytes = self._whole_held_bytes
        return part

    def decode(self) -> pa.RecordBatch:
        """Return the rows as a sound record batch.

        Raises:
            DecodeError: the bytes are not such a batch.
        """
        whole = self._source.decode(keep=self.is_slice) if isinstance(self._source, Message) else self._source
        return whole.slice(self._start, self.rows) if self.is_slice else whole
