"""A bucket in memory: a real `ObjectStore`, for tests and for trying things out."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from cloudquery_s3.errors import ObjectNotFoundError
from cloudquery_s3.stores.body import Body
from cloudquery_s3.stores.checksums import crc32_checksum
from cloudquery_s3.stores.object_store import ROWS, StoredObject

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cloudquery_s3.cancellation import Cancellation
    from cloudquery_s3.chunk import Chunk
    from cloudquery_s3.stores.object_store import ObjectKind

Operation: TypeAlias = str
"""`Write`, `PutObject`, `GetObject` or `DeleteObject`."""


class MemoryStore:
    """Keeps objects in a dict; objects appear whole, at `commit`, and replace what was there.

    Attributes:
        objects: what the bucket holds, by key.
        before: called as described below.
        open_keys: keys of the writers that are neither committed nor aborted, in the order they were opened.
    """

    def __init__(self, before: Callable[[Operation, str], None] | None = None) -> None:
        """Make an empty bucket.

        Args:
            before: called with the operation and the key before each operation, on the calling thread; what it raises
                is what the operation raises, and while it waits the operation waits.
        """
        self.objects: dict[str, bytes] = {}
        self.open_keys: list[str] = []
        self.before = before or (lambda _operation, _key: None)

    def open(
        self,
        key: str,
        cancellation: Cancellation,
        *,
        unique: bool = False,  # noqa: ARG002 - it replaces
        kind: ObjectKind = ROWS,  # noqa: ARG002 - it keeps bytes alone
    ) -> MemoryWriter:
        """Begin an object; whatever was at its key is replaced."""
        self.open_keys.append(key)
        return MemoryWriter(self, key, cancellation)

    def read(self, key: str) -> MemoryReader:
        """Return an object to be read in ranges.

        Raises:
            ObjectNotFoundError: there is none.
        """
        self.before("GetObject", key)
        try:
            return MemoryReader(self.objects[key])
        except KeyError:
            raise ObjectNotFoundError(
                "there is no object at this key", operation="GetObject", key=key, status=404, code="NoSuchKey"
            ) from None

    def delete(self, key: str) -> None:
        """Remove an object, where there is one."""
        self.before("DeleteObject", key)
        self.objects.pop(key, None)

    def abandon(self) -> None:
        """Do nothing: what is open ends with the process."""

    def close(self) -> None:
        """Do nothing: there are no connections."""


class MemoryReader:
    """One object of a `MemoryStore`; see `ObjectReader`.

    Attributes:
        size_bytes: the object's size.
    """

    def __init__(self, data: bytes) -> None:
        self.size_bytes = len(data)
        self._data = data

    def read_at(self, offset: int, length: int) -> bytes:
        """Return a range of the object."""
        return self._data[offset : offset + length]

    def close(self) -> None:
        """Let go of the bytes."""
        self._data = b""


class MemoryWriter:
    """One object on its way into a `MemoryStore`; see `ObjectWriter`."""

    def __init__(self, store: MemoryStore, key: str, cancellation: Cancellation) -> None:
        self.buffered_bytes = 0
        self._cancellation = cancellation
        self._store = store
        self._key = key
        self._chunks: list[Chunk] = []
        self._ended = False

    def write(self, chunks: Sequence[Chunk]) -> None:
        """Append bytes."""
        self._cancellation.check()
        self._store.before("Write", self._key)
        self._chunks.extend(chunks)
        self.buffered_bytes += sum(memoryview(chunk).nbytes for chunk in chunks)

    def flush(self) -> None:
        """Send nothing: all of an object is held here anyway."""
        self._cancellation.check()

    def commit(self) -> StoredObject:
        """Make the object visible, whole."""
        self._cancellation.check()
        body = Body(self._chunks)
        self._store.before("PutObject", self._key)
        self._store.objects[self._key] = b"".join(body)
        self._end()
        return StoredObject(
            key=self._key,
            size_bytes=body.size_bytes,
            etag=body.md5().hex(),
            retries=0,
            checksum=crc32_checksum(body),
        )

    def abort(self) -> None:
        """Drop the bytes; idempotent, and harmless after `commit`."""
        self._cancellation.cancel()
        if not self._ended:
            self._end()

    def _end(self) -> None:
        self._ended = True
        self._store.open_keys.remove(self._key)
        self._chunks = []
        self.buffered_bytes = 0
