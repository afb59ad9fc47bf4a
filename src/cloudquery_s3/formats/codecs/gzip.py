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
"""Where less time would cost much in size: docs/formats.md, "Compression", has the sizes of every level."""
_LAST_ISAL_LEVEL: Final = 2
_HEADER: Final = bytes.fromhex("1f8b08000000000000ff")
"""Deflate, no name, no time, unknown operating system, as the reference's files begin."""
_RAW_WINDOW: Final = -15
_MEMORY_LEVEL: Final = 8
"""zlib's own default."""
_SLICE_BYTES: Final = 1 << 20


class _Deflater(Protocol):
    def compress(self, data: memoryview, /) -> bytes: ...
    def flush(self) -> bytes: ...


class GzipCompressor:
    """One gzip member.

    Levels 1 and 2 are isal's (several times faster than the others, larger files); 3 to 9 are zlib-ng's. They take no
    short matches for gain that are none (`Z_FILTERED`): from level 7 on, where that counts, files come out 3 % or
    more smaller for it, in the same time.
    """

    def __init__(self, level: int) -> None:
        self._deflater: _Deflater = (
            isal_zlib.compressobj(level, isal_zlib.DEFLATED, _RAW_WINDOW)
            if level <= _LAST_ISAL_LEVEL
            else zlib_ng.compressobj(level, zlib_ng.DEFLATED, _RAW_WINDOW, _MEMORY_LEVEL, zlib_ng.Z_FILTERED)
        )
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
