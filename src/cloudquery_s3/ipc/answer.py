"""Arrow IPC out: batches under the very schema that a client sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from cloudquery_s3.errors import DecodeError
from cloudquery_s3.ipc.header import END_OF_STREAM
from cloudquery_s3.ipc.reader import IpcReader
from cloudquery_s3.ipc.validation import ARROW_ERRORS

if TYPE_CHECKING:
    from collections.abc import Iterator


class RequestedSchema:
    """A schema that a client asks for rows of, and the payloads that answer it.

    Attributes:
        schema: as `IpcReader` shows it: month and day-time intervals are marked integers.

    Raises:
        DecodeError: the payload is not an Arrow IPC stream.
        PayloadError: it names its table, and its schema cannot be used.
    """

    def __init__(self, payload: bytes) -> None:
        self.schema = IpcReader().read_schema(payload)
        try:
            # The client's own bytes: pyarrow cannot write the types that it cannot show.
            self._head = pa.ipc.read_message(payload).serialize().to_pybytes()
        except ARROW_ERRORS as error:
            raise DecodeError(f"the schema of a payload cannot be used: {error}") from error
        self._has_dictionaries = any(_has_dictionary(field.type) for field in self.schema)

    def payload(self, batch: pa.RecordBatch) -> bytes:
        """Return a batch of this schema as an Arrow IPC stream of its own."""
        if not self._has_dictionaries:
            return b"".join((self._head, batch.serialize(), END_OF_STREAM))
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as writer:
            writer.write_batch(batch)
        whole: bytes = sink.getvalue().to_pybytes()
        return whole


def _has_dictionary(kind: pa.DataType) -> bool:
    return pa.types.is_dictionary(kind) or any(_has_dictionary(child.type) for child in _children(kind))


def _children(kind: pa.DataType) -> Iterator[pa.Field]:
    return (kind.field(index) for index in range(kind.num_fields))
