"""Publishing a sync: once all of its parts are complete and in the bucket, one document says so."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import pyarrow as pa
from pybase64 import b64decode

from cloudquery_s3.errors import PublicationError
from cloudquery_s3.formats import make_format
from cloudquery_s3.formats.encoder import Alterations
from cloudquery_s3.publication import places
from cloudquery_s3.publication.amounts import counted
from cloudquery_s3.publication.documents import entries_of, parsed_document, read_document
from cloudquery_s3.publication.inspection import expectation, inspect
from cloudquery_s3.publication.merge import Merger
from cloudquery_s3.publication.parallel import in_parallel
from cloudquery_s3.publication.syncs import Sync, load_syncs

if TYPE_CHECKING:
    from cloudquery_s3.publication.documents import Document, Head
    from cloudquery_s3.publication.progress import Progress
    from cloudquery_s3.spec import Spec
    from cloudquery_s3.stores.bucket import Bucket
    from cloudquery_s3.stores.object_store import ObjectKind

LatestOutcome: TypeAlias = Literal["written", "unchanged", "newer"]
"""What became of a latest document: it is this sync's now, or was already, or is of a newer sync and stays."""

_ATTEMPTS: Final = 10
_READ_AHEAD: Final = 8
_SHOWN: Final = 10


@dataclass(frozen=True, slots=True)
class Outcome:
    """What publishing has done.

    Attributes:
        key: of the publication.
        created: whether this call has written it; False where it was there already.
        document: the publication.
        latest: what became of each latest document, by key.
    """

    key: str
    created: bool
    document: Document
    latest: dict[str, LatestOutcome] = field(default_factory=dict)


def publish(bucket: Bucket, spec: Spec, *, sync_id: str, parts: int | None, progress: Progress) -> Outcome:
    """Write a sync's publication, unless there is one, and tell it as the latest sync, unless there is a newer one.

    What is published never changes: the document is created, not replaced, and the same call again changes nothing.

    Args:
        bucket: where the sync's manifests and objects are.
        spec: that wrote them.
        sync_id: the sync.
        parts: how many parts it was written in; None where it was written in one.
        progress: is told of the reading.

    Raises:
        PublicationError: a part is missing or not complete, or an object is not as its manifest says.
        StoreError: the bucket could not be read, or the document not be written.
    """
    key = places.publication_key(spec, sync_id)
    found = bucket.find(key)
    created = False
    if found is None:
        body = _merged(bucket, spec, _whole_sync(bucket, spec, sync_id, parts), progress)
        created = bucket.put(key, body, kind=places.PUBLICATION)
        found = bucket.get(key)  # where another publication came first, or an answer was lost, this is what counts
        created = created or found.body == body
    document = parsed_document(key, found.body)
    if parts is not None and len(document["parts"] or ()) != parts:
        known = ", ".join(document["parts"] or ()) or "none"
        raise PublicationError(f"sync {sync_id} is published already, with other parts than {parts}: {known}")
    latest = {
        latest_key: _tell_latest(bucket, latest_key, found.body, document, kind=places.latest_kind(spec))
        for latest_key in places.latest_keys(spec, document["sources"])
    }
    return Outcome(key, created, document, latest)


def _whole_sync(bucket: Bucket, spec: Spec, sync_id: str, parts: int | None) -> Sync:
    """Return a sync of which all parts are complete, as far as manifests tell.

    Raises:
        PublicationError: they are not.
    """
    sync = next(iter(load_syncs(bucket, spec, sync_id)), None)
    if sync is None:
        raise PublicationError(f"sync {sync_id} has no manifest here: it has not ended, was killed, or never was")
    if sync.unresolved:
        which = "; ".join(_described(head) for head in sync.unresolved[:_SHOWN])
        raise PublicationError(f"sync {sync_id} is not complete: {which}")
    _require_parts(sync, parts)
    for head in sync.counted:
        for name in ("path", "format", "bucket"):
            if head.fields.get(name) != getattr(spec, name):
                raise PublicationError(
                    f"{head.key}: is of another destination, whose {name} is not this spec's: give each destination a "
                    "`manifest.path` of its own"
                )
    return sync


def _require_parts(sync: Sync, parts: int | None) -> None:
    known = ", ".join(sync.parts) or "none"
    if parts is None and sync.parts:
        raise PublicationError(
            f"sync {sync.sync_id} was written in parts ({known}): say with --parts how many there must be"
        )
    if parts is None:
        return
    if any(head.part is None for head in sync.counted):
        raise PublicationError(f"sync {sync.sync_id} has Writes without a part beside those with one ({known})")
    if len(sync.parts) != parts:
        complete = counted(len(sync.parts), "complete part")
        raise PublicationError(f"sync {sync.sync_id} has {complete} of {parts}: {known}")


