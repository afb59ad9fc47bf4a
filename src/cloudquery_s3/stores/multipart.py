"""An object that goes up in parts: sent side by side, growing, and gone without a trace when aborted."""

from __future__ import annotations

import hashlib
import logging
from concurrent.futures import wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from xml.sax.saxutils import escape

from cloudquery_s3.cancellation import Cancellation
from cloudquery_s3.errors import ObjectCancelledError, StoreError
from cloudquery_s3.stores.answers import xml_children, xml_fields
from cloudquery_s3.stores.body import Body
from cloudquery_s3.stores.checksums import composite_checksum
from cloudquery_s3.stores.lost_answers import Sent, is_stored
from cloudquery_s3.stores.retry import RetryPolicy
from cloudquery_s3.stores.s3_requests import Request

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from concurrent.futures import Executor, Future

    from cloudquery_s3.chunk import Chunk
    from cloudquery_s3.committed import Checksum
    from cloudquery_s3.stores.answers import Answer
    from cloudquery_s3.stores.failures import RequestFailedError
    from cloudquery_s3.stores.new_object import NewObject
    from cloudquery_s3.stores.s3_requests import S3Client

log = logging.getLogger(__name__)

PARTS_UNDER_WAY: Final = 4
"""How many parts of one object are sent at the same time."""

MAX_PARTS: Final = 10_000
MAX_PART_BYTES: Final = 5 * 1024**3
_PARTS_PER_SIZE: Final = 900
_ABORT_POLICY: Final = RetryPolicy(max_attempts=6, max_backoff_s=8)
"""Cleaning up has its own patience, whatever the user set for the sync."""


