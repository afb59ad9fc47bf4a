"""How much there is to do at present, as gauges show it."""

from __future__ import annotations

from typing import NamedTuple


class Load(NamedTuple):
    """The present state of all destinations of the process.

    Attributes:
        writes: Writes that run.
        encode_queue: tasks that no thread of the encode pools has begun.
        upload_queue: tasks that no thread of the upload pools has begun.
        held_bytes: rows of objects that may still grow; see `MemoryBudget`.
        encoding_bytes: rows that are being encoded, twice.
        uploading_bytes: encoded bytes that the store has not acknowledged.
        limit_bytes: what all three may take together.
    """

    writes: int = 0
    encode_queue: int = 0
    upload_queue: int = 0
    held_bytes: int = 0
    encoding_bytes: int = 0
    uploading_bytes: int = 0
    limit_bytes: int = 0
