"""Payloads of a Write stream, split into batches by their headers."""

from __future__ import annotations

from collections import OrderedDict
from itertools import compress
from operator import not_
from typing import Final, TypeAlias

import pyarrow as pa

from cloudquery_s3.errors import DecodeError
from cloudquery_s3.ipc.header import CONTINUATION, FRAME, HeaderLayout, UnusualMessageError
from cloudquery_s3.ipc.known_schema import KnownSchema
from cloudquery_s3.ipc.received import Message, ReceivedBatch
from cloudquery_s3.ipc.validation import ARROW_ERRORS, require_sound

Payload: TypeAlias = bytes | memoryview

_SCHEMAS: Final = 4096
"""How many schemas are remembered. A sync has some hundred tables; a stream of ever new ones must not fill memory."""

_OBJECT_BYTES: Final = 400
"""What the Python objects of one received message take, beside its bytes."""

_MAX_ROWS: Final = 2**31 - 1


class IpcReader:
    """Reads the payloads of one Write stream; used by one thread.

    It remembers each schema by its bytes: a payload whose schema is known costs a look at its headers.
    """

    def __init__(self) -> None:
        self._schemas: OrderedDict[bytes, KnownSchema] = OrderedDict()

    def read_schema(self, payload: Payload) -> pa.Schema:
        """Return the schema of a payload.

        Raises:
            DecodeError: it holds none.
        """
        return self._schema(payload)[0].schema

    def read(self, payload: Payload) -> list[ReceivedBatch]:
        """Return every batch of a payload, in order, those without rows too; none where it has none.

        The rows are not decoded yet: what is wrong inside of them is found by `decode`.

        Raises:
            DecodeError: the payload is not an Arrow IPC stream.
        """
        known, start = self._schema(payload)
        if not known.plain:
            return _read_eagerly(known, payload)
        try:
            return _read_headers(known, payload, start)
        except UnusualMessageError:
            return _read_eagerly(known, payload)

    def _schema(self, payload: Payload) -> tuple[KnownSchema, int]:
        """Return the schema and where the next message starts."""
        size = len(payload)
        if size < FRAME.size:
            raise DecodeError(f"a payload of {size} bytes is no Arrow IPC stream")
        mark, header = FRAME.unpack_from(payload)
        end = FRAME.size + header if mark == CONTINUATION else size
        if end > size:
            raise DecodeError(f"a payload of {size} bytes ends within its schema of {header} bytes")
        prefix = bytes(payload[:end])
        known = self._schemas.get(prefix)
        if known is None:
            known = self._learn(payload, plain=mark == CONTINUATION and end % 8 == 0)
            if mark != CONTINUATION:
                return known, end
            self._schemas[prefix] = known
            if len(self._schemas) > _SCHEMAS:
                self._schemas.popitem(last=False)
        else:
            self._schemas.move_to_end(prefix)
        return known, end

    @staticmethod
    def _learn(payload: Payload, *, plain: bool) -> KnownSchema:
        try:
            schema = pa.ipc.open_stream(pa.py_buffer(payload)).schema
            return KnownSchema(schema, readable=plain)
        except ARROW_ERRORS as error:
            raise DecodeError(f"a payload of {len(payload)} bytes is no Arrow IPC stream: {error}") from error


def _read_headers(known: KnownSchema, payload: Payload, start: int) -> list[ReceivedBatch]:
    batches: list[ReceivedBatch] = []
    schema_size, total = start, len(payload)
    while start < total:
        if start + FRAME.size > total:
            raise DecodeError("a payload ends within the frame of a message")
        mark, size = FRAME.unpack_from(payload, start)
        if mark != CONTINUATION:
            raise UnusualMessageError
        if size == 0:  # the end of the stream, as the stream says
            break
        body = start + FRAME.size + size
        if body > total or body % 8:
            raise DecodeError(f"a payload of {total} bytes ends within a header of {size} bytes")
        header = bytes(payload[start:body])
        layout = known.layout
        if layout is None or not layout.fits(header):
            layout = known.layout = HeaderLayout(header)
        end = body + layout.body_length(header)
        if not body <= end <= total:
            raise DecodeError(f"a payload of {total} bytes ends within a batch that goes to byte {end}")
        rows, arrow_bytes = _measure(known, layout, header, end - body)
        # a small payload is mostly its schema: the copy lets go of it
        data = bytes(payload[start:end]) if end - start < 8 * schema_size else memoryview(payload)[start:end]
        held = (end - start if isinstance(data, bytes) else total) + _OBJECT_BYTES
        batches.append(
            ReceivedBatch(known.schema, Message(known, data, rows), rows=rows, arrow_bytes=arrow_bytes, held_bytes=held)
        )
        start = end
    return batches


def _measure(known: KnownSchema, layout: HeaderLayout, header: bytes, body_length: int) -> tuple[int, int]:
    """Return a batch's rows and Arrow bytes."""
    rows = layout.rows(header)
    if not 0 <= rows <= _MAX_ROWS:
        raise DecodeError(f"a record batch announces {rows} rows")
    if (layout.nodes, layout.buffers) != (known.nodes, known.buffers):
        raise DecodeError(
            f"a record batch has {layout.nodes} arrays in {layout.buffers} buffers, "
            f"its schema asks for {known.nodes} in {known.buffers}"
        )
    lengths = layout.read_buffers(header)[1::2]
    size = sum(lengths)
    if size > body_length or min(lengths, default=0) < 0:
        raise UnusualMessageError
    null_counts = layout.read_nodes(header)[1::2]
    # Arrow's reader leaves out the bitmap of an array without nulls
    unread = sum([lengths[bitmap] for bitmap in compress(known.bitmaps, map(not_, null_counts)) if bitmap >= 0])
    return rows, size - unread


def _read_eagerly(known: KnownSchema, payload: Payload) -> list[ReceivedBatch]:
    """Decode a payload with Arrow's own reader."""
    try:
        stream = pa.ipc.open_stream(pa.py_buffer(payload))
        batches = list(stream)
    except ARROW_ERRORS as error:
        raise DecodeError(f"a payload of {len(payload)} bytes cannot be decoded: {error}") from error
    for batch in batches:
        require_sound(batch)
    return [ReceivedBatch.of(known.schema, batch) for batch in batches]
