"""What the report shows, out of the manifests."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from cloudquery_s3.errors import PublicationError
from cloudquery_s3.publication.documents import entries_of, read_document
from cloudquery_s3.publication.parallel import in_parallel
from cloudquery_s3.publication.syncs import load_syncs

if TYPE_CHECKING:
    from cloudquery_s3.publication.documents import Document, Head
    from cloudquery_s3.publication.progress import Progress
    from cloudquery_s3.publication.syncs import Sync
    from cloudquery_s3.spec import Spec
    from cloudquery_s3.stores.bucket import Bucket

KIB: Final = 1024
SIZE_STEPS: Final = (0, 64 * KIB, 256 * KIB, KIB**2, 4 * KIB**2, 16 * KIB**2, 64 * KIB**2, 256 * KIB**2, KIB**3)
"""Where each class of object sizes begins, in bytes; the last has no end."""

LAST_SYNCS: Final = 30
_READ_AHEAD: Final = 8


@dataclass(slots=True)
class TableFigures:
    """One table of the sync that is shown."""

    name: str
    rows: int = 0
    size_bytes: int = 0
    objects: int = 0
    altered: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Figures:
    """What the report shows.

    Attributes:
        bucket: its name.
        path: the template of the objects' keys.
        sync: the one that is shown.
        last: the newest syncs of its sources, or those up to it where it is older, the oldest first.
        tables: by bytes, the largest first.
        sizes: how many objects there are of each class of `SIZE_STEPS`.
        median_bytes: half of the objects are smaller; 0 where there is none.
        errors: what ended Writes of the sync early.
    """

    bucket: str
    path: str
    sync: Sync
    last: list[Sync]
    tables: list[TableFigures] = field(default_factory=list)
    sizes: list[int] = field(default_factory=lambda: [0] * len(SIZE_STEPS))
    median_bytes: int = 0
    errors: list[str] = field(default_factory=list)


def gather(bucket: Bucket, spec: Spec, *, sync_id: str | None, progress: Progress) -> Figures:
    """Read what the report shows of one sync; None is the newest.

    Raises:
        PublicationError: there is no such sync, or a manifest cannot be read.
        StoreError: the bucket could not be read.
    """
    syncs = load_syncs(bucket, spec)
    shown = [sync for sync in syncs if sync_id in {None, sync.sync_id}]
    if not shown:
        what = f"sync {sync_id} has no manifest here" if sync_id else "there are no manifests here yet"
        raise PublicationError(f"{what}: there is nothing to report")
    sync = shown[0]
    last = [one for one in syncs if one is sync or not one.sources or one.sources & sync.sources]
    newer = last.index(sync)
    figures = Figures(spec.bucket, spec.path, sync, last[max(0, newer - LAST_SYNCS + 1) :][:LAST_SYNCS][::-1])
    heads = [*sync.counted, *sync.unresolved] or sync.shown
    progress.begin("reading manifests", len(heads))
    tables: dict[str, TableFigures] = {}
    sizes: list[int] = []
    documents = in_parallel(lambda head: read_document(bucket, head.key), heads, threads=_READ_AHEAD)
    for head, document in zip(heads, documents, strict=True):
        _add(figures, tables, head, document)
        sizes += [entry["meta"]["content_length"] for _, entry in entries_of(document)]
        progress.advance()
    figures.tables = sorted(tables.values(), key=lambda table: (-table.size_bytes, table.name))
    figures.sizes = _classes(sizes)
    figures.median_bytes = sorted(sizes)[len(sizes) // 2] if sizes else 0
    return figures


def _add(figures: Figures, tables: dict[str, TableFigures], head: Head, document: Document) -> None:
    if document["error"]:
        part = "" if head.part is None else f"part {head.part}: "
        figures.errors.append(f"{part}{document['error']}")
    for name, table in document["tables"].items():
        known = tables.setdefault(name, TableFigures(name))
        known.rows += table["rows"]
        known.size_bytes += table["bytes"]
        known.objects += table["objects"]
        known.altered.update(table["altered"])
        known.errors += [table["error"]] if table["error"] else []


def _classes(sizes: list[int]) -> list[int]:
    ends = [*SIZE_STEPS[1:], float("inf")]
    return [sum(start <= size < end for size in sizes) for start, end in zip(SIZE_STEPS, ends, strict=True)]
