"""A schema that came with a payload, and what is known of the payloads that come with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cloudquery_s3.errors import DecodeError
from cloudquery_s3.ipc import limits
from cloudquery_s3.ipc.fallback import FallBackToArrow
from cloudquery_s3.ipc.header import CONTINUATION, END_OF_STREAM, FRAME, HeadLayout, Measure
from cloudquery_s3.ipc.received import EncodedMessage, ReceivedBatch
from cloudquery_s3.ipc.shape import BatchShape
from cloudquery_s3.ipc.validation import columns_of_inner_lists
from cloudquery_s3.table import table_name

if TYPE_CHECKING:
    import pyarrow as pa

    from cloudquery_s3.ipc.stream import Payload

_OBJECT_BYTES: Final = 400
"""What the Python objects of one received batch take, beside its bytes."""


class KnownSchema:
    """A schema, and how the heads of its batches look.

    Attributes:
        schema: the schema.
        table: the table that it names; "" where it names none.
        shape: the shape of its batches; None where it is not fixed.
        inner_lists: the numbers of the columns that have lists inside of another type.
    """

    __slots__ = ("_layout", "_plain", "inner_lists", "schema", "shape", "table")

    def __init__(self, schema: pa.Schema, *, plain: bool) -> None:
        """Derive the shape; `plain` tells whether the batches are as this package reads them itself."""
        self.schema = schema
        self.table = table_name(schema)
        self.inner_lists = columns_of_inner_lists(schema)
        self._plain = plain
        self._layout: HeadLayout | None = None
        try:
            self.shape: BatchShape | None = BatchShape(schema)
        except FallBackToArrow:
            self.shape = None

    def read(self, payload: Payload, start: int) -> list[ReceivedBatch]:
        """Return the batches of a payload whose first message ends at `start`.

        Raises:
            FallBackToArrow: they are not plain.
            DecodeError: they are not sound.
        """
        if self.shape is None or not self._plain:
            raise FallBackToArrow
        batches: list[ReceivedBatch] = []
        schema_bytes, total = start, len(payload)
        while start < total:
            layout = self._layout
            measure = layout.measure(payload, start) if layout is not None else None
            if layout is None or measure is None:
                if payload[start : start + FRAME.size] == END_OF_STREAM:
                    break
                layout = self._layout = HeadLayout(_head(payload, start), self.shape)
                measure = layout.measure(payload, start) or Measure(0, 0, 0)
            rows, arrow_bytes, body_bytes = measure
            end = start + layout.size + body_bytes
            if end > total:
                raise DecodeError(f"a payload of {total} bytes ends within a record batch, which goes to byte {end}")
            if len(batches) == limits.MESSAGES_ON_LOOP:
                raise FallBackToArrow
            # a small payload is mostly its schema, and a copy lets go of that
            copied = end - start < 8 * schema_bytes
            data = bytes(payload[start:end]) if copied else memoryview(payload)[start:end]
            held_bytes = (end - start if copied else total) + _OBJECT_BYTES
            message = EncodedMessage(self, data, layout, rows, arrow_bytes, held_bytes)
            batches.append(ReceivedBatch(message, 0, rows))
            start = end
        return batches


def _head(payload: Payload, start: int) -> bytes:
    """Return the head of the message at `start`."""
    total = len(payload)
    if start + FRAME.size > total:
        raise FallBackToArrow
    mark, header_bytes = FRAME.unpack_from(payload, start)
    if mark != CONTINUATION:
        raise FallBackToArrow
    end = start + FRAME.size + header_bytes
    if end > total:
        raise DecodeError(f"a payload of {total} bytes ends within a header, which goes to byte {end}")
    if end % 8:
        raise FallBackToArrow
    return bytes(payload[start:end])
