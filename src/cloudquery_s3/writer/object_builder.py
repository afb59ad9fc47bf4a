"""One object from rows to bucket: decode, encode, upload. The work of a worker thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudquery_s3.cancellation import Cancellation
from cloudquery_s3.errors import EncodeError, PluginError
from cloudquery_s3.formats.encoder import Alterations
from cloudquery_s3.ipc import decode

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    import pyarrow as pa

    from cloudquery_s3.chunk import Chunk
    from cloudquery_s3.formats.encoder import Format
    from cloudquery_s3.ipc import ReceivedBatch
    from cloudquery_s3.stores.object_store import ObjectStore, StoredObject


class ObjectBuilder:
    """Builds one object; used by one worker at a time, and ended by either `commit` or `abort`.

    Making one raises an EncodeError where the format has no place for a column of this schema.

    `slots` bounds how many builders encode at the same moment: encoding wants a core, uploading wants to wait.
    """

    def __init__(
        self,
        *,
        table: str,
        key: str,
        schema: pa.Schema,
        file_format: Format,
        store: ObjectStore,
        slots: AbstractContextManager[object],
    ) -> None:
        self.key = key
        self.rows = 0
        self.alterations = Alterations()
        self._table = table
        with self._guard():
            self._encoder = file_format.encoder(schema, self.alterations)
        self._upload = store.open(key, Cancellation())
        self._slots = slots

    @property
    def buffered_bytes(self) -> int:
        """Encoded bytes that wait in memory."""
        return self._upload.buffered_bytes

    def write(self, batches: list[ReceivedBatch]) -> None:
        """Append rows; empties the list, so that they are free before the upload takes its time.

        Raises:
            DecodeError: the rows are not what their header promised.
            EncodeError: they cannot be written in this format.
            StoreError: a part could not be stored.
        """
        rows = sum(batch.rows for batch in batches)
        with self._slots:
            chunks = self._encode(batches)
        self.rows += rows
        self._upload.write(chunks)

    def flush(self) -> None:
        """Send what can be sent instead of holding it.

        Raises:
            StoreError: a part could not be stored.
        """
        self._upload.flush()

    def commit(self) -> StoredObject:
        """Make the object visible and whole.

        Raises:
            EncodeError: its last bytes cannot be made.
            StoreError: the store did not take it.
        """
        with self._guard(), self._slots:
            file = self._encoder.finish()
        self._upload.write(file.chunks)
        return self._upload.commit()

    def abort(self) -> None:
        """Leave nothing behind."""
        self._encoder.discard()
        self._upload.abort()

    def _encode(self, batches: list[ReceivedBatch]) -> list[Chunk]:
        decoded = decode(batches)
        batches.clear()
        with self._guard():
            return self._encoder.write(decoded)

    def _guard(self) -> _EncodeGuard:
        return _EncodeGuard(self._table, self.key)


class _EncodeGuard:
    """Turns whatever an encoder raises into an EncodeError that names the table.

    Everything, since a fault in encoding one table must never end the others (contract C.5).
    """

    def __init__(self, table: str, key: str) -> None:
        self._table = table
        self._key = key

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, PluginError):
            raise EncodeError(
                self._table, f"its rows cannot be written to {self._key}: {type(error).__name__}: {error}"
            ) from error
