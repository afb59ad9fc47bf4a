"""What a Write brought into the bucket: counted as the store acknowledges it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloudquery_s3.stores.object_store import StoredObject


@dataclass(slots=True)
class TableReport:
    """One table's share.

    Attributes:
        rows: rows in acknowledged objects.
        objects: the acknowledged objects, in the order of their acknowledgement.
        size_bytes: their size together.
        retries: requests that were sent again for them.
        altered: cells that were not written as they came, by column and reason.
    """

    rows: int = 0
    objects: list[StoredObject] = field(default_factory=list)
    size_bytes: int = 0
    retries: int = 0
    altered: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, stored: StoredObject, rows: int, altered: Counter[tuple[str, str]]) -> None:
        """Count an object that the store has acknowledged."""
        self.rows += rows
        self.objects.append(stored)
        self.size_bytes += stored.size_bytes
        self.retries += stored.retries
        self.altered.update(altered)


@dataclass(slots=True)
class SyncReport:
    """All tables of one Write, by name."""

    tables: dict[str, TableReport] = field(default_factory=dict)

    def table(self, name: str) -> TableReport:
        """Return the table's report, begun if need be."""
        return self.tables.setdefault(name, TableReport())

    def totals(self) -> dict[str, int]:
        """Return the figures of all tables together, for the log."""
        reports = self.tables.values()
        return {
            "tables": len(self.tables),
            "rows": sum(report.rows for report in reports),
            "objects": sum(len(report.objects) for report in reports),
            "bytes": sum(report.size_bytes for report in reports),
            "retries": sum(report.retries for report in reports),
            "altered_cells": sum(report.altered.total() for report in reports),
        }
