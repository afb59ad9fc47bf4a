"""Received batches become record batches that are worth encoding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

import pyarrow as pa

from cloudquery_s3.errors import DecodeError
from cloudquery_s3.ipc.bulk import SurpriseError, decode_in_bulk
from cloudquery_s3.ipc.received import EncodedMessage
from cloudquery_s3.ipc.validation import ARROW_ERRORS, require_sound

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cloudquery_s3.ipc.received import ReceivedBatch

_Decoded: TypeAlias = "tuple[pa.Schema, pa.RecordBatch, int]"
"""Rows with their schema (one object for equal ones) and their size in Arrow bytes."""

# Measured with the table of `benchmarks/`, see docs/benchmarks.md.
_SMALL_MESSAGE_BYTES: Final = 160 * 1024
"""Larger messages cost less one by one: the bulk decoder copies twice."""

_FEW_MESSAGES: Final = 32
"""Fewer messages cost less one by one: the bulk decoder has a fixed price."""

_MANY_MESSAGES: Final = 2000
_GROUP_BYTES: Final = 12 * 2**20
"""What is decoded at once, small enough for the processor's cache."""

_MERGED_ROWS: Final = 8192
_MERGED_BYTES: Final = 32 * 2**20
"""The size that record batches are merged up to: larger ones are not cheaper to encode."""


def decode(batches: Sequence[ReceivedBatch]) -> list[pa.RecordBatch]:
    """Return the rows of received batches, in order, in fewer and larger record batches where they are small.

    Batches without rows are dropped. Each record batch has the schema of the received batches that it holds; neighbours
    may differ in it. No value leads outside of its memory; strings may hold any bytes.

    Raises:
        DecodeError: the bytes of one of them are not such a batch.
    """
    return list(_merged(decoded for group in _groups(batches) for decoded in _decode_group(group)))


def _groups(batches: Sequence[ReceivedBatch]) -> Iterator[list[ReceivedBatch]]:
    """Yield neighbours that may be decoded at once."""
    group: list[ReceivedBatch] = []
    kind: object = None
    size = 0
    for batch in batches:
        if not batch.rows:
            continue
        message = batch.message
        bulky = isinstance(message, EncodedMessage) and len(message.data) <= _SMALL_MESSAGE_BYTES and not batch.is_slice
        layout = message.layout if isinstance(message, EncodedMessage) and bulky else None
        if group and (layout is None or layout is not kind or len(group) == _MANY_MESSAGES or size > _GROUP_BYTES):
            yield group
            group, size = [], 0
        group.append(batch)
        kind = layout
        size += message.held_bytes
    if group:
        yield group


def _decode_group(group: list[ReceivedBatch]) -> Iterator[_Decoded]:
    messages = [batch.message for batch in group if isinstance(batch.message, EncodedMessage)]
    if len(messages) >= _FEW_MESSAGES:
        try:
            record = decode_in_bulk(messages)
            require_sound(record)
        except (SurpriseError, DecodeError):  # Arrow's reader knows what it is, or what is wrong with which
            pass
        else:
            yield group[0].schema, record, sum(message.arrow_bytes for message in messages)
            return
    for batch in group:
        yield batch.schema, batch.decode(), batch.arrow_bytes


def _merged(decoded: Iterator[_Decoded]) -> Iterator[pa.RecordBatch]:
    """Yield the same rows, neighbours of one schema merged up to a size."""
    waiting: list[pa.RecordBatch] = []
    of: pa.Schema | None = None
    rows = size = 0
    for schema, record, arrow_bytes in decoded:
        rows += record.num_rows
        size += arrow_bytes
        if waiting and (schema is not of or rows > _MERGED_ROWS or size > _MERGED_BYTES):
            yield _merge(waiting)
            waiting, rows, size = [], record.num_rows, arrow_bytes
        waiting.append(record)
        of = schema
    if waiting:
        yield _merge(waiting)


def _merge(records: list[pa.RecordBatch]) -> pa.RecordBatch:
    if len(records) == 1:
        return records[0]
    try:
        return pa.concat_batches(records)
    except ARROW_ERRORS as error:
        raise DecodeError(f"record batches of {records[0].num_columns} columns cannot be merged: {error}") from error
