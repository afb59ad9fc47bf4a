"""A Write's manifest: from the records of its objects to one JSON document. Pure.

The fields are described by `manifest.schema.json` beside this module, and in docs/publication.md.
"""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

import orjson

from cloudquery_s3 import __version__
from cloudquery_s3.committed import Origin, fingerprint
from cloudquery_s3.table import extension_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa
    import pyarrow.parquet as pq

    from cloudquery_s3.committed import ColumnStatistics, CommittedObject, WriteEnd, WriteStart
    from cloudquery_s3.spec import Spec

MANIFEST_VERSION: Final = 1
"""Rises when a reader of the older documents would misunderstand the newer ones; new fields alone do not raise it."""

PLUGIN: Final = {"name": "cloudquery-destination-s3", "version": __version__}

_MAX_ERROR_CHARACTERS: Final = 2000
_MAX_BOUND_CHARACTERS: Final = 256


@dataclass(slots=True)
class _Table:
    entries: list[orjson.Fragment] = field(default_factory=list)
    rows: int = 0
    size_bytes: int = 0
    altered: Counter[str] = field(default_factory=Counter)


class ManifestBuilder:
    """Takes the records of one Write as they come, 0.4 KiB each, and makes the document at its end.

    Args:
        write: the Write.
        spec: where it writes to; its `manifest` must be set.
        sync_id: the sync that it belongs to.
    """

    def __init__(self, write: WriteStart, *, spec: Spec, sync_id: str) -> None:
        assert spec.manifest is not None  # noqa: S101 -- who asks for a manifest has options for it
        self._write = write
        self._spec = spec
        self._options = spec.manifest
        self._sync_id = sync_id
        self._tables: dict[str, _Table] = {}
        self._schemas: dict[str, pa.Schema] = {}
        self._physical: dict[str, Mapping[str, str]] = {}
        self._known: dict[int, tuple[pa.Schema, str]] = {}
        self._retries = 0
        self._origin = Origin()

    @property
    def sources(self) -> frozenset[str]:
        """The sources whose rows have come so far."""
        return self._origin.sources

    def add(self, record: CommittedObject) -> None:
        """Take note of an object."""
        table = self._tables.setdefault(record.table, _Table())
        schema_id = self._schema_id(record.schema)
        if schema_id not in self._physical and record.statistics.footer is not None:
            self._physical[schema_id] = _physical_types(record.statistics.footer.schema)
        table.entries.append(orjson.Fragment(orjson.dumps(self._entry(record, schema_id))))
        table.rows += record.rows
        table.size_bytes += record.size_bytes
        table.altered.update({f"{column}: {reason}": cells for (column, reason), cells in record.altered.items()})
        self._retries += record.retries
        self._origin |= record.origin

    def document(self, end: WriteEnd) -> bytes:
        """Return the manifest as JSON, in UTF-8, on one line. No table of a Write that is not complete is complete."""
        tables = {name: self._table(name, end) for name in sorted({*self._tables, *end.schemas, *end.failures})}
        return orjson.dumps(
            {
                "manifest_version": MANIFEST_VERSION,
                "kind": "write",
                "status": end.status,
                "error": error_text(end.error),
                "sync_id": self._sync_id,
                "attempt_id": self._write.write_id,
                "part": self._options.part or None,
                "sources": sorted(self._origin.sources),
                "sync_times": sorted(self._origin.sync_times),
                "sync_group_ids": sorted(self._origin.sync_group_ids),
                "plugin": PLUGIN,
                "started_at": instant(self._write.started_at),
                "ended_at": instant(end.ended_at),
                **place(self._spec),
                "rows": sum(table.rows for table in self._tables.values()),
                "bytes": sum(table.size_bytes for table in self._tables.values()),
                "objects": sum(len(table.entries) for table in self._tables.values()),
                "retries": self._retries,
                "altered_cells": sum(table.altered.total() for table in self._tables.values()),
                "schemas": {
                    schema_id: described(schema, self._physical.get(schema_id, {}))
                    for schema_id, schema in sorted(self._schemas.items())
                },
                "tables": tables,
            }
        )

    def _table(self, name: str, end: WriteEnd) -> dict[str, Any]:
        table = self._tables.get(name, _Table())
        schema, failure = end.schemas.get(name), end.failures.get(name)
        return {
            "status": "failed" if failure is not None and end.status == "complete" else end.status,
            "error": error_text(failure),
            "rows": table.rows,
            "bytes": table.size_bytes,
            "objects": len(table.entries),
            "altered": dict(table.altered),
            "schema": None if schema is None else self._schema_id(schema),
            "entries": table.entries,
        }

    def _schema_id(self, schema: pa.Schema) -> str:
        """Return a schema's fingerprint; it is computed once for all objects that hold the very same schema."""
        known = self._known.get(id(schema))
        if known is None:
            known = self._known[id(schema)] = (schema, fingerprint(schema))
            self._schemas.setdefault(known[1], schema)
        return known[1]

    def _entry(self, record: CommittedObject, schema_id: str) -> dict[str, Any]:
        checksum = record.checksum
        entry: dict[str, Any] = {
            "url": f"s3://{self._spec.bucket}/{record.key}",
            "mandatory": True,
            "meta": {"content_length": record.size_bytes, "record_count": record.rows},
            "key": record.key,
            "etag": record.etag,
            "checksum": checksum and {"algorithm": checksum.algorithm, "value": checksum.value, "type": checksum.scope},
            "schema": schema_id,
            "partition": dict(record.partition),
        }
        if self._options.statistics:
            entry["columns"] = {name: _statistics(known) for name, known in record.statistics.columns().items()}
        return entry


