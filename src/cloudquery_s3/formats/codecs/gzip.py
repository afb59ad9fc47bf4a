"""gzip around another format."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Protocol

from isal import isal_zlib
from zlib_ng import zlib_ng

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from cloudquery_s3.chunk import Chunk
    from cloudquery_s3.formats.encoder import Alterations, EncodedFile, Encoder, Format

DEFAULT_LEVEL: Final = 5
"""The cheapest level whose objects are not larger than the reference's.

Of 50,000 rows of a table of cloud assets the reference makes 21.2 MB of JSON and 20.3 MB of CSV, this level 20.7 and
20.0 MB, level 4 already 21.9 and 20.8 MB, level 2 (several times faster than any of them) 24.6 and 23.2 MB.
"""
_LAST_ISAL_LEVEL: Final = 2
_HIGHEST_LEVEL: Final = 9
_HEADER: Final = bytes.fromhex("1f8b08000000000000ff")
"""Deflate, no name, no time, unknown operating system, as the reference's files begin."""
_RAW_WINDOW: Final = -15
_SLICE_BYTES: Final = 1 << 20


class _Deflater(Protocol):
    def compress(self, data: memoryview, /) -> bytes: ...
    def flush(self) -> bytes: ...


class Gzip:
    """A text format, compressed.

    Levels 1 and 2 are isal's (several times faster than the others, larger files); 3 to 9 are zlib-ng's.

    Raises:
        ValueError: there is no such level.
    """

    content_type = "application/gzip"

    def __init__(self, inner: Format, level: int = DEFAULT_LEVEL) -> None:
        if not 1 <= level <= _HIGHEST_LEVEL:
            raise ValueError(f"gzip level {level}: choose one from 1 to {_HIGHEST_LEVEL}")
        self.fixed_schema = inner.fixed_schema
        self._inner = inner
        self._level = level

    def encoder(self, schema: pa.Schema, alterations: Alterations) -> Encoder:
        """Return the encoder of one new object."""
        return _GzipEncoder(self._inner.encoder(schema, alterations), self._level)


class _GzipEncoder:
    """Compresses what another encoder returns; the compressors run without Python's lock."""

    def __init__(self, inner: Encoder, level: int) -> None:
        self._inner = inner
        self._deflater = _deflater(level)
        self._checksum = 0
        self._size = 0
        self._header_due = True

    def write(self, batches: Sequence[pa.RecordBatch]) -> list[Chunk]:
        return self._compressed(self._inner.write(batches))

    def finish(self) -> EncodedFile:
        file = self._inner.finish()
        chunks = self._compressed(file.chunks)
        trailer = struct.pack("<II", self._checksum, self._size & 0xFFFFFFFF)
        return replace(file, chunks=[*chunks, *self._header(), self._deflater.flush() + trailer])

    def discard(self) -> None:
        self._inner.discard()

    def _header(self) -> list[Chunk]:
        due, self._header_due = self._header_due, False
        return [_HEADER] if due else []

    def _compressed(self, chunks: Sequence[Chunk]) -> list[Chunk]:
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


def _deflater(level: int) -> _Deflater:
    library = isal_zlib if level <= _LAST_ISAL_LEVEL else zlib_ng
    deflater: _Deflater = library.compressobj(level, zlib_ng.DEFLATED, _RAW_WINDOW)
    return deflater
