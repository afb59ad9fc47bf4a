"""Manifests and publications as they are read: whole, or only what stands before their tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import orjson

from cloudquery_s3.errors import PublicationError
from cloudquery_s3.publication.manifest import MANIFEST_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloudquery_s3.stores.bucket import Bucket

Document: TypeAlias = dict[str, Any]
"""A manifest or a publication, as docs/manifest.schema.json describes it."""

_HEAD_BYTES: Final = 8 * 1024
_SCHEMAS: Final = b',"schemas":'
"""What ends the part of a document that tells all but its tables. A quote inside a text has a backslash before it, so
that no text can hold these bytes."""

_REQUIRED: Final = ("kind", "status", "sync_id", "sources", "started_at", "ended_at", "rows", "bytes", "objects")


@dataclass(frozen=True, slots=True)
class Head:
    """What a document says before its tables.

    Attributes:
        key: where the document is.
        etag: its entity tag.
        fields: all of it but `schemas` and `tables`.
    """

    key: str
    etag: str
    fields: Document

    @property
    def is_complete(self) -> bool:
        """Whether every row of its Write is in its entries."""
        return bool(self.fields["status"] == "complete")

    @property
    def part(self) -> str | None:
        """The shard that its Write was."""
        part: str | None = self.fields.get("part")
        return part

    @property
    def sources(self) -> frozenset[str]:
        """The sources of its rows."""
        return frozenset(self.fields["sources"])

    @property
    def started_at(self) -> str:
        """When it began."""
        return str(self.fields["started_at"])

    @property
    def ended_at(self) -> str:
        """When it ended."""
        return str(self.fields["ended_at"])


def read_head(bucket: Bucket, key: str) -> Head:
    """Return what a document says before its tables, for the price of its first 8 KiB.

    Raises:
        ObjectNotFoundError: there is none.
        PublicationError: it is no such document, or of a newer version than this program knows.
        StoreError: it could not be read.
    """
    start = bucket.get(key, first=_HEAD_BYTES)
    end = start.body.find(_SCHEMAS)
    if end >= 0:
        return Head(key, start.etag, _checked(key, start.body[:end] + b"}"))
    whole = bucket.get(key)
    fields = _checked(key, whole.body)
    return Head(key, whole.etag, {name: value for name, value in fields.items() if name not in {"schemas", "tables"}})


def read_document(bucket: Bucket, key: str) -> Document:
    """Return a whole document.

    Raises:
        ObjectNotFoundError: there is none.
        PublicationError: it is no such document, or of a newer version than this program knows.
        StoreError: it could not be read.
    """
    return parsed_document(key, bucket.get(key).body)


def parsed_document(key: str, body: bytes) -> Document:
    """Return the document that these bytes are.

    Raises:
        PublicationError: they are none, or one of a newer version than this program knows.
    """
    document = _checked(key, body)
    if not isinstance(document.get("tables"), dict):
        raise PublicationError(f"{key}: is no manifest: it has no tables")
    return document


def entries_of(document: Document) -> Iterator[tuple[str, Document]]:
    """Yield each entry of a document, with its table."""
    for name, table in document["tables"].items():
        for entry in table["entries"] or ():
            yield name, entry


def _checked(key: str, body: bytes) -> Document:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise PublicationError(f"{key}: is no manifest: not JSON ({error.msg} at byte {error.pos})") from None
    version = document.get("manifest_version") if isinstance(document, dict) else None
    if version != MANIFEST_VERSION:
        known = f"this program reads version {MANIFEST_VERSION}"
        raise PublicationError(f"{key}: is no manifest that can be read: its version is {str(version)[:40]}, {known}")
    missing = [name for name in _REQUIRED if name not in document]
    if missing:
        raise PublicationError(f"{key}: is no manifest: it has no {', '.join(missing)}")
    return dict(document)
