"""A bucket as its readers see it: listed, looked at, read, and written to under a condition."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple
from urllib.parse import unquote_plus
from xml.etree import ElementTree as ET

from cloudquery_s3.cancellation import Cancellation
from cloudquery_s3.committed import Checksum
from cloudquery_s3.errors import ObjectNotFoundError, StoreError
from cloudquery_s3.stores.body import Body
from cloudquery_s3.stores.object_store import ROWS
from cloudquery_s3.stores.s3 import s3_client, settings_of
from cloudquery_s3.stores.s3_requests import Request

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloudquery_s3.spec import Spec
    from cloudquery_s3.stores.answers import Answer
    from cloudquery_s3.stores.object_store import ObjectKind
    from cloudquery_s3.stores.s3_requests import S3Client

_CONDITION_FAILED: Final = frozenset({409, 412})
_REPLACEMENT_FAILED: Final = _CONDITION_FAILED | {404}
_COMPOSITE_MARK: Final = "-"


class ListedObject(NamedTuple):
    """An object as a listing shows it.

    Attributes:
        key: where it is.
        size_bytes: as stored.
        etag: without quotes.
        modified: when it was last written, as the store writes it: ISO 8601.
    """

    key: str
    size_bytes: int
    etag: str
    modified: str


@dataclass(frozen=True, slots=True)
class ObjectHead:
    """What the store says of one object; `checksum` is None where it keeps none, or does not tell."""

    size_bytes: int
    etag: str
    checksum: Checksum | None


@dataclass(frozen=True, slots=True)
class ReadObject:
    """An object's bytes, or a range of them, with the entity tag of the whole."""

    body: bytes
    etag: str


class Bucket:
    """One bucket, with a reader's credentials. Safe to use from several threads.

    Reading needs ListObjectsV2, GetObject and HeadObject; PutObject and DeleteObject are sent where the caller asks.
    """

    def __init__(self, client: S3Client, headers: dict[str, str]) -> None:
        """`headers` are those of new objects."""
        self._client = client
        self._headers = headers

    def list(self, prefix: str, *, start_after: str = "") -> Iterator[ListedObject]:
        """Yield the objects whose keys begin with a prefix, in the order of their keys; one request a thousand.

        Args:
            prefix: what the keys begin with.
            start_after: keys up to this one are left out.

        Raises:
            StoreError: it could not be listed.
        """
        query = {"list-type": "2", "encoding-type": "url", "prefix": prefix}
        if start_after:
            query["start-after"] = start_after
        while True:
            body = self._send(Request("ListObjectsV2", "GET", "", query=query)).body
            page, token = _page(body, prefix)
            yield from page
            if not token:
                return
            query["continuation-token"] = token

    def get(self, key: str, *, first: int | None = None, last: int | None = None) -> ReadObject:
        """Return an object's bytes, or only its `first` or its `last` so many (fewer where it is smaller).

        Raises:
            ObjectNotFoundError: there is none.
            StoreError: it could not be read.
        """
        headers = {}
        if first is not None:
            headers["range"] = f"bytes=0-{first - 1}"
        if last is not None:
            headers["range"] = f"bytes=-{last}"
        answer = self._send(Request("GetObject", "GET", key, headers=headers))
        return ReadObject(answer.body, answer.etag)

    def find(self, key: str) -> ReadObject | None:
        """Return an object, or None where there is none.

        Raises:
            StoreError: it could not be read.
        """
        try:
            return self.get(key)
        except ObjectNotFoundError:
            return None

    def head(self, key: str) -> ObjectHead | None:
        """Return what the store says of an object, with its checksum where one is kept, or None where there is none.

        Raises:
            StoreError: it could not be looked at.
        """
        request = Request("HeadObject", "HEAD", key, headers={"x-amz-checksum-mode": "ENABLED"})
        try:
            answer = self._send(request)
        except ObjectNotFoundError:
            return None
        checksum: Checksum | None = None
        algorithms: tuple[Literal["CRC32", "SHA256"], ...] = ("CRC32", "SHA256")
        for algorithm in algorithms:
            value = answer.headers.get(f"x-amz-checksum-{algorithm.lower()}")
            if value:
                checksum = Checksum(algorithm, value, "COMPOSITE" if _COMPOSITE_MARK in value else "FULL_OBJECT")
        return ObjectHead(int(answer.headers.get("Content-Length", "0")), answer.etag, checksum)

    def put(self, key: str, body: bytes, *, replacing: str | None = None, kind: ObjectKind = ROWS) -> bool:
        """Write an object only if nobody else has, and return whether that was so.

        False does not tell whose object is there: it may be this one, where an earlier answer was lost.

        Args:
            key: where it goes.
            body: its bytes.
            replacing: the entity tag of the object that it replaces; None where there must be none.
            kind: what it is for.

        Raises:
            StoreError: it could not be written.
        """
        condition = {"if-none-match": "*"} if replacing is None else {"if-match": f'"{replacing}"'}
        headers = kind.headers(self._headers) | condition
        try:
            self._send(Request("PutObject", "PUT", key, headers=headers, body=Body([body]), kind=kind))
        except StoreError as error:
            if error.status in (_CONDITION_FAILED if replacing is None else _REPLACEMENT_FAILED):
                return False
            raise
        return True

    def delete(self, key: str) -> None:
        """Remove an object; that there is none is no error.

        Raises:
            StoreError: the store refuses.
        """
        self._send(Request("DeleteObject", "DELETE", key))

    def close(self) -> None:
        """Release connections."""
        self._client.close()

    def _send(self, request: Request) -> Answer:
        return self._client.send(request, Cancellation())


def bucket_of(spec: Spec, *, content_type: str) -> Bucket:
    """Return the bucket that a spec names, with the credentials found here; `content_type` is that of its format.

    Raises:
        CredentialsError: there are no credentials.
        SpecError: bucket, region and endpoint make no address.
    """
    settings = settings_of(spec, content_type=content_type)
    return Bucket(s3_client(settings), settings.object_headers())


def _page(body: bytes, prefix: str) -> tuple[list[ListedObject], str]:
    """Return a listing's objects, and the token of the next page or ""."""
    try:
        # The document comes from the store that the user chose, and expat refuses the known expansion attacks.
        root = ET.fromstring(body)  # noqa: S314 - as said
    except ET.ParseError:
        root = None
    if root is None or not root.tag.endswith("ListBucketResult"):
        raise StoreError("the store's answer is no listing", operation="ListObjectsV2", key=prefix)
    space = root.tag.removesuffix("ListBucketResult")
    told = {element.tag: element.text or "" for element in root if element.tag != f"{space}Contents"}
    url_encoded = told.get(f"{space}EncodingType") == "url"
    names = tuple(f"{space}{name}" for name in ("Key", "Size", "ETag", "LastModified"))
    page = []
    for element in root.iterfind(f"{space}Contents"):
        leaves = {leaf.tag: leaf.text or "" for leaf in element}
        key, size, etag, modified = (leaves.get(name, "") for name in names)
        key = unquote_plus(key) if url_encoded else key  # AWS and MinIO write a space as +
        page.append(ListedObject(key, int(size or 0), etag.strip('"'), modified))
    is_truncated = told.get(f"{space}IsTruncated") == "true"
    return page, told.get(f"{space}NextContinuationToken", "") if is_truncated else ""
