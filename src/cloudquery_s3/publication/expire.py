"""Deleting what no reader needs any more, by manifest alone."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from cloudquery_s3.errors import PublicationError
from cloudquery_s3.publication import places
from cloudquery_s3.publication.documents import entries_of, parsed_document, read_document
from cloudquery_s3.publication.inspection import expectation, inspect
from cloudquery_s3.publication.parallel import in_parallel
from cloudquery_s3.publication.progress import NoProgress
from cloudquery_s3.publication.syncs import WHOLE, load_syncs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cloudquery_s3.publication.documents import Document, Head
    from cloudquery_s3.publication.progress import Progress
    from cloudquery_s3.publication.syncs import Sync
    from cloudquery_s3.spec import Spec
    from cloudquery_s3.stores.bucket import Bucket

Reason: TypeAlias = Literal["old", "incomplete", "superseded"]
"""Why something goes: newer whole syncs are kept; it was never whole; or another Write of its sync counts instead."""

_READ_AHEAD: Final = 8


@dataclass(frozen=True, slots=True)
class Expiry:
    """What goes of a sync.

    Attributes:
        sync: the sync.
        reason: why.
        documents: the manifests and publications that go, with the objects that they list.
    """

    sync: Sync
    reason: Reason
    documents: list[Head]

    def total(self, name: str) -> int:
        """Return the sum of a number of its manifests, such as `bytes`."""
        return sum(head.fields[name] for head in self.documents if head.fields["kind"] == "write")


@dataclass(slots=True)
class Deleted:
    """What was deleted: objects and documents; and keys that stayed, since another sync has written to them too."""

    objects: int = 0
    documents: int = 0
    shared: set[str] = field(default_factory=set)


def expiries(
    syncs: list[Sync], *, keep: int | None, before: str | None, told: frozenset[str] = frozenset()
) -> list[Expiry]:
    """Return what goes, the newest first. Pure.

    Of each set of sources the newest whole sync always stays, and with `keep` so does every sync that is not whole and
    for whose sources no whole one began after its end: it may still run. A Write that a later one of its sync has made
    up for goes with either rule, once its sync is whole.

    Args:
        syncs: those of the bucket, the newest first.
        keep: how many whole syncs of each set of sources stay; at least 1.
        before: syncs that ended before this moment go, as manifests write moments. One of the two is given.
        told: the ids of syncs that stay since a latest document tells readers of them.
    """
    ranks: dict[frozenset[str], int] = defaultdict(int)
    found: list[Expiry] = []
    newest: list[Sync] = []
    for sync in syncs:
        documents = [*sync.attempts, *([sync.publication] if sync.publication else [])]
        if sync.status in WHOLE:
            rank = ranks[sync.sources]
            ranks[sync.sources] += 1
            newest += [sync] if rank == 0 else []
            if (
                rank
                and sync.sync_id not in told
                and _is_old(sync, before=before, beyond=keep is not None and rank >= keep)
            ):
                found.append(Expiry(sync, "old", documents))
            elif sync.superseded:
                found.append(Expiry(sync, "superseded", sync.superseded))
        elif _is_old(sync, before=before, beyond=keep is not None and _is_behind(sync, newest)):
            found.append(Expiry(sync, "incomplete", documents))
    return found


def _is_old(sync: Sync, *, before: str | None, beyond: bool) -> bool:
    return beyond if before is None else sync.ended_at < before


def _is_behind(sync: Sync, newest: list[Sync]) -> bool:
    """Tell whether a whole sync of the same sources, or more, began after this one had ended."""
    return any(other.sources >= sync.sources and other.started_at > sync.ended_at for other in newest)


def load_expiries(bucket: Bucket, spec: Spec, *, keep: int | None, before: str | None) -> list[Expiry]:
    """Return what goes from a bucket; see `expiries`.

    Raises:
        PublicationError: the spec writes no manifests, or what is at a manifest's key is none; or Iceberg tables, which
            manifests know nothing of, have the objects.
        StoreError: the bucket could not be read.
    """
    if spec.iceberg is not None:
        raise PublicationError(
            "the objects are those of Iceberg tables, which would lose them: let the catalogue expire snapshots instead"
        )
    syncs = load_syncs(bucket, spec)
    return expiries(syncs, keep=keep, before=before, told=_told(bucket, spec, syncs))


def _told(bucket: Bucket, spec: Spec, syncs: list[Sync]) -> frozenset[str]:
    sources = {source for sync in syncs for source in sync.sources}
    found = [(key, bucket.find(key)) for key in places.latest_keys(spec, sources)]
    return frozenset(parsed_document(key, one.body)["sync_id"] for key, one in found if one is not None)


def delete(bucket: Bucket, spec: Spec, found: list[Expiry], progress: Progress) -> Deleted:
    """Delete the objects that these documents list, and the documents.

    Publications go first, so that nobody reads a sync that is half gone, and each manifest goes after its objects, so
    that the same call again finishes what was interrupted. An object stays if a sync that stays lists it, or if it is
    another one than was listed at its fixed key.

    Raises:
        PublicationError: a manifest lists objects of another bucket.
        StoreError: the store refuses.
    """
    deleted = Deleted()
    going = [head for expiry in found for head in expiry.documents]
    kept = _kept_keys(bucket, spec, going, progress)
    progress.begin("deleting objects", sum(expiry.total("objects") for expiry in found))
    for head in sorted(going, key=lambda head: head.fields["kind"] != "publication"):
        entries = _entries(bucket, spec, head)
        if head.fields["kind"] == "publication":  # what the publication has added itself: no manifest has it
            entries = [entry for entry in entries if not entry["meta"]["record_count"]]
        kept |= _rewritten(bucket, head, entries)
        _delete_objects(bucket, {entry["key"] for entry in entries}, kept, deleted, progress)
        bucket.delete(head.key)
        deleted.documents += 1
    return deleted


def _delete_objects(bucket: Bucket, keys: set[str], kept: set[str], deleted: Deleted, progress: Progress) -> None:
    deleted.shared |= keys & kept
    for _ in in_parallel(bucket.delete, sorted(keys - kept)):
        deleted.objects += 1
        progress.advance()


def _kept_keys(bucket: Bucket, spec: Spec, going: list[Head], progress: Progress) -> set[str]:
    """Return the keys that documents list which stay, where keys can be written twice at all."""
    if all("{{UUID}}" in head.fields["path"] for head in going):
        return set()
    gone = {head.key for head in going}
    staying = [head for sync in load_syncs(bucket, spec) for head in sync.attempts if head.key not in gone]
    progress.begin("reading manifests", len(staying))
    keys: set[str] = set()
    for found in in_parallel(lambda head: {entry["key"] for entry in _entries(bucket, spec, head)}, staying):
        keys |= found
        progress.advance()
    return keys


def _rewritten(bucket: Bucket, head: Head, entries: Iterable[Document]) -> set[str]:
    """Return the fixed keys that hold another object by now: of a sync that still runs, and has no manifest yet."""
    if "{{UUID}}" in head.fields["path"]:
        return set()
    expected = {entry["key"]: expectation(entry) for entry in entries}
    return {fault.key for fault in inspect(bucket, expected, NoProgress()) if fault.kind == "altered"}


def _entries(bucket: Bucket, spec: Spec, head: Head) -> Iterable[Document]:
    return [entry for _, entry in _of_this_bucket(head, spec, read_document(bucket, head.key))]


def _of_this_bucket(head: Head, spec: Spec, document: Document) -> Iterator[tuple[str, Document]]:
    if document["bucket"] != spec.bucket:
        raise PublicationError(f"{head.key}: lists objects of bucket {document['bucket']}, not of {spec.bucket}")
    return entries_of(document)
