"""One object on its way into a bucket: a single request, or a multipart upload."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudquery_s3.errors import ObjectCancelledError, StoreError
from cloudquery_s3.stores.body import Body
from cloudquery_s3.stores.lost_answers import Sent, is_stored
from cloudquery_s3.stores.multipart import MultipartUpload
from cloudquery_s3.stores.object_store import StoredObject
from cloudquery_s3.stores.s3_requests import Request

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Executor

    from cloudquery_s3.chunk import Chunk
    from cloudquery_s3.stores.failures import RequestFailedError
    from cloudquery_s3.stores.new_object import NewObject
    from cloudquery_s3.stores.s3_requests import S3Client
    from cloudquery_s3.stores.s3_settings import S3Settings


class S3Writer:
    """One object on its way; see `ObjectWriter`."""

    def __init__(
        self,
        client: S3Client,
        pool: Executor,
        settings: S3Settings,
        target: NewObject,
        uploads: set[MultipartUpload],
    ) -> None:
        self._client = client
        self._pool = pool
        self._settings = settings
        self._target = target
        self._key = target.key
        self._headers = target.kind.headers(settings.object_headers())
        self._cancellation = target.cancellation
        self._pending: list[Chunk] = []
        self._pending_bytes = 0
        self._size_bytes = 0
        self._uploads = uploads
        self._upload: MultipartUpload | None = None

    @property
    def buffered_bytes(self) -> int:
        """Bytes that are not sent or not acknowledged yet."""
        return self._pending_bytes + (self._upload.under_way_bytes if self._upload else 0)

    def write(self, chunks: Sequence[Chunk]) -> None:
        """Append bytes; above what fits into one request, send parts.

        Raises:
            StoreError: a part could not be stored.
            ObjectCancelledError: the object was given up.
        """
        self._cancellation.check()
        views = [memoryview(chunk).cast("B") for chunk in chunks]
        added = sum(view.nbytes for view in views)
        self._pending += views
        self._pending_bytes += added
        self._size_bytes += added
        if self._upload or self._pending_bytes > self._settings.single_put_max_bytes:
            self._send_parts()

    def flush(self) -> None:
        """Send whole parts, and wait until they are acknowledged; less than a part stays.

        Raises:
            StoreError: a part could not be stored.
            ObjectCancelledError: the object was given up.
        """
        self._cancellation.check()
        self._send_parts()
        if self._upload:
            self._upload.settle()

    def _send_parts(self) -> None:
        if self._upload is None and self._pending_bytes >= self._settings.part_size_bytes:
            self._upload = self._new_upload()
            self._uploads.add(self._upload)
            self._upload.begin()
        if self._upload:
            while self._pending_bytes >= self._upload.next_part_bytes:
                self._upload.send(self._take(self._upload.next_part_bytes))

    def commit(self) -> StoredObject:
        """Make the object visible, whole.

        Raises:
            StoreError: it could not be stored.
            ObjectCancelledError: the object was given up.
        """
        if self._upload is None:
            failures: list[RequestFailedError] = []
            body = Body(self._pending)
            etag, checksum = self._put(body, failures), self._client.checksum(body)
            self._take(self._pending_bytes)
        else:
            if self._pending_bytes:
                self._upload.send(self._take(self._pending_bytes))
            etag, checksum = self._upload.complete()
            self._uploads.discard(self._upload)
            self._client.look_for_encryption(self._settings.encryption, self._upload.answers)
            failures = self._upload.failures
        return StoredObject(
            key=self._key, size_bytes=self._size_bytes, etag=etag, retries=len(failures), checksum=checksum
        )

    def abort(self) -> None:
        """Give the object up and leave nothing behind; idempotent, and harmless after `commit`."""
        self._cancellation.cancel()
        self._take(self._pending_bytes)
        if self._upload:
            self._upload.abort()
            self._uploads.discard(self._upload)

    def _put(self, body: Body, failures: list[RequestFailedError]) -> str:
        """Store all in one request; return its entity tag."""
        headers = {**self._headers, **self._target.condition}
        request = Request("PutObject", "PUT", self._key, headers=headers, body=body, kind=self._target.kind)
        try:
            answer = self._client.send(request, self._cancellation, failures)
        except (StoreError, ObjectCancelledError) as error:
            if self._target.is_there(error, failures):
                failures.pop()  # it was not sent again
                return ""
            etag = body.md5().hex()
            sent = Sent(etag, body.size_bytes)
            if not is_stored(self._client, self._key, sent, self._cancellation, failures):
                raise
            failures.pop()  # it was not sent again
            return etag
        self._client.look_for_encryption(self._settings.encryption, [answer])
        return answer.etag

    def _new_upload(self) -> MultipartUpload:
        return MultipartUpload(
            self._client,
            self._pool,
            self._target,
            self._headers,
            first_part_bytes=self._settings.part_size_bytes,
        )

    def _take(self, size_bytes: int) -> list[Chunk]:
        """Remove and return the first bytes that are pending."""
        taken: list[Chunk] = []
        rest = size_bytes
        for index, view in enumerate(self._pending):
            if len(view) > rest:
                taken.append(view[:rest])
                self._pending[: index + 1] = [view[rest:]]
                break
            taken.append(view)
            rest -= len(view)
        else:
            self._pending = []
        self._pending_bytes -= size_bytes
        return taken
