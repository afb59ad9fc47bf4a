"""Payloads of a Write stream, split into batches by their headers."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final, TypeAlias

import pyarrow as pa

from cloudquery_s3.errors import DecodeError
from cloudquery_s3.ipc.header import (
    CONTINUATION,
    END_OF_STREAM,
    FRAME,
    HeadLayout,
    Measure,
    UnusualMessageError,
    is_plain_schema,
    require_weight,
)
from cloudquery_s3.ipc.intervals import has_hidden_intervals, patch_batch, patch_schema
from cloudquery_s3.ipc.received import DecodedMessage, EncodedMessage, ReceivedBatch
from cloudquery_s3.ipc.shape import BatchShape, NotPlainError
from cloudquery_s3.ipc.validation import ARROW_ERRORS, of_table, require_sound

if TYPE_CHECKING:
    from collections.abc import Iterable

Payload: TypeAlias = bytes | memoryview

_MAX_SCHEMAS: Final = 4096
_MAX_SCHEMA_BYTES: Final = 64 * 2**20
"""How many schemas are remembered. A sync has some hundred tables; a stream of ever new ones must not fill memory."""

_OBJECT_BYTES: Final = 400
"""What the Python objects of one received batch take, beside its bytes."""


class IpcReader:
    """Reads the payloads of one Write stream; used by one thread.

    It remembers each schema by its bytes: a payload whose schema is known costs no more than a look at its headers.
    """

    def __init__(self) -> None:
        self._schemas: OrderedDict[bytes, _KnownSchema] = OrderedDict()
        self._schema_bytes = 0
        self._last_prefix = b""
        self._last: _KnownSchema | None = None

    def read_schema(self, payload: Payload) -> pa.Schema:
        """Return the schema of a payload.

        Raises:
            DecodeError: it holds none, and does not say of which table it is.
            PayloadError: it says its table, and cannot be used.
        """
        return self._schema(payload)[0].schema

    def read(self, payload: Payload) -> list[ReceivedBatch]:
        """Return every batch of a payload, in order, those without rows too; none where it has none.

        The rows are not decoded yet: what is wrong inside of them is found by `decode`.

        Raises:
            DecodeError: the payload is not an Arrow IPC stream, and no table is known to have sent it.
            PayloadError: it is a payload of the table that this names, and not sound.
        """
        known, start = self._schema(payload)
        try:
            return _read_batches(known, payload, start)
        except DecodeError as error:
            raise of_table(known.schema, error) from error

    def _schema(self, payload: Payload) -> tuple[_KnownSchema, int]:
        """Return the schema of a payload, and where the next message starts."""
        size = len(payload)
        if size < FRAME.size:
            raise DecodeError(f"a payload of {size} bytes is no Arrow IPC stream")
        mark, header_bytes = FRAME.unpack_from(payload)
        if mark != CONTINUATION:  # written before Arrow 0.15, or no Arrow at all
            return _KnownSchema(_open_schema(payload), plain=False), size
        end: int = FRAME.size + header_bytes
        if end > size:
            raise DecodeError(f"a payload of {size} bytes ends within its schema, which goes to byte {end}")
        prefix = bytes(payload[:end])
        if prefix != self._last_prefix or self._last is None:
            self._last = self._recall(prefix, payload)
            self._last_prefix = prefix
        return self._last, end

    def _recall(self, prefix: bytes, payload: Payload) -> _KnownSchema:
        known = self._schemas.get(prefix)
        if known is None:
            known = _KnownSchema(_open_schema(payload), plain=len(prefix) % 8 == 0 and is_plain_schema(prefix))
            self._schemas[prefix] = known
            self._schema_bytes += len(prefix)
            while len(self._schemas) > _MAX_SCHEMAS or self._schema_bytes > _MAX_SCHEMA_BYTES:
                self._schema_bytes -= len(self._schemas.popitem(last=False)[0])
        else:
            self._schemas.move_to_end(prefix)
        return known


def _read_batches(known: _KnownSchema, payload: Payload, start: int) -> list[ReceivedBatch]:
    if known.shape is None:
        return _read_eagerly(known.schema, payload)
    try:
        return known.read(known.shape, payload, start)
    except UnusualMessageError:
        return _read_eagerly(known.schema, payload)


class _KnownSchema:
    """A schema, and how the heads of its batches look.

    Attributes:
        schema: the schema.
        shape: the shape of its batches; None where only Arrow's own reader can read them.
    """

    __slots__ = ("_layout", "schema", "shape")

    def __init__(self, schema: pa.Schema, *, plain: bool) -> None:
        self.schema = schema
        self._layout: HeadLayout | None = None
        try:
            self.shape = BatchShape(schema) if plain else None
        except NotPlainError:
            self.shape = None

    def read(self, shape: BatchShape, payload: Payload, start: int) -> list[ReceivedBatch]:
        """Return the batches of a payload whose first message ends at `start`."""
        batches: list[ReceivedBatch] = []
        schema_bytes, total = start, len(payload)
        while start < total and payload[start : start + FRAME.size] != END_OF_STREAM:
            layout = self._layout
            measure = layout.measure(payload, start) if layout is not None else None
            if layout is None or measure is None:
                layout = self._layout = HeadLayout(_head(payload, start), shape)
                measure = layout.measure(payload, start) or Measure(0, 0, 0)
            rows, arrow_bytes, body_bytes = measure
            end = start + layout.size + body_bytes
            if end > total:
                raise DecodeError(f"a payload of {total} bytes ends within a record batch, which goes to byte {end}")
            # a small payload is mostly its schema, and a copy lets go of that
            copied = end - start < 8 * schema_bytes
            data = bytes(payload[start:end]) if copied else memoryview(payload)[start:end]
            held_bytes = (end - start if copied else total) + _OBJECT_BYTES
            message = EncodedMessage(self.schema, data, layout, rows, arrow_bytes, held_bytes)
            batches.append(ReceivedBatch(message, 0, rows))
            start = end
        return batches


def _head(payload: Payload, start: int) -> bytes:
    """Return the head of the message at `start`."""
    total = len(payload)
    if start + FRAME.size > total:
        raise UnusualMessageError
    mark, header_bytes = FRAME.unpack_from(payload, start)
    if mark != CONTINUATION:
        raise UnusualMessageError
    end = start + FRAME.size + header_bytes
    if end > total:
        raise DecodeError(f"a payload of {total} bytes ends within a header, which goes to byte {end}")
    if end % 8:
        raise UnusualMessageError
    return bytes(payload[start:end])


def _open(payload: Payload) -> pa.RecordBatchStreamReader:
    try:
        return pa.ipc.open_stream(pa.py_buffer(payload))
    except ARROW_ERRORS as error:
        raise DecodeError(f"a payload of {len(payload)} bytes is no Arrow IPC stream: {error}") from error


def _open_schema(payload: Payload) -> pa.Schema:
    """Return the schema of a payload, of types and names that Python can look at."""
    schema = _open(payload).schema
    try:
        if has_hidden_intervals(schema):
            schema = patch_schema(schema)
        _look_at(schema)
    except ARROW_ERRORS as error:
        raise of_table(schema, DecodeError(f"its schema cannot be used: {error}")) from error
    return schema


def _look_at(fields: Iterable[pa.Field]) -> None:
    """Read the names and types of all fields, which raises where a name is not UTF-8."""
    for field in fields:
        _ = field.name
        for child in range(field.type.num_fields):
            _look_at([field.type.field(child)])


def _read_eagerly(schema: pa.Schema, payload: Payload) -> list[ReceivedBatch]:
    """Decode a payload with Arrow's own reader."""
    stream = _open(payload)
    try:
        batches = list(stream)
        if has_hidden_intervals(stream.schema):
            for batch in batches:
                batch.validate()  # on its way through the C data interface a buffer's size becomes what offsets say
            batches = [patch_batch(batch) for batch in batches]
    except ARROW_ERRORS as error:
        raise DecodeError(f"a payload of {len(payload)} bytes cannot be decoded: {error}") from error
    for batch in batches:
        require_weight(batch.num_rows, batch.get_total_buffer_size())
        require_sound(batch)
    return [ReceivedBatch(DecodedMessage(schema, batch), 0, batch.num_rows) for batch in batches]
