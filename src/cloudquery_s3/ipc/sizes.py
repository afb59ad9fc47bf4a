"""What a payload takes once it is decoded, by the headers of its messages: nothing is decoded for it.

For any stream that Arrow's reader knows: of older versions, compressed, with dictionaries. Nothing here checks that a
message is sound: a buffer that lies outside of its message counts nothing, since Arrow's reader refuses it.

Source: the Arrow columnar format, "IPC Streaming Format" and "Compression".
"""

from __future__ import annotations

import struct
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from cloudquery_s3.errors import DecodeError
from cloudquery_s3.ipc import limits
from cloudquery_s3.ipc.flatbuffer import Table
from cloudquery_s3.ipc.header import CONTINUATION, DICTIONARY_BATCH, RECORD_BATCH, SCHEMA, require_weight

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloudquery_s3.ipc.shape import BatchShape

_I32: Final = struct.Struct("<i")
_I64: Final = struct.Struct("<q")
_PAIR: Final = struct.Struct("<qq")
_NOT_COMPRESSED: Final = -1


@dataclass(slots=True)
class PayloadSizes:
    """What decoding a payload takes.

    Attributes:
        decoded_bytes: memory for all its batches and dictionaries.
        batches: for each record batch, the sum of its buffers as `ReceivedBatch.arrow_bytes` counts them.
    """

    decoded_bytes: int = 0
    batches: list[int] = field(default_factory=list)


class _Message(NamedTuple):
    header: Table
    body: memoryview


def payload_sizes(payload: bytes | memoryview, shape: BatchShape | None) -> PayloadSizes:
    """Return what decoding a payload takes; `shape` is that of its record batches, where it is fixed.

    Raises:
        DecodeError: a header is not well-formed, or what it says cannot be true.
    """
    found = PayloadSizes()
    dictionaries: Counter[int] = Counter()
    for message in _messages(memoryview(payload)):
        kind = message.header.uint8(1)
        if kind == SCHEMA or not message.header.has(2):
            continue
        content = message.header.table(2)
        if kind == DICTIONARY_BATCH and content.has(1):
            number, delta = content.int64(0), content.uint8(2)
            size, _ = _sizes(content.table(1), message.body, None)
            dictionaries[number] = size + (dictionaries[number] if delta else 0)  # a delta copies all before it
            found.decoded_bytes += dictionaries[number]
        elif kind == RECORD_BATCH:
            size, batch = _sizes(content, message.body, shape)
            found.decoded_bytes += size
            found.batches.append(batch)
    return found


def _messages(payload: memoryview) -> Iterator[_Message]:
    at = 0
    while (bounds := _header(payload, at)) is not None:
        start, end = bounds
        header = Table.root(bytes(payload[start:end]), 0)
        body_bytes = header.int64(3)
        if not 0 <= body_bytes <= len(payload) - end:
            raise DecodeError(f"a payload of {len(payload)} bytes ends within the {body_bytes} bytes of a message")
        at = end + body_bytes
        yield _Message(header, payload[end:at])


def _header(payload: memoryview, at: int) -> tuple[int, int] | None:
    """Return where the header of the message at `at` starts and ends; None where the stream has ended."""
    size = CONTINUATION
    while size == CONTINUATION:  # older writers leave it out
        if at + _I32.size > len(payload):
            return None
        (size,) = _I32.unpack_from(payload, at)
        at += _I32.size
    if not 0 <= size <= len(payload) - at:
        raise DecodeError(f"a payload of {len(payload)} bytes ends within a header of {size} bytes")
    return (at, at + size) if size else None


def _sizes(batch: Table, body: memoryview, shape: BatchShape | None) -> tuple[int, int]:
    """Return the memory that a record batch takes, and what its buffers count for rotation."""
    nodes = _pairs(batch, 1)
    ranges = _pairs(batch, 2)
    compressed = batch.has(3)
    if any(length < 0 for _, length in ranges):
        raise DecodeError("a record batch announces a buffer of negative length")
    lengths = [_decoded_length(body, at, length, compressed=compressed) for at, length in ranges]
    size = sum(lengths)
    require_weight(batch.int64(0), size)
    memory = size + limits.BATCH_OBJECT_BYTES + limits.ARRAY_OBJECT_BYTES * len(nodes)
    if shape is None or (len(nodes), len(ranges)) != (len(shape.arrays), shape.buffers):
        return memory, size
    require_weight(sum(nodes[number][0] for number in shape.weightless), size)
    # Arrow's reader leaves out the bitmap of an array that has no nulls
    return memory, size - sum(lengths[bitmap] for number, bitmap in shape.bitmaps if not nodes[number][1])


def _pairs(batch: Table, number: int) -> list[tuple[int, int]]:
    if not batch.has(number):
        return []
    return list(_PAIR.iter_unpack(batch.vector(number, _PAIR.size)))


def _decoded_length(body: memoryview, at: int, length: int, *, compressed: bool) -> int:
    if not length or not 0 <= at <= len(body) - length:
        return 0
    if not compressed:
        return length
    if length < _I64.size:
        return 0
    (decoded,) = _I64.unpack_from(body, at)
    return length - _I64.size if decoded == _NOT_COMPRESSED else max(0, decoded)