@cache
def json_schema() -> str:
    """Return the JSON schema of manifests and publications: draft 2020-12, as text."""
    return files(__package__).joinpath("manifest.schema.json").read_text(encoding="utf-8")


def place(spec: Spec) -> dict[str, Any]:
    """Return the fields that say where a spec's objects go and what they are."""
    return {
        "bucket": spec.bucket,
        "path": spec.path,
        "format": spec.format,
        "compression": spec.compression or None,
        "no_rotate": spec.no_rotate,
    }


def instant(moment: datetime) -> str:
    """Return a moment in UTC: ISO 8601 with microseconds and `Z`, so that texts sort as moments do."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def error_text(error: BaseException | None) -> str | None:
    """Return what an error says, cut to a length that no reader minds."""
    return None if error is None else str(error)[:_MAX_ERROR_CHARACTERS]


def described(schema: pa.Schema, physical: Mapping[str, str]) -> dict[str, Any]:
    """Return a schema for readers with Arrow (IPC, base64) and without (its columns in words)."""
    return {
        "arrow_ipc": b64encode(schema.serialize()).decode(),
        "columns": [
            {
                "name": one.name,
                "arrow": str(one.type),
                "parquet": physical.get(one.name),
                "nullable": one.nullable,
                "extension": extension_of(one),
            }
            for one in schema
        ],
    }


def _physical_types(columns: pq.ParquetSchema) -> dict[str, str]:
    """Return the physical type of each column of a Parquet file that is not nested, by its name."""
    found = (columns.column(index) for index in range(len(columns.names)))
    return {one.name: one.physical_type for one in found if one.path == one.name}


def _statistics(known: ColumnStatistics) -> dict[str, Any]:
    return {"null_count": known.null_count, "min": _bound(known.minimum), "max": _bound(known.maximum)}


def _bound(value: Any) -> Any:
    """Return a bound as JSON has it; null where it is too long to be worth it, or JSON has no such number."""
    match value:
        case None | bool():
            return value
        case int():
            return value if -(2**53) < value < 2**53 else str(value)
        case float():
            return value if value - value == 0 else None
        case bytes():
            value = b64encode(value).decode()
        case datetime():
            value = instant(value) if value.tzinfo else value.isoformat(timespec="microseconds")
        case date() | time():
            value = value.isoformat()
        case _:  # text, decimals
            value = str(value)
    return value if len(value) <= _MAX_BOUND_CHARACTERS else None
