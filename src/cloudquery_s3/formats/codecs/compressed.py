"""A text format, compressed as one stream."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pyarrow as pa

    from cloudquery_s3.chunk import Chunk
    from cloudquery_s3.formats.encoder import Alterations, EncodedFile, Encoder, Format


class Compressor(Protocol):
    """One compressed stream; used by one thread at a time."""

    def compress(self, chunks: Sequence[Chunk]) -> list[Chunk]:
        """Take bytes, and return the compressed ones that are ready."""

    def finish(self) -> list[Chunk]:
        """Return the stream's last bytes; without any input that is a whole stream of nothing."""


class Compressed:
    """Another format, every object of it one compressed stream.

    Args:
        inner: the format.
        content_type: of the objects, whatever they hold.
        compressor: makes the compressor of one object.
    """

    def __init__(self, inner: Format, *, content_type: str, compressor: Callable[[], Compressor]) -> None:
        self.fixed_schema = inner.fixed_schema
        self.content_type = content_type
        self._inner = inner
        self._compressor = compressor

    def encoder(self, schema: pa.Schema, alterations: Alterations) -> Encoder:
        """Return the encoder of one new object."""
        return _CompressedEncoder(self._inner.encoder(schema, alterations), self._compressor())


class _CompressedEncoder:
    """Compresses what another encoder returns; the compressors run without Python's lock."""

    def __init__(self, inner: Encoder, compressor: Compressor) -> None:
        self._inner = inner
        self._compressor = compressor

    def write(self, batches: Sequence[pa.RecordBatch]) -> list[Chunk]:
        return self._compressor.compress(self._inner.write(batches))

    def finish(self) -> EncodedFile:
        file = self._inner.finish()
        return replace(file, chunks=[*self._compressor.compress(file.chunks), *self._compressor.finish()])

    def discard(self) -> None:
        self._inner.discard()
