"""What a Write brought into the bucket: logged and counted as the store acknowledges it."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from cloudquery_s3.committed import CommittedObject, WriteEnd, WriteStart

log = logging.getLogger(__name__)


@dataclass(slots=True)
class TableSummary:
    """One table's share.

    Attributes:
        rows: rows in acknowledged objects.
        objects: acknowledged objects.
        size_bytes: their size together.
        retries: requests that were sent again for them.
        altered: cells that were not written as they came, by column and reason.
        opened_at: when the first row of any object came.
        committed_at: when the last object was acknowledged.
    """

    rows: int = 0
    objects: int = 0
    size_bytes: int = 0
    retries: int = 0
    altered: Counter[tuple[str, str]] = field(default_factory=Counter)
    opened_at: datetime | None = None
    committed_at: datetime | None = None

    def add(self, record: CommittedObject) -> None:
        """Count an object."""
        self.rows += record.rows
        self.objects += 1
        self.size_bytes += record.size_bytes
        self.retries += record.retries
        self.altered.update(record.altered)
        self.opened_at = min(self.opened_at or record.opened_at, record.opened_at)
        self.committed_at = max(self.committed_at or record.committed_at, record.committed_at)

    @property
    def seconds(self) -> float:
        """How long it took from its first row to the acknowledgement of its last object."""
        if self.opened_at is None or self.committed_at is None:
            return 0.0
        return (self.committed_at - self.opened_at).total_seconds()


class WriteSummary:
    """All tables of one Write; a `Publisher` that tells the log.

    Attributes:
        tables: by name; those without an object, too.
    """

    def __init__(self, start: WriteStart) -> None:
        self.tables: dict[str, TableSummary] = {}
        self._start = start

    def table(self, name: str) -> TableSummary:
        """Return a table's share, begun if need be."""
        return self.tables.setdefault(name, TableSummary())

    def committed(self, record: CommittedObject) -> None:
        """Log an object, and alterations of a kind that is new in its table; see `Publisher`."""
        table = self.table(record.table)
        for (column, reason), cells in record.altered.items():
            if (column, reason) not in table.altered:
                where = {"table": record.table, "column": column, "key": record.key}
                log.warning("cells altered", extra={**where, "reason": reason, "cells": cells})
        table.add(record)
        figures = {"table": record.table, "key": record.key, "rows": record.rows, "bytes": record.size_bytes}
        log.info("object written", extra=figures)

    async def publish(self, end: WriteEnd) -> None:
        """Log each table, and the Write; see `Publisher`."""
        for name, table in self.tables.items():
            altered = {f"{column}: {reason}": cells for (column, reason), cells in table.altered.items()}
            figures = {"table": name, "rows": table.rows, "objects": table.objects, "bytes": table.size_bytes}
            figures |= {"retries": table.retries, "seconds": round(table.seconds, 3), "altered": altered}
            log.info("table written", extra=figures)
        seconds = round((end.ended_at - self._start.started_at).total_seconds(), 3)
        ending = {"status": end.status, "failed_tables": len(end.failures), "seconds": seconds}
        log.info("write ended", extra={**ending, **self.totals()})

    def totals(self) -> dict[str, int]:
        """Return the figures of all tables together."""
        tables = self.tables.values()
        return {
            "tables": len(self.tables),
            "rows": sum(table.rows for table in tables),
            "objects": sum(table.objects for table in tables),
            "bytes": sum(table.size_bytes for table in tables),
            "retries": sum(table.retries for table in tables),
            "altered_cells": sum(table.altered.total() for table in tables),
        }
