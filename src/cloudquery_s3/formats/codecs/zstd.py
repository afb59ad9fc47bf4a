"""Zstandard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import zstandard

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import BinaryIO

    from cloudquery_s3.chunk import Chunk

DEFAULT_LEVEL: Final = 3
"""Zstandard's own; higher levels cost much more than they save."""


class ZstdCompressor:
    """One Zstandard frame."""

    def __init__(self, level: int) -> None:
        self._frame = zstandard.ZstdCompressor(level).compressobj()

    def compress(self, chunks: Sequence[Chunk]) -> list[Chunk]:
        """Take bytes, and return the compressed ones that are ready."""
        return [ready for chunk in chunks if (ready := self._frame.compress(chunk))]

    def finish(self) -> list[Chunk]:
        """Return the frame's last bytes."""
        return [self._frame.flush()]


def opened(stored: BinaryIO) -> BinaryIO:
    """Return a file of what a compressed file holds, all of its frames."""
    return zstandard.ZstdDecompressor().stream_reader(stored, read_across_frames=True)
