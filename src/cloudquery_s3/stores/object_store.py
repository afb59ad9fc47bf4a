"""What the writer asks of a store: an object is invisible until it is committed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloudquery_s3.cancellation import Cancellation
    from cloudquery_s3.chunk import Chunk
    from cloudquery_s3.committed import Checksum


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object that the store has acknowledged.

    Attributes:
        key: where it is.
        size_bytes: its size.
        etag: the store's entity tag, without quotes; empty where the store names none.
        retries: how many requests for it were sent again.
        checksum: what was sent for the store to check the bytes against.
    """

    key: str
    size_bytes: int
    etag: str
    retries: int
    checksum: Checksum | None


@dataclass(frozen=True, slots=True)
class ObjectKind:
    """What an object is for.

    Attributes:
        keys: where objects of this kind go, in the words of an error that says what a policy has to allow.
        content_type: theirs; empty where they have that of the rows' format.
    """

    keys: str
    content_type: str = ""

    def headers(self, of_rows: Mapping[str, str]) -> dict[str, str]:
        """Return the headers of such an object, out of those that an object of rows has."""
        own = {"content-type": self.content_type} if self.content_type else {}
        return {**of_rows, **own}


ROWS: Final = ObjectKind("the keys of `path`")
"""Rows of a table; almost every object is one of these."""

JSON: Final = "application/json"
"""The Content-Type of documents about objects."""


class ObjectWriter(Protocol):
    """One object on its way; used by one thread at a time.

    Either `commit` or `abort` ends it. After any error the caller aborts.

    Once the object's `Cancellation` is set, no further request for it begins but those that clean up, and no call goes
    on waiting; a request that is under way is left to end. An object whose last request then succeeds is stored, and
    `commit` says so.
    """

    @property
    def buffered_bytes(self) -> int:
        """Bytes that are held in memory, because they are not sent or not acknowledged yet."""

    def write(self, chunks: Sequence[Chunk]) -> None:
        """Append bytes. May send parts, and waits while too many are under way.

        Raises:
            StoreError: a part could not be stored.
            ObjectCancelledError: the object was given up.
        """

    def flush(self) -> None:
        """Send what a store can take already, so that it is no longer held in memory; what cannot be sent alone stays.

        Returns when what was sent is acknowledged.

        Raises:
            StoreError: a part could not be stored.
            ObjectCancelledError: the object was given up.
        """

    def commit(self) -> StoredObject:
        """Make the object visible, whole, at its key; return when the store has acknowledged it.

        Raises:
            StoreError: it could not; the object is not there (or, where the last answer was lost, it is there whole).
            ObjectCancelledError: the object was given up.
        """

    def abort(self) -> None:
        """Leave nothing behind: no object, no open upload. Idempotent; harmless after `commit`; raises nothing.

        Sets the object's `Cancellation`, waits for its requests that are under way, and cleans up on the caller's own
        thread: it never waits for a thread that other objects' requests keep busy.
        """


class ObjectReader(Protocol):
    """One version of one object, read in ranges; used by one thread at a time.

    Attributes:
        size_bytes: the object's size.
    """

    size_bytes: int

    def read_at(self, offset: int, length: int) -> bytes:
        """Return `length` bytes from `offset` on, fewer only where the object ends.

        Raises:
            StoreError: they could not be read, or another object has taken the place of this one.
        """

    def close(self) -> None:
        """Let go of what is held; nothing is read after that."""


class ObjectStore(Protocol):
    """A bucket. Safe to use from several threads."""

    def open(
        self, key: str, cancellation: Cancellation, *, unique: bool = False, kind: ObjectKind = ROWS
    ) -> ObjectWriter:
        """Begin an object that `cancellation` may give up; sends nothing yet.

        Args:
            key: where it will be.
            cancellation: its token.
            unique: whether no other object ever has this key. Such an object may be created rather than replaced, and
                then never takes another's place.
            kind: what it is for.
        """

    def read(self, key: str) -> ObjectReader:
        """Return an object to be read in ranges: it may be larger than memory.

        Raises:
            ObjectNotFoundError: there is none.
            StoreError: it could not be read.
        """

    def delete(self, key: str) -> None:
        """Remove an object; that there is none is no error.

        Raises:
            StoreError: the store refuses.
        """

    def abandon(self) -> None:
        """Take back every upload that is open, without waiting for its parts: the process is about to end."""

    def close(self) -> None:
        """Release connections; the store is not used after that."""
