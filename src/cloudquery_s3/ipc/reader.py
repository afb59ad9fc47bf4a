"""Payloads of a Write stream, split into batches by their headers."""

from __future__ import annotations

import sys
from collections import OrderedDict
from typing import TYPE_CHECKING

from cloudquery_s3.errors import DecodeError
from cloudquery_s3.ipc import limits
from cloudquery_s3.ipc.fallback import FallBackToArrow
from cloudquery_s3.ipc.header import CONTINUATION, FRAME, is_plain_schema
from cloudquery_s3.ipc.known_schema import KnownSchema
from cloudquery_s3.ipc.stream import open_schema
from cloudquery_s3.ipc.undecoded import UndecodedPayload
from cloudquery_s3.ipc.validation import of_table

if TYPE_CHECKING:
    import pyarrow as pa

    from cloudquery_s3.ipc.received import ReceivedBatch
    from cloudquery_s3.ipc.stream import Payload


class IpcReader:
    """Reads the payloads of one Write stream; used by one thread.

    It remembers each schema by its bytes: a payload whose schema is known costs no more than a look at its headers.
    """

    def __init__(self, *, memory_limit_bytes: int = sys.maxsize) -> None:
        """Make one that knows no schema.

        Args:
            memory_limit_bytes: a payload that expands to more than this is refused.
        """
        self._memory_limit_bytes = memory_limit_bytes
        self._schemas: OrderedDict[bytes, KnownSchema] = OrderedDict()
        self._schema_bytes = 0
        self._last_prefix = b""
        self._last: KnownSchema | None = None

    def read_schema(self, payload: Payload) -> pa.Schema:
        """Return the schema of a payload.

        Raises:
            DecodeError: it holds none, and does not say of which table it is.
            PayloadError: it says its table, and cannot be used.
        """
        return self._schema(payload)[0].schema

    def read(self, payload: Payload) -> list[ReceivedBatch] | UndecodedPayload:
        """Return every batch of a payload, in order, those without rows too; none where it has none.

        The rows are not decoded yet: what is wrong inside of them is found by `decode`. A payload that is not as
        CloudQuery's writers make it (compressed, with dictionaries or views, of an old version, of very many messages)
        comes back as a whole: a worker has to decode it before more is known of it.

        Raises:
            DecodeError: the payload is not an Arrow IPC stream, and no table is known to have sent it.
            PayloadError: it is a payload of the table that this names, and not sound.
        """
        known, start = self._schema(payload)
        try:
            return known.read(payload, start)
        except FallBackToArrow:
            return UndecodedPayload(known, payload, memory_limit_bytes=self._memory_limit_bytes)
        except DecodeError as error:
            raise of_table(known.table, error) from error

    def _schema(self, payload: Payload) -> tuple[KnownSchema, int]:
        """Return the schema of a payload, and where the next message starts."""
        size = len(payload)
        if size < FRAME.size:
            raise DecodeError(f"a payload of {size} bytes is no Arrow IPC stream")
        mark, header_bytes = FRAME.unpack_from(payload)
        if mark != CONTINUATION:  # written before Arrow 0.15, or no Arrow at all
            return KnownSchema(open_schema(payload, mark), plain=False), size
        end: int = FRAME.size + header_bytes
        if end > size:
            raise DecodeError(f"a payload of {size} bytes ends within its schema, which goes to byte {end}")
        prefix = bytes(payload[:end])
        if prefix != self._last_prefix or self._last is None:
            self._last = self._recall(prefix, payload)
            self._last_prefix = prefix
        return self._last, end

    def _recall(self, prefix: bytes, payload: Payload) -> KnownSchema:
        known = self._schemas.get(prefix)
        if known is not None:
            self._schemas.move_to_end(prefix)
            return known
        schema = open_schema(payload, len(prefix))
        known = KnownSchema(schema, plain=len(prefix) % 8 == 0 and is_plain_schema(prefix))
        self._schemas[prefix] = known
        self._schema_bytes += _held_bytes(prefix)
        while self._schema_bytes > limits.KNOWN_SCHEMAS_BYTES:
            self._schema_bytes -= _held_bytes(self._schemas.popitem(last=False)[0])
        return known


def _held_bytes(prefix: bytes) -> int:
    """Return about what a schema takes that is remembered by these bytes: measured, with the plans made of it."""
    return limits.KNOWN_SCHEMA_OBJECT_BYTES + 4 * len(prefix)
