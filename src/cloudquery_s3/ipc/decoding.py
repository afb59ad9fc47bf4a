"""Received batches become record batches that are worth encoding."""

from __future__ import annotations

import math
from itertools import accumulate, groupby
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from cloudquery_s3.errors import DecodeError
from cloudquery_s3.ipc.bulk import decode_in_bulk
from cloudquery_s3.ipc.fallback import FallBackToArrow
from cloudquery_s3.ipc.received import EncodedMessage
from cloudquery_s3.ipc.validation import ARROW_ERRORS, of_table, require_sound

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cloudquery_s3.ipc.received import ReceivedBatch

# Measured with the table of `benchmarks/`: see docs/benchmarks.md.
_GROUP_ROWS: Final = 8192
_GROUP_BYTES: Final = 12 * 2**20
"""About what is decoded into one record batch: larger ones cost no less to encode, and leave the processor's cache."""

_FEW_MESSAGES: Final = 40
"""Fewer messages cost less one by one: the bulk decoder has a fixed price."""

_SMALL_MESSAGE_BYTES: Final = 64 * 1024
"""Larger messages cost less one by one: the bulk decoder's price is by value, Arrow's by message."""


def decode(batches: Sequence[ReceivedBatch]) -> list[pa.RecordBatch]:
    """Return the rows of received batches, in order, in fewer and larger record batches where they are small.

    Batches without rows are dropped. Each record batch has the schema of the received batches that it holds; neighbours
    may differ in it. No value leads outside of its memory; strings may hold any bytes.

    Raises:
        PayloadError: the bytes of one of them are not such a batch; names the table.
        DecodeError: likewise, and its schema names no table.
    """
    return [record for group in _groups(batches) for record in _decode_of_table(group)]


def _decode_of_table(group: list[ReceivedBatch]) -> list[pa.RecordBatch]:
    try:
        return _decode_group(group)
    except DecodeError as error:
        raise of_table(group[0].table, error) from error


def _groups(batches: Sequence[ReceivedBatch]) -> Iterator[list[ReceivedBatch]]:
    """Yield neighbours of one schema that make one record batch, all of about the same size."""
    for _, run in groupby((batch for batch in batches if batch.rows), lambda batch: id(batch.schema)):
        yield from _divided(list(run))


def _divided(batches: list[ReceivedBatch]) -> Iterator[list[ReceivedBatch]]:
    shares = [max(batch.rows / _GROUP_ROWS, batch.arrow_bytes / _GROUP_BYTES) for batch in batches]
    scale = math.ceil(sum(shares)) / sum(shares)
    middles = ((end - share / 2) * scale for end, share in zip(accumulate(shares), shares, strict=True))
    for _, group in groupby(zip(middles, batches, strict=True), lambda each: int(each[0])):
        yield [batch for _, batch in group]


def _decode_group(group: list[ReceivedBatch]) -> list[pa.RecordBatch]:
    if len(group) == 1:
        return [group[0].decode()]
    messages = _bulk_messages(group)
    if messages:
        try:
            record = decode_in_bulk(messages)
            require_sound(record)
        except (FallBackToArrow, DecodeError):  # Arrow's reader knows what it is, or what is wrong with which
            pass
        else:
            return [record.slice(group[0].start, sum(batch.rows for batch in group))]
    if (
        group[0].message.known.shape is None
    ):  # pyarrow merges dictionaries of float16 wrongly, and nested ones not at all
        return [batch.decode() for batch in group]
    try:
        # concatenating copies, which aligns
        return [pa.concat_batches([batch.decode(aligned=False) for batch in group])]
    except ARROW_ERRORS as error:
        raise DecodeError(f"{len(group)} record batches of one schema cannot be merged: {error}") from error


def _bulk_messages(group: list[ReceivedBatch]) -> list[EncodedMessage]:
    """Return the messages of a group that is worth decoding in bulk; none of one that is not.

    Rotation cuts batches at the ends of an object: its first may lack rows in front, its last some behind.
    """
    if len(group) < _FEW_MESSAGES:
        return []
    first, last = group[0], group[-1]
    if first.start + first.rows != first.message.rows or last.start or any(batch.is_slice for batch in group[1:-1]):
        return []
    messages = [batch.message for batch in group if isinstance(batch.message, EncodedMessage)]
    alike = len(messages) == len(group) and all(message.layout is messages[0].layout for message in messages)
    small = sum(len(message.data) for message in messages) <= len(messages) * _SMALL_MESSAGE_BYTES
    return messages if alike and small else []
