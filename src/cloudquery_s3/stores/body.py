"""The body of a request, made of chunks that are sent as they lie."""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import TYPE_CHECKING, Final

from isal import isal_zlib

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cloudquery_s3.chunk import Chunk

_SMALL: Final = 64 * 1024
"""Chunks below this are sent together: one copy is cheaper than one system call each."""

_PIECE: Final = 1024 * 1024
"""The most that is sent in one call: a socket's timeout counts per call, and must fit a slow line."""


class Body:
    """Bytes that can be sent any number of times; iterating yields pieces of at most 1 MiB, large chunks uncopied.

    A digest is computed once, however often it is asked for. Used by one thread at a time.

    Attributes:
        size_bytes: their number.
    """

    def __init__(self, chunks: Sequence[Chunk] = ()) -> None:
        self._runs = list(_runs(chunks))
        self.size_bytes = sum(run.nbytes for run in self._runs)

    def __iter__(self) -> Iterator[memoryview]:
        for run in self._runs:
            for start in range(0, run.nbytes, _PIECE):
                yield run[start : start + _PIECE]

    @cached_property
    def sha256(self) -> bytes:
        """The SHA-256; 0.6 CPU-seconds per GB."""
        digest = hashlib.sha256()
        for run in self._runs:
            digest.update(run)
        return digest.digest()

    def md5(self) -> bytes:
        """Return the MD5, which S3 uses for entity tags; 1.6 CPU-seconds per GB."""
        digest = hashlib.md5(usedforsecurity=False)
        for run in self._runs:
            digest.update(run)
        return digest.digest()

    @cached_property
    def crc32(self) -> bytes:
        """The CRC-32, big-endian; 0.1 CPU-seconds per GB."""
        value = 0
        for run in self._runs:
            value = isal_zlib.crc32(run, value)
        return value.to_bytes(4, "big")


def _runs(chunks: Sequence[Chunk]) -> Iterator[memoryview]:
    """Yield the same bytes with neighbouring small chunks joined."""
    small: list[Chunk] = []
    for chunk in chunks:
        view = memoryview(chunk).cast("B")
        if view.nbytes < _SMALL:
            small.append(view)
            continue
        if small:
            yield memoryview(b"".join(small))
            small = []
        yield view
    if small:
        yield memoryview(b"".join(small))
