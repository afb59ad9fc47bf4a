"""A stored object as a file, for what reads files."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

    from cloudquery_s3.stores.object_store import ObjectReader


class StoredFile(io.RawIOBase):
    """An object that can be read and sought in; holds none of it. Each read is a request, but for the first megabytes.

    Reading raises what `ObjectReader.read_at` raises.
    """

    def __init__(self, stored: ObjectReader) -> None:
        self._stored = stored
        self._at = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Return where the next read begins."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Choose where the next read begins."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._stored.size_bytes}[whence]
        self._at = base + offset
        return self._at

    def close(self) -> None:
        """Close the object's reader, too."""
        if not self.closed:
            self._stored.close()
        super().close()

    def readinto(self, target: WriteableBuffer) -> int:
        """Fill a buffer as far as the object goes; return how many bytes that was."""
        view = memoryview(target).cast("B")
        data = self._stored.read_at(self._at, len(view))
        view[: len(data)] = data
        self._at += len(data)
        return len(data)
