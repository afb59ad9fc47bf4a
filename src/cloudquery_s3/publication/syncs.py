"""The syncs of a bucket, as their manifests tell them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from cloudquery_s3.publication import places
from cloudquery_s3.publication.documents import Head, read_head
from cloudquery_s3.publication.parallel import in_parallel

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloudquery_s3.spec import Spec
    from cloudquery_s3.stores.bucket import Bucket

SyncStatus: TypeAlias = Literal["published", "complete", "parts", "failed", "interrupted"]
"""What is known of a sync.

`published`: all of its parts were found complete, and a publication says so. `complete`: it has no parts, and each
source's Write is complete. `parts`: every part that is known is complete; whether all are, `publish --parts` tells.
`failed`, `interrupted`: a Write of it is, and no later one has made up for it.
"""

WHOLE: Final[frozenset[SyncStatus]] = frozenset({"published", "complete"})
"""Syncs that a reader can trust as they are."""


@dataclass(frozen=True)
class Sync:
    """One sync: all Writes with one sync id.

    Attributes:
        sync_id: the id.
        attempts: the manifests of its Writes, the retried ones included, in the order in which they began.
        publication: of the whole, where there is one.
    """

    sync_id: str
    attempts: list[Head] = field(default_factory=list)
    publication: Head | None = None

    @cached_property
    def counted(self) -> list[Head]:
        """The manifests that make up the sync, by part: of each part and its sources the last complete Write."""
        last: dict[tuple[str | None, frozenset[str]], Head] = {}
        for attempt in self.attempts:
            if attempt.is_complete:
                last[attempt.part, attempt.sources] = attempt
        return sorted(last.values(), key=lambda head: (_naturally(head.part or ""), sorted(head.sources)))

    @property
    def superseded(self) -> list[Head]:
        """The manifests whose objects no reader of this sync should read: retried or left out by its publication."""
        if self.publication is None:
            read = {head.key for head in self.counted}
        else:
            read = {manifest["key"] for manifest in self.publication.fields["manifests"]}
        return [attempt for attempt in self.attempts if attempt.key not in read]

    @cached_property
    def unresolved(self) -> list[Head]:
        """The Writes that are not complete, and that no Write of the same part and sources has made up for since."""
        return [attempt for attempt in self.attempts if not attempt.is_complete and not self._is_made_up_for(attempt)]

    def _is_made_up_for(self, failed: Head) -> bool:
        return any(
            other.part == failed.part and other.sources >= failed.sources and other.started_at >= failed.ended_at
            for other in self.counted
        )

    @property
    def parts(self) -> list[str]:
        """The parts of which a complete Write is known."""
        return sorted({head.part for head in self.counted if head.part is not None}, key=_naturally)

    @property
    def status(self) -> SyncStatus:
        """What is known of it."""
        if self.publication is not None:
            return "published"
        if self.unresolved:
            return "failed" if any(head.fields["status"] == "failed" for head in self.unresolved) else "interrupted"
        return "parts" if self.parts else "complete"

    @property
    def shown(self) -> list[Head]:
        """The documents that its totals are made of."""
        return [self.publication] if self.publication is not None else [*self.counted, *self.unresolved]

    @cached_property
    def sources(self) -> frozenset[str]:
        """Its sources, without the shard that the CLI adds to a source's name."""
        heads = [*self.attempts, *([self.publication] if self.publication else [])]
        return frozenset(
            places.whole_source(source) if head.part is not None else source
            for head in heads
            for source in head.sources
        )

    @property
    def started_at(self) -> str:
        """When its first Write began that counts."""
        return min(head.started_at for head in self.shown)

    @property
    def ended_at(self) -> str:
        """When its last Write ended."""
        return max(head.ended_at for head in [*self.shown, *self.attempts])

    def total(self, name: str) -> int:
        """Return the sum of a number of its documents, such as `rows`."""
        return sum(head.fields.get(name) or 0 for head in self.shown)


def load_syncs(bucket: Bucket, spec: Spec, sync_id: str | None = None) -> list[Sync]:
    """Return the syncs of a bucket, or one of them, the newest first.

    Raises:
        PublicationError: the spec writes no manifests, or what is at a manifest's key is none.
        StoreError: the bucket could not be read.
    """
    pattern = places.key_pattern(places.options_of(spec).path)
    listed = bucket.list(places.manifest_prefix(spec, sync_id))
    manifests = [one.key for one in listed if pattern.fullmatch(one.key)]
    prefix = places.publications_prefix(spec) if sync_id is None else places.publication_key(spec, sync_id)
    publications = [one.key for one in bucket.list(prefix) if one.key.endswith(".json")]
    keys = dict.fromkeys([*manifests, *publications])  # a sync's id may make a key that is like both
    heads = list(in_parallel(lambda key: read_head(bucket, key), keys))
    syncs = grouped(heads)
    return [sync for sync in syncs if sync_id in {None, sync.sync_id}]


def grouped(heads: Iterable[Head]) -> list[Sync]:
    """Return the syncs that these documents are of, the newest first."""
    attempts: dict[str, list[Head]] = defaultdict(list)
    publications: dict[str, Head] = {}
    for head in sorted(heads, key=lambda head: (head.started_at, head.ended_at, head.key)):
        sync_id = str(head.fields["sync_id"])
        if head.fields["kind"] == "publication":
            publications[sync_id] = head
        else:
            attempts[sync_id].append(head)
    ids = {*attempts, *publications}
    syncs = [Sync(sync_id, attempts.get(sync_id, []), publications.get(sync_id)) for sync_id in ids]
    return sorted(syncs, key=lambda sync: (sync.started_at, sync.sync_id), reverse=True)


def _naturally(part: str) -> tuple[int, int, str]:
    """Order numbers by their value, before all other names."""
    return (0, int(part), part) if part.isdecimal() else (1, 0, part)
