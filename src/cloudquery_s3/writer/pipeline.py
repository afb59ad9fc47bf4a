"""One object's way through the stages: rows -> encode -> upload -> committed."""

from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from cloudquery_s3.committed import CommittedObject
from cloudquery_s3.errors import PluginError

if TYPE_CHECKING:
    from cloudquery_s3.chunk import Chunk
    from cloudquery_s3.formats.encoder import EncodedFile
    from cloudquery_s3.stores.object_store import StoredObject
    from cloudquery_s3.writer.access_gate import AccessGate
    from cloudquery_s3.writer.context import WriteContext
    from cloudquery_s3.writer.object_file import ObjectFile
    from cloudquery_s3.writer.open_object import OpenObject, Piece


class _Encoded(NamedTuple):
    chunks: list[Chunk]
    size_bytes: int
    file: EncodedFile | None
    """What the whole file holds, once it has ended."""


class ObjectPipeline:
    """Takes the pieces of one object through the stages, in order. Lives on the event loop.

    The next piece is encoded while the one before is uploaded.
    """

    def __init__(self, opened: OpenObject, *, context: WriteContext, gate: AccessGate) -> None:
        self._opened = opened
        self._file: ObjectFile = opened.file
        self._context = context
        self._gate = gate
        self._uploading: asyncio.Task[None] | None = None
        self._failure: PluginError | None = None

    async def run(self) -> CommittedObject:
        """Return the object when the store has acknowledged it.

        Raises:
            ObjectCancelledError: it was given up.
            PluginError: it could not be built. Nothing partial is left in either case.
        """
        try:
            return await self._build()
        except BaseException as error:
            self._opened.cancel()
            await self._settle()
            await asyncio.get_running_loop().run_in_executor(self._context.pools.cleanup, self._file.abort)
            if self._failure is not None and self._failure is not error:
                raise self._failure from None
            raise
        finally:
            self._opened.close()

    async def _build(self) -> CommittedObject:
        while True:
            piece = await self._opened.next_piece()
            encoded = await self._encode(piece)
            if self._uploading is not None:
                await self._uploading
                self._file.cancellation.check()
            if encoded.file is not None:
                return self._record(encoded.file, await self._commit(encoded))
            self._uploading = asyncio.ensure_future(self._upload(piece, encoded))

    async def _encode(self, piece: Piece) -> _Encoded:
        encoded = await self._opened.run(self._context.pools.encode, partial(_encode, self._file, piece))
        self._opened.encoded(piece, encoded.size_bytes)
        if not self._context.template.has_file_id:
            self._context.fixed_keys.check(self._opened.table, self._file.key, self._file.origin)
        return encoded

    async def _upload(self, piece: Piece, encoded: _Encoded) -> None:
        upload = partial(self._file.upload, encoded.chunks, flush=piece.flush)
        try:
            await self._opened.run(
                self._context.pools.upload, partial(self._gate.send, upload, self._file.cancellation)
            )
        except PluginError as error:
            if not self._file.cancellation.cancelled:
                self._failure = error
                self._opened.cancel()  # nobody waits for this upload before the next piece has come
            return
        self._opened.uploaded(piece, encoded.size_bytes)

    async def _commit(self, encoded: _Encoded) -> StoredObject:
        commit = partial(self._file.commit, encoded.chunks)
        with self._claim():
            return await self._opened.run(
                self._context.pools.upload, partial(self._gate.store, commit, self._file.cancellation)
            )

    def _claim(self) -> AbstractContextManager[None]:
        if self._context.template.has_file_id:
            return nullcontext()
        return self._context.fixed_keys.claimed(self._opened.table, self._file.key, self._file.origin)

    def _record(self, file: EncodedFile, stored: StoredObject) -> CommittedObject:
        fields = self._context.template.partition_fields
        return CommittedObject(
            table=self._opened.table,
            key=stored.key,
            size_bytes=stored.size_bytes,
            etag=stored.etag,
            checksum=stored.checksum,
            rows=file.rows,
            schema=self._opened.schema,
            partition={field.name: value for field, value in zip(fields, self._opened.partition, strict=True)},
            opened_at=self._opened.opened_at,
            committed_at=self._context.now(),
            statistics=file.statistics,
            altered=self._file.alterations.cells,
            retries=stored.retries,
            origin=self._file.origin,
            encode_s=self._file.encode_s,
            upload_s=self._file.upload_s,
        )

    async def _settle(self) -> None:
        """Wait for the upload that is under way; what ended the object is known already."""
        if self._uploading is not None:
            await asyncio.wait([self._uploading])


def _encode(file: ObjectFile, piece: Piece) -> _Encoded:
    chunks = file.encode(piece.batches) if piece.batches else []
    ended = file.finish() if piece.last else None
    if ended is not None:
        chunks += ended.chunks
    return _Encoded(chunks, sum(memoryview(chunk).nbytes for chunk in chunks), ended)
