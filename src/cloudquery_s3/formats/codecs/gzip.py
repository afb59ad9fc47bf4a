"""gzip, by isal or zlib-ng."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, Protocol

from isal import isal_zlib
from zlib_ng import zlib_ng

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudquery_s3.chunk import Chunk

DEFAULT_LEVEL: Final = 5
"""The cheapest level whose objects are not larger than the reference's.

Of 50,000 rows of a table of cloud assets the reference makes 21.2 MB of JSON and 20.3 MB of CSV, this level 20.7 and
20.0 MB, level 4 already 21.9 and 20.8 MB, level 2 (several times faster than any of them) 24.6 and 23.2 MB.
"""
_LAST_ISAL_LEVEL: Final = 2
_HEADER: Final = bytes.fromhex("1f8b08000000000000ff")
"""Deflate, no name, no time, unknown operating system, as the reference's files begin."""
_RAW_WINDOW: Final = -15
_SLICE_BYTES: Final = 1 << 20


class _Deflater(Protocol):
    def compress(self, data: memoryview, /) -> bytes: ...
    def flush(self) -> bytes: ...


class GzipCompressor:
    """One gzip member.

    Levels 1 and 2 are isal's (several times faster than the others, larger files); 3 to 9 are zlib-ng's.
    """

    def __init__(self, level: int) -> None:
        library = isal_zlib if level <= _LAST_ISAL_LEVEL else zlib_ng
        self._deflater: _Deflater = library.compressobj(level, zlib_ng.DEFLATED, _RAW_WINDOW)
        self._checksum = 0
        self._size = 0
        self._header_due = True

    def compress(self, chunks: Sequence[Chunk]) -> list[Chunk]:
        """Take bytes, and return the compressed ones that are ready."""
        compressed: list[Chunk] = []
        for chunk in chunks:
            data = memoryview(chunk)
            self._size += data.nbytes
            for start in range(0, data.nbytes, _SLICE_BYTES):
                part = data[start : start + _SLICE_BYTES]
                self._checksum = isal_zlib.crc32(part, self._checksum)
                compressed.append(self._deflater.compress(part))
        ready = [chunk for chunk in compressed if chunk]
        return [*self._header(), *ready] if ready else []

    def finish(self) -> list[Chunk]:
        """Return the member's last bytes."""
        trailer = struct.pack("<II", self._checksum, self._size & 0xFFFFFFFF)
        return [*self._header(), self._deflater.flush() + trailer]

    def _header(self) -> list[Chunk]:
        due, self._header_due = self._header_due, False
        return [_HEADER] if due else []
