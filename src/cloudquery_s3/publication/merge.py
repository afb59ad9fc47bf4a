"""The publication of a sync: from the manifests of its parts to one document. Pure.

The same manifests make the same bytes, whoever publishes and when.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import orjson

from cloudquery_s3.publication.manifest import MANIFEST_VERSION, PLUGIN, place

if TYPE_CHECKING:
    from cloudquery_s3.publication.documents import Document, Head
    from cloudquery_s3.publication.syncs import Sync
    from cloudquery_s3.spec import Spec

MAX_ENTRIES: Final = 10_000
"""A publication of more objects than that leaves them to its manifests: no reader wants a document of 300 MB."""


@dataclass(slots=True)
class MergedTable:
    """What all parts have written of a table."""

    rows: int = 0
    size_bytes: int = 0
    objects: int = 0
    altered: Counter[str] = field(default_factory=Counter)
    schema_id: str | None = None
    entries: list[Document] = field(default_factory=list)
    """Of the parts, as long as there are few in all."""

    own_entries: list[Document] = field(default_factory=list)
    """Of objects that the publication itself has added: no manifest has them."""


class Merger:
    """Takes the manifests that make up a sync one by one, and keeps totals, schemas and few entries of each."""

    def __init__(self, sync: Sync, spec: Spec) -> None:
        self.tables: dict[str, MergedTable] = {}
        self.schemas: dict[str, Any] = {}
        self._sync = sync
        self._spec = spec
        self._manifests: list[Document] = []
        self._entries = 0

    def add(self, head: Head, document: Document) -> None:
        """Take a manifest."""
        self._manifests.append(
            {
                "url": f"s3://{self._spec.bucket}/{head.key}",
                "key": head.key,
                "etag": head.etag,
                "attempt_id": head.fields["attempt_id"],
                "part": head.part,
                **{name: head.fields[name] for name in ("rows", "bytes", "objects")},
            }
        )
        self.schemas.update(document["schemas"])
        for name, table in document["tables"].items():
            merged = self.tables.setdefault(name, MergedTable())
            merged.rows += table["rows"]
            merged.size_bytes += table["bytes"]
            merged.objects += table["objects"]
            merged.altered.update(table["altered"])
            merged.schema_id = table["schema"] or merged.schema_id
            merged.entries += table["entries"]
        self._entries += head.fields["objects"]
        if self._entries > MAX_ENTRIES:
            for merged in self.tables.values():
                merged.entries = []

    def add_object(self, table: str, entry: Document) -> None:
        """Take an object that the publication itself has written."""
        merged = self.tables[table]
        merged.own_entries.append(entry)
        merged.objects += 1
        merged.size_bytes += entry["meta"]["content_length"]

    def document(self) -> bytes:
        """Return the publication as JSON, in UTF-8, on one line."""
        heads = self._sync.counted
        tables = self.tables.values()
        return orjson.dumps(
            {
                "manifest_version": MANIFEST_VERSION,
                "kind": "publication",
                "status": "complete",
                "error": None,
                "sync_id": self._sync.sync_id,
                "parts": self._sync.parts or None,
                "sources": sorted(self._sync.sources),
                "sync_times": _distinct(heads, "sync_times"),
                "sync_group_ids": _distinct(heads, "sync_group_ids"),
                "plugin": PLUGIN,
                "started_at": min(head.started_at for head in heads),
                "ended_at": max(head.ended_at for head in heads),
                **place(self._spec),
                "rows": sum(table.rows for table in tables),
                "bytes": sum(table.size_bytes for table in tables),
                "objects": sum(table.objects for table in tables),
                "retries": sum(head.fields["retries"] for head in heads),
                "altered_cells": sum(head.fields["altered_cells"] for head in heads),
                "manifests": self._manifests,
                "schemas": dict(sorted(self.schemas.items())),
                "tables": {name: self._table(table) for name, table in sorted(self.tables.items())},
            }
        )

    def _table(self, table: MergedTable) -> Document:
        whole = self._entries <= MAX_ENTRIES
        return {
            "status": "complete",
            "error": None,
            "rows": table.rows,
            "bytes": table.size_bytes,
            "objects": table.objects,
            "altered": dict(table.altered),
            "schema": table.schema_id,
            "entries": [*table.entries, *table.own_entries] if whole or table.own_entries else None,
        }


def _distinct(heads: list[Head], name: str) -> list[str]:
    return sorted({value for head in heads for value in head.fields[name]})