def part_bytes(number: int, first_bytes: int) -> int:
    """Return the size of part `number` (from 1): it doubles every 900 parts.

    Small objects keep small parts, and 10,000 parts of S3's least size still hold more than 5 TiB.
    """
    return min(first_bytes << ((number - 1) // _PARTS_PER_SIZE), MAX_PART_BYTES)


class _StoredPart(NamedTuple):
    etag: str
    checksum: Checksum


@dataclass(frozen=True, slots=True)
class _Part:
    number: int
    size_bytes: int
    future: Future[_StoredPart]


class MultipartUpload:
    """One multipart upload; used by one thread at a time. Ended by `complete` or `abort`.

    Once its object is given up no request of it begins but those that clean up; every call but these then raises
    ObjectCancelledError.

    Attributes:
        failures: attempts that failed, of all its requests.
        answers: to its creation, its first part and its completion.
    """

    def __init__(
        self,
        client: S3Client,
        pool: Executor,
        target: NewObject,
        headers: Mapping[str, str],
        *,
        first_part_bytes: int,
    ) -> None:
        self.failures: list[RequestFailedError] = []
        self.answers: list[Answer] = []
        self._client = client
        self._pool = pool
        self._target = target
        self._key = target.key
        self._cancellation = target.cancellation
        self._headers = headers
        self._first_part_bytes = first_part_bytes
        self._under_way: list[_Part] = []
        self._stored: dict[int, _StoredPart] = {}
        self._parts = 0
        self._size_bytes = 0
        self._upload_id = ""
        self._may_have_strays = False

    @property
    def next_part_bytes(self) -> int:
        """How many bytes the next part should have."""
        return part_bytes(self._parts + 1, self._first_part_bytes)

    @property
    def under_way_bytes(self) -> int:
        """The bytes of all parts that the store has not acknowledged yet."""
        return sum(part.size_bytes for part in tuple(self._under_way) if not part.future.done())

    def begin(self) -> None:
        """Open the upload.

        Raises:
            StoreError: the store does not want it.
        """
        headers = dict(self._headers)
        if self._client.sends_crc32:
            headers["x-amz-checksum-algorithm"] = "CRC32"
        request = self._request("CreateMultipartUpload", "POST", query={"uploads": ""}, headers=headers)
        failures: list[RequestFailedError] = []
        try:
            answer = self._client.send(request, self._cancellation, failures)
            self._upload_id = xml_fields(answer.body)["UploadId"]
            self.answers.append(answer)
        finally:
            self.failures += failures
            self._may_have_strays = any(failure.may_have_worked for failure in failures)

    def send(self, chunks: Sequence[Chunk]) -> None:
        """Send the next part; wait first while four are under way.

        Raises:
            StoreError: this upload cannot go on.
        """
        while len(self._under_way) >= PARTS_UNDER_WAY:
            self._await_part()
        if self._parts == MAX_PARTS:
            raise StoreError("the object is larger than S3 takes", operation="UploadPart", key=self._key)
        body = Body(chunks)
        self._parts += 1
        self._size_bytes += body.size_bytes
        future = self._pool.submit(self._send_part, self._parts, body)
        self._under_way.append(_Part(self._parts, body.size_bytes, future))

    def settle(self) -> None:
        """Return when the store has acknowledged every part that was sent.

        Raises:
            StoreError: this upload cannot go on.
        """
        while self._under_way:
            self._await_part()

    def complete(self) -> tuple[str, Checksum]:
        """Make the object of all parts sent; return its entity tag and checksum.

        Where the answer is lost for good, or the store then no longer knows the upload, the object is looked at: it is
        taken as stored only where its size and entity tag are those of these parts. A sync without permission to read
        must take that for an error, and says that the object may be there.

        Raises:
            StoreError: a part, or the completion, failed.
        """
        self.settle()
        request = self._request(
            "CompleteMultipartUpload",
            "POST",
            query={"uploadId": self._upload_id},
            headers={"content-type": "application/xml", **self._target.condition},
            body=Body([self._manifest()]),
        )
        failures: list[RequestFailedError] = []
        try:
            answer = self._client.send(request, self._cancellation, failures)
            etag = xml_fields(answer.body).get("ETag", "").strip('"')
            self.answers.append(answer)
        except (StoreError, ObjectCancelledError) as error:
            etag = self._etag_of_lost_answer(error, failures)
            failures.pop()  # it was not sent again
        finally:
            self.failures += failures
        self._upload_id = ""
        self._take_back_strays()
        return etag, composite_checksum([part.checksum for _, part in sorted(self._stored.items())])

    def abort(self) -> None:
        """Leave nothing behind: give the object up, wait for its requests under way, then take the upload back.

        Raises nothing; idempotent.
        """
        self._cancellation.cancel()
        for part in self._under_way:
            part.future.cancel()
        wait([part.future for part in self._under_way])
        self._under_way.clear()
        if self._upload_id:
            self._take_back(self._upload_id)
            self._upload_id = ""
        self._take_back_strays()

    def abandon(self) -> None:
        """Take the upload back at once, from any thread, while others may still send: the process is about to end."""
        if self._upload_id:
            self._take_back(self._upload_id)

    def _request(self, operation: str, method: str, **asked: Any) -> Request:
        return Request(operation, method, self._key, kind=self._target.kind, **asked)

    def _await_part(self) -> None:
        """Wait for any part; note what is stored of those under way; raise what stopped one, each time again."""
        self._cancellation.wait_for_any(part.future for part in self._under_way)
        for part in tuple(self._under_way):
            if part.future.done():
                self._stored[part.number] = part.future.result()
                self._under_way.remove(part)

    def _send_part(self, number: int, body: Body) -> _StoredPart:
        query = {"partNumber": str(number), "uploadId": self._upload_id}
        request = self._request("UploadPart", "PUT", query=query, body=body)
        answer = self._client.send(request, self._cancellation, self.failures)
        if number == 1:
            self.answers.append(answer)
        return _StoredPart(answer.etag, self._client.checksum(body))

    def _manifest(self) -> bytes:
        parts = []
        for number, (etag, checksum) in sorted(self._stored.items()):
            sent = f"<ChecksumCRC32>{checksum.value}</ChecksumCRC32>" if self._client.sends_crc32 else ""
            parts.append(f'<Part><PartNumber>{number}</PartNumber><ETag>"{escape(etag)}"</ETag>{sent}</Part>')
        namespace = "http://s3.amazonaws.com/doc/2006-03-01/"
        return f'<CompleteMultipartUpload xmlns="{namespace}">{"".join(parts)}</CompleteMultipartUpload>'.encode()

    def _expected_etag(self) -> str:
        """Return S3's entity tag of an object of exactly these parts, or "" where theirs are not MD5s."""
        try:
            digests = b"".join(bytes.fromhex(part.etag) for _, part in sorted(self._stored.items()))
        except ValueError:
            return ""
        return f"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{self._parts}"

    def _etag_of_lost_answer(self, error: StoreError | ObjectCancelledError, failures: list[RequestFailedError]) -> str:
        """Return the entity tag of an object that is stored although no answer has said so, or "" where none is known.

        Raises:
            StoreError: it is not, or nobody knows.
            ObjectCancelledError: it was given up.
        """
        if self._target.is_there(error, failures):
            self._take_back(self._upload_id)  # a store may keep an upload open that it has refused to complete
            return ""
        etag = self._expected_etag()
        if not is_stored(self._client, self._key, Sent(etag, self._size_bytes), self._cancellation, failures):
            raise self._unsure(error, failures) from None
        return etag

    def _unsure(
        self, error: StoreError | ObjectCancelledError, failures: list[RequestFailedError]
    ) -> StoreError | ObjectCancelledError:
        """Return what to raise for a completion that failed: gone after a lost answer, an upload is likely complete."""
        if (
            isinstance(error, ObjectCancelledError)
            or error.code != "NoSuchUpload"
            or not any(failure.may_have_worked for failure in failures)
        ):
            return error
        return StoreError(
            "the answer was lost and the upload is gone: the object is probably there, whole, but that could not be "
            "checked",
            operation=error.operation,
            key=error.key,
            status=error.status,
            code=error.code,
        )

    def _take_back(self, upload_id: str) -> None:
        request = Request("AbortMultipartUpload", "DELETE", self._key, query={"uploadId": upload_id})
        try:
            self._client.send(request, Cancellation(), policy=_ABORT_POLICY)
        except StoreError as error:
            if error.code != "NoSuchUpload":
                log.warning(
                    "an open multipart upload is left: remove it, or let a lifecycle rule of the bucket do so",
                    extra={"key": self._key, "upload_id": upload_id, "cause": str(error)},
                )

    def _take_back_strays(self) -> None:
        """Abort uploads of this key whose creation was answered by nothing that arrived; only then look for any."""
        if not self._may_have_strays:
            return
        self._may_have_strays = False
        request = Request("ListMultipartUploads", "GET", "", query={"uploads": "", "prefix": self._key})
        try:
            answer = self._client.send(request, Cancellation())
        except StoreError as error:
            log.warning(
                "an open multipart upload may be left: remove it, or let a lifecycle rule of the bucket do so",
                extra={"key": self._key, "cause": str(error)},
            )
            return
        for upload in xml_children(answer.body, "Upload"):
            if upload.get("Key") == self._key:
                self._take_back(upload["UploadId"])
