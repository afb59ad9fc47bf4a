"""One object of S3, read in ranges, so that it need not fit into memory."""

from __future__ import annotations

import re
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, Final

from cloudquery_s3.cancellation import Cancellation
from cloudquery_s3.errors import StoreError
from cloudquery_s3.stores.s3_requests import Request

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import IO

    from cloudquery_s3.stores.answers import Answer
    from cloudquery_s3.stores.s3_requests import S3Client

HEAD_BYTES: Final = 8 << 20
"""What is asked for first: an object of no more takes one request."""

_SIZE: Final = re.compile(r"bytes 0-\d+/(\d+)")
_NOT_SATISFIABLE: Final = 416
_PRECONDITION_FAILED: Final = 412


class S3Reader:
    """One version of an object; see `ObjectReader`. Asks for nothing but GetObject.

    Later requests name the entity tag of the first answer, so that they are about the same version. A store that does
    not know ranges sends the whole object: beyond some megabytes it is kept in a temporary file.

    Attributes:
        size_bytes: the object's size.
    """

    def __init__(self, client: S3Client, key: str) -> None:
        """Ask for the first bytes.

        Raises:
            ObjectNotFoundError: there is no such object.
            StoreError: it could not be read.
        """
        self._client = client
        self._key = key
        self._kept = SpooledTemporaryFile(HEAD_BYTES)  # noqa: SIM115 - it lives as long as this does
        first = self._first()
        self._kept_bytes = self._kept.tell()
        self._etag = first.etag
        size = _SIZE.fullmatch(first.headers.get("Content-Range", ""))
        self.size_bytes = int(size[1]) if size else self._kept_bytes

    def read_at(self, offset: int, length: int) -> bytes:
        """Return a range of the object.

        Raises:
            StoreError: it could not be read, or the object was replaced.
        """
        end = min(offset + length, self.size_bytes)
        if end <= self._kept_bytes:
            self._kept.seek(offset)
            return self._kept.read(max(0, end - offset))
        if offset >= end:
            return b""
        pinned = {"If-Match": f'"{self._etag}"'} if self._etag else {}
        try:
            answer = self._get({"Range": f"bytes={offset}-{end - 1}", **pinned})
        except StoreError as error:
            if error.status != _PRECONDITION_FAILED:
                raise
            raise self._replaced(error.status) from error
        if answer.etag != self._etag:  # some stores take no notice of If-Match
            raise self._replaced(None)
        if len(answer.body) != end - offset:
            problem = f"the store sent {len(answer.body)} bytes where {end - offset} were asked for"
            raise StoreError(problem, operation="GetObject", key=self._key)
        return answer.body

    def close(self) -> None:
        """Let go of what is kept."""
        self._kept.close()

    def _replaced(self, status: int | None) -> StoreError:
        message = "the object was replaced while it was read: read it again"
        return StoreError(message, operation="GetObject", key=self._key, status=status)

    def _first(self) -> Answer:
        try:
            return self._get({"Range": f"bytes=0-{HEAD_BYTES - 1}"}, into=self._kept)
        except StoreError as error:
            if error.status != _NOT_SATISFIABLE:
                raise
            return self._get({}, into=self._kept)  # an empty object has no first byte

    def _get(self, headers: Mapping[str, str], *, into: IO[bytes] | None = None) -> Answer:
        request = Request("GetObject", "GET", self._key, headers=headers, into=into)
        return self._client.send(request, Cancellation())
