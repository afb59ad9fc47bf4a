"""Received batches become record batches that are worth encoding."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from cloudquery_s3.ipc.received import ReceivedBatch


def decode(batches: Sequence[ReceivedBatch]) -> list[pa.RecordBatch]:
    """Return the rows of received batches, in order, in fewer and larger record batches where they are small.

    Batches without rows are dropped. Each record batch has the schema of the received batches that it holds; neighbours
    may differ in it.

    Raises:
        DecodeError: the bytes of one of them are not such a batch.
    """
    return [batch.decode() for batch in batches if batch.rows]
