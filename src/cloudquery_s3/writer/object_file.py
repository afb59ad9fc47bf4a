"""One object's bytes: rows decoded and encoded, chunks uploaded. The work of the stages' threads."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

from cloudquery_s3 import scope
from cloudquery_s3.committed import Origin
from cloudquery_s3.errors import DecodeError, EncodeError, PluginError
from cloudquery_s3.formats.encoder import Alterations, UnwritableError
from cloudquery_s3.ipc import decode
from cloudquery_s3.writer.origin import origin_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from cloudquery_s3.cancellation import Cancellation
    from cloudquery_s3.chunk import Chunk
    from cloudquery_s3.formats.encoder import EncodedFile, Encoder, Format
    from cloudquery_s3.ipc import ReceivedBatch
    from cloudquery_s3.stores.object_store import ObjectStore, StoredObject


class ObjectFile:
    """Builds one object: `encode` and `finish` on one thread at a time, `upload` and `commit` on another.

    Ended by either `commit` or `abort`. Every method begins with a look at the cancellation.

    Attributes:
        key: where the object will be.
        alterations: cells that were not written as they came.
        origin: where the rows encoded so far came from.
        cancellation: is set when the object is given up.
        encode_s: seconds that `encode` and `finish` have taken.
        upload_s: seconds that `upload` and `commit` have taken.
    """

    def __init__(  # noqa: PLR0913 - what one object is made of, by name
        self,
        *,
        table: str,
        key: str,
        schema: pa.Schema,
        file_format: Format,
        store: ObjectStore,
        cancellation: Cancellation,
        unique: bool,
    ) -> None:
        self.key = key
        self.alterations = Alterations()
        self.origin = Origin()
        self._table = table
        self._schema = schema
        self._format = file_format
        self._encoder: Encoder | None = None
        self.cancellation = cancellation
        self.encode_s = 0.0
        self.upload_s = 0.0
        self._upload = store.open(key, cancellation, unique=unique)

    @property
    def buffered_bytes(self) -> int:
        """Encoded bytes that wait in memory, because they are not sent or not acknowledged yet."""
        return self._upload.buffered_bytes

    def encode(self, batches: list[ReceivedBatch]) -> list[Chunk]:
        """Return the encoded rows; empties the list, so that they are free before the upload takes its time.

        Raises:
            EncodeError: the rows are not what their header promised, or cannot be written in this format.
            ObjectCancelledError: the object was given up.
        """
        self.cancellation.check()
        began = perf_counter()
        with self._guard():
            decoded = decode(batches)
            batches.clear()
            self._came_from(origin_of(decoded))
            chunks = self._opened().write(decoded)
        self.encode_s += perf_counter() - began
        return chunks

    def trial(self, batches: Sequence[ReceivedBatch]) -> int:
        """Return how many bytes these rows are as a file of their own, which is dropped.

        Raises: see `encode`.
        """
        self.cancellation.check()
        with self._guard():
            encoder = self._format.encoder(self._schema, Alterations())
            chunks = encoder.write(decode(batches))
            chunks += encoder.finish().chunks
            return sum(memoryview(chunk).nbytes for chunk in chunks)

    def finish(self) -> EncodedFile:
        """Return the file's last bytes, and what it holds.

        Raises:
            EncodeError: its last bytes cannot be made.
            ObjectCancelledError: the object was given up.
        """
        self.cancellation.check()
        began = perf_counter()
        with self._guard():
            finished = self._opened().finish()
        self.encode_s += perf_counter() - began
        return finished

    def upload(self, chunks: Sequence[Chunk], *, flush: bool) -> None:
        """Append bytes to the object; with `flush`, send what can be sent instead of holding it.

        Raises:
            StoreError: a part could not be stored.
            ObjectCancelledError: the object was given up.
        """
        self.cancellation.check()
        began = perf_counter()
        self._upload.write(chunks)
        if flush:
            self._upload.flush()
        self.upload_s += perf_counter() - began

    def commit(self, chunks: Sequence[Chunk]) -> StoredObject:
        """Append the last bytes, and make the object visible and whole.

        Raises:
            StoreError: the store did not take it.
            ObjectCancelledError: the object was given up.
        """
        self.cancellation.check()
        began = perf_counter()
        self._upload.write(chunks)
        stored = self._upload.commit()
        self.upload_s += perf_counter() - began
        return stored

    def abort(self) -> None:
        """Leave nothing behind."""
        if self._encoder is not None:
            self._encoder.discard()
        self._upload.abort()

    def _came_from(self, origin: Origin) -> None:
        """Take note of where rows came from: for the object, and for the lines that the log has of its table."""
        self.origin |= origin
        seen = scope.current().sources
        if seen is not None:
            seen.add(self._table, origin.sources)

    def _opened(self) -> Encoder:
        if self._encoder is None:
            self._encoder = self._format.encoder(self._schema, self.alterations)
        return self._encoder

    def _guard(self) -> _EncodeGuard:
        return _EncodeGuard(self._table, self.key)


class _EncodeGuard:
    """Turns whatever decoding or encoding raises into an EncodeError that names the table.

    Everything, since a fault in one table's rows must never end the others.
    """

    def __init__(self, table: str, key: str) -> None:
        self._table = table
        self._key = key

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        if not isinstance(error, Exception) or (isinstance(error, PluginError) and not isinstance(error, DecodeError)):
            return
        # Other exceptions than these two come from libraries, whose words may quote a cell.
        known = isinstance(error, (DecodeError, UnwritableError))
        what = str(error) if known else f"an unexpected {type(error).__name__}: report it with the table's schema"
        raise EncodeError(self._table, f"its rows cannot be written to {self._key}: {what}") from None
