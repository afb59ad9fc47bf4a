"""Holding the bucket against its manifests."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from cloudquery_s3.errors import ObjectNotFoundError, PublicationError
from cloudquery_s3.publication import places
from cloudquery_s3.publication.deep import UncountableError, count_rows
from cloudquery_s3.publication.documents import entries_of, read_document
from cloudquery_s3.publication.inspection import difference, expectation, inspect
from cloudquery_s3.publication.parallel import in_parallel
from cloudquery_s3.publication.syncs import load_syncs
from cloudquery_s3.spec import CsvSpec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cloudquery_s3.publication.documents import Document, Head
    from cloudquery_s3.publication.inspection import Fault
    from cloudquery_s3.publication.progress import Progress
    from cloudquery_s3.spec import Spec
    from cloudquery_s3.stores.bucket import Bucket

FindingKind: TypeAlias = Literal["missing", "altered", "replaced", "unlisted"]
"""What can be said of an object that is not as a manifest says, or of which none says anything.

`missing`: a manifest lists it, and it is not there. `altered`: another object is at its key. `replaced`: likewise, but
a later manifest lists the one that is there. `unlisted`: no manifest lists it; its sync was killed, or still runs.
"""

FAULTS: Final[frozenset[FindingKind]] = frozenset({"missing", "altered"})
"""What should not be."""

_READ_AHEAD: Final = 8
_TEST_TABLES: Final = ("TEST_TABLE", "TEST-TABLE")


@dataclass(frozen=True, slots=True)
class Finding:
    """An object that something is to be said of.

    Attributes:
        kind: what.
        key: where it is, or should be.
        why: the same in words.
    """

    kind: FindingKind
    key: str
    why: str


@dataclass(slots=True)
class Verification:
    """What was found.

    Attributes:
        syncs: how many were looked at.
        objects: how many of their objects.
        size_bytes: what these have together, by their manifests.
        rows: likewise.
        findings: what is to be said, by key.
        is_deep: whether rows were counted.
    """

    syncs: int = 0
    objects: int = 0
    size_bytes: int = 0
    rows: int = 0
    findings: list[Finding] = field(default_factory=list)
    is_deep: bool = False

    def counts(self) -> dict[FindingKind, int]:
        """Return how many findings there are of each kind."""
        counted = Counter(finding.kind for finding in self.findings)
        kinds: tuple[FindingKind, ...] = ("missing", "altered", "replaced", "unlisted")
        return {kind: counted[kind] for kind in kinds}


def verify(bucket: Bucket, spec: Spec, *, sync_id: str | None, deep: bool, progress: Progress) -> Verification:
    """Look for every object that a manifest lists; without a sync's id also for objects that none lists.

    Args:
        bucket: what is looked at.
        spec: that wrote it.
        sync_id: the sync to verify; None is all of them.
        deep: whether the rows of each object are counted as well.
        progress: is told of the reading.

    Raises:
        PublicationError: there is no such sync, or a manifest cannot be read.
        StoreError: the bucket could not be read.
    """
    syncs = load_syncs(bucket, spec, sync_id)
    if sync_id is not None and not syncs:
        raise PublicationError(f"sync {sync_id} has no manifest here: it has not ended, was killed, or never was")
    run = _Verifier(bucket, spec, progress, deep=deep)
    run.read(head for sync in syncs for head in [*sync.attempts, *([sync.publication] if sync.publication else [])])
    if sync_id is not None and run.has_fixed_keys:
        own_end = syncs[0].ended_at
        run.read_later(head for sync in load_syncs(bucket, spec) for head in sync.attempts if head.ended_at > own_end)
    run.look(everything=sync_id is None)
    if deep:
        run.count()
    run.result.syncs = len(syncs)
    run.result.findings.sort(key=lambda finding: (finding.key, finding.kind))
    return run.result


class _Verifier:
    """Gathers what should be there, the newest of what was written to each key, and then looks for it."""

    def __init__(self, bucket: Bucket, spec: Spec, progress: Progress, *, deep: bool) -> None:
        self.result = Verification(is_deep=deep)
        self.has_fixed_keys = False
        self._bucket = bucket
        self._spec = spec
        self._progress = progress
        self._expected: dict[str, str] = {}
        self._replaced: dict[str, str] = {}
        self._countable: dict[str, tuple[Document, Document]] = {}

    def read(self, heads: Iterable[Head]) -> None:
        """Take note of what these documents list."""
        for head, document in self._documents(heads):
            self.has_fixed_keys = self.has_fixed_keys or "{{UUID}}" not in document["path"]
            formats = {name: document[name] for name in ("format", "compression")}
            for _, entry in entries_of(document):
                key, known = entry["key"], expectation(entry)
                if key not in self._expected:
                    self.result.objects += 1
                    self.result.size_bytes += entry["meta"]["content_length"]
                    self.result.rows += entry["meta"]["record_count"]
                elif self._expected[key] != known:
                    self._replaced[key] = head.key
                self._expected[key] = known
                if self.result.is_deep:
                    self._countable[key] = (entry, formats)

    def read_later(self, heads: Iterable[Head]) -> None:
        """Note which keys later syncs have written to."""
        for head, document in self._documents(heads):
            for _, entry in entries_of(document):
                key, known = entry["key"], expectation(entry)
                if self._expected.get(key, known) != known:
                    self._expected[key] = known
                    self._replaced[key] = head.key
                    self._countable.pop(key, None)

    def look(self, *, everything: bool) -> None:
        """Find what is missing, altered or replaced, and with `everything` also what no manifest lists."""
        remaining = dict(self._expected)
        if everything:
            self._look_at_all(remaining)
        for fault in inspect(self._bucket, remaining, self._progress):
            self._note_fault(fault)
        for key, by in self._replaced.items():
            self._note("replaced", key, f"a later Write has written to this key, says {by}")

    def count(self) -> None:
        """Count the rows of every object that is there as it was written."""
        faulty = {finding.key for finding in self.result.findings if finding.kind in FAULTS}
        entries = [known for key, known in self._countable.items() if key not in faulty]
        self._progress.begin("counting rows", len(entries))
        details = self._spec.format_spec
        has_header = not (isinstance(details, CsvSpec) and details.skip_header)
        for finding in in_parallel(partial(self._counted_finding, has_header=has_header), entries):
            self.result.findings += [finding] if finding else []
            self._progress.advance()

    def _documents(self, heads: Iterable[Head]) -> Iterator[tuple[Head, Document]]:
        """Yield documents, the oldest first: what the newest says of a key is what should be there."""
        ordered = sorted(heads, key=lambda head: (head.ended_at, head.fields["kind"] == "publication"))
        self._progress.begin("reading manifests", len(ordered))
        documents = in_parallel(lambda head: read_document(self._bucket, head.key), ordered, threads=_READ_AHEAD)
        for head, document in zip(ordered, documents, strict=True):
            yield head, document
            self._progress.advance()

    def _look_at_all(self, remaining: dict[str, str]) -> None:
        """Go through all objects under the path, and take those from `remaining` that were seen."""
        pattern = places.key_pattern(self._spec.path, file_format=self._spec.file_format)
        self._progress.begin("listing objects")
        for listed in self._bucket.list(places.fixed_start(self._spec.path)):
            self._progress.advance()
            known = remaining.pop(listed.key, None)
            if known is not None:
                size_bytes, etag = listed.size_bytes, listed.etag
                fault = difference(self._bucket, listed.key, known, size_bytes=size_bytes, etag=etag)
                if fault is not None:
                    self._note_fault(fault)
            elif pattern.fullmatch(listed.key) and not any(name in listed.key for name in _TEST_TABLES):
                when = f"written {listed.modified}, {listed.size_bytes} bytes"
                self._note("unlisted", listed.key, f"no manifest lists it: {when}")

    def _note_fault(self, fault: Fault) -> None:
        self._replaced.pop(fault.key, None)
        self._note(fault.kind, fault.key, fault.why)

    def _note(self, kind: FindingKind, key: str, why: str) -> None:
        self.result.findings.append(Finding(kind, key, why))

    def _counted_finding(self, known: tuple[Document, Document], *, has_header: bool) -> Finding | None:
        entry, formats = known
        rows = entry["meta"]["record_count"]
        try:
            counted = count_rows(self._bucket, entry, formats, has_header=has_header)
        except UncountableError as error:
            return Finding("altered", entry["key"], str(error))
        except ObjectNotFoundError:
            return Finding("missing", entry["key"], "it has vanished meanwhile")
        return None if counted == rows else Finding("altered", entry["key"], f"it has {counted} rows, not {rows}")