def _described(head: Head) -> str:
    part = "" if head.part is None else f"part {head.part} "
    error = head.fields.get("error")
    return f"{part}{head.fields['status']}{f' ({error})' if error else ''}, says {head.key}"


def _merged(bucket: Bucket, spec: Spec, sync: Sync, progress: Progress) -> bytes:
    """Return a sync's publication, once each of its objects was found as its manifest says."""
    merger = Merger(sync, spec)
    expected: dict[str, str] = {}
    progress.begin("reading manifests", len(sync.counted))
    documents = in_parallel(lambda head: read_document(bucket, head.key), sync.counted, threads=_READ_AHEAD)
    for head, document in zip(sync.counted, documents, strict=True):
        for _, entry in entries_of(document):
            if expected.setdefault(entry["key"], (known := expectation(entry))) != known:
                raise PublicationError(
                    f"{entry['key']}: two parts have written to this key; put {{{{UUID}}}} into path"
                )
        merger.add(head, document)
        progress.advance()
    faults = inspect(bucket, expected, progress)
    if faults:
        shown = "; ".join(f"{fault.key}: {fault.kind}, {fault.why}" for fault in islice(faults, _SHOWN))
        more = f"; and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
        raise PublicationError(f"sync {sync.sync_id}: not as written: {counted(len(faults), 'object')}: {shown}{more}")
    _add_empty_objects(bucket, spec, sync, merger)
    return merger.document()


def _add_empty_objects(bucket: Bucket, spec: Spec, sync: Sync, merger: Merger) -> None:
    """Write the objects of tables without rows, where the spec wants them and the parts have left them to this.

    A table is empty only if it is so in every part. The keys depend on the sync alone, so that a publication that was
    interrupted writes the same objects when it is repeated.
    """
    if not (sync.parts and spec.write_empty_objects_for_empty_tables):
        return
    template = spec.path_template(sync_id=sync.sync_id)
    ended = datetime.fromisoformat(max(head.ended_at for head in sync.counted))
    for name, table in sorted(merger.tables.items()):
        if table.objects or table.schema_id is None:
            continue
        file_id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{sync.sync_id}/{name}"))
        key = template.render(name, file_id=file_id, now=ended)
        schema = pa.ipc.read_schema(pa.py_buffer(b64decode(merger.schemas[table.schema_id]["arrow_ipc"])))
        body = b"".join(bytes(chunk) for chunk in make_format(spec).encoder(schema, Alterations()).finish().chunks)
        if not bucket.put(key, body) and bucket.get(key).body != body:
            raise PublicationError(f"{key}: another object is where that of the empty table {name} goes")
        head = bucket.head(key)
        merger.add_object(
            name,
            {
                "url": f"s3://{spec.bucket}/{key}",
                "mandatory": True,
                "meta": {"content_length": len(body), "record_count": 0},
                "key": key,
                "etag": "" if head is None else head.etag,
                "checksum": None,
                "schema": table.schema_id,
                "partition": {},
            },
        )


def _tell_latest(bucket: Bucket, key: str, body: bytes, document: Document, *, kind: ObjectKind) -> LatestOutcome:
    """Put a publication at the latest key, unless a newer sync is told there: by compare-and-swap.

    Raises:
        PublicationError: others keep changing it, or the store does not compare entity tags as S3 does.
    """
    refused: set[str | None] = set()
    for _ in range(_ATTEMPTS):
        found = bucket.find(key)
        if found is not None and found.body == body:
            return "unchanged"
        if found is not None and _is_newer(parsed_document(key, found.body), document):
            return "newer"
        replacing = found.etag if found else None
        if bucket.put(key, body, replacing=replacing, kind=kind):
            return "written"
        refused.add(replacing)
    if len(refused) == 1:
        raise PublicationError(
            f"{key}: the store refuses to replace this object although nobody has changed it: it does not compare "
            "If-Match as S3 does; remove the object, and publish again"
        )
    raise PublicationError(f"{key}: others change it all the time; publish again")


def _is_newer(there: Document, document: Document) -> bool:
    """Tell whether a document is of a sync that began later; of the same sync, the publication counts more."""
    same = there["sync_id"] == document["sync_id"]
    return not same and bool(there["started_at"] > document["started_at"])
