"""A bucket that is a folder, a catalogue in SQLite, and Writes that publish to it: what the tests of Iceberg share.

Objects are encoded by this plugin and put where their URL says; pyiceberg reads `s3://bucket/` through a folder.
"""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyiceberg.io.pyarrow import PyArrowFileIO

from cloudquery_s3.catalogs.iceberg.catalog import Lake
from cloudquery_s3.catalogs.iceberg.publisher import IcebergPublisher
from cloudquery_s3.committed import CommittedObject, Origin, WriteEnd, WriteStart
from cloudquery_s3.formats import make_format
from cloudquery_s3.formats.encoder import Alterations
from specs import parsed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from pyiceberg.table import Table

    from cloudquery_s3.committed import Delete

BUCKET = "lake"
SYNC = "5f0bb06c-6b5c-4a35-9dd4-7a0a1e1f7f4b"
FOLDERS: dict[str, Path] = {}
"""Where the buckets of this process lie."""


class FolderIO(PyArrowFileIO):
    """Reads and writes `s3://` URLs in folders, and counts what is read."""

    reads: list[str] = []  # noqa: RUF012 -- of the whole process: pyiceberg makes these by itself

    def new_input(self, location: str) -> Any:
        """Note a read."""
        self.reads.append(location)
        return super().new_input(_in_folder(location))

    def new_output(self, location: str) -> Any:
        """Make the folders of a write."""
        path = _in_folder(location)
        if path.startswith("/"):
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        return super().new_output(path)

    def delete(self, location: Any) -> None:
        """Remove a file."""
        super().delete(_in_folder(location) if isinstance(location, str) else location)


def _in_folder(location: str) -> str:
    bucket, _, key = location.removeprefix("s3://").partition("/")
    return f"{FOLDERS[bucket]}/{key}" if location.startswith("s3://") else location


def catalog_properties(folder: Path) -> dict[str, str]:
    """A catalogue in SQLite whose tables lie in the bucket."""
    return {
        "type": "sql",
        "uri": f"sqlite:///{folder}/catalog.db",
        "warehouse": f"s3://{BUCKET}/warehouse",
        "py-io-impl": f"{__name__}.FolderIO",
    }


@dataclass
class LakeFolder:
    """A lake in a folder, and what is done to it."""

    folder: Path
    catalog: Mapping[str, str] = field(default_factory=dict)
    lake_type: Callable[[Any], Lake] = Lake

    def __post_init__(self) -> None:
        """Make the bucket."""
        FOLDERS[BUCKET] = self.folder
        self.spec = parsed(
            bucket=BUCKET,
            path="data/{{TABLE}}/{{UUID}}.{{FORMAT}}",
            format="parquet",
            iceberg={"catalog": dict(self.catalog or catalog_properties(self.folder))},
        )
        self.lake = self.lake_type(self.spec)
        self.numbers = 0

    def put(self, rows: pa.RecordBatch, *, partition: str = "") -> CommittedObject:
        """Put an object, and return its record."""
        self.numbers += 1
        table = rows.schema.metadata[b"cq:table_name"].decode()
        encoder = make_format(self.spec).encoder(rows.schema, Alterations())
        head = encoder.write([rows])
        end = encoder.finish()
        data = b"".join(map(bytes, [*head, *end.chunks]))
        key = f"data/{table}/{partition}{self.numbers}-{uuid.uuid4()}.parquet"
        path = self.folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        now = datetime(2026, 11, 26, tzinfo=UTC)
        origin = Origin(sources=frozenset(_distinct(rows, "_cq_source_name")))
        return CommittedObject(
            table=table,
            key=key,
            size_bytes=len(data),
            etag="e",
            checksum=None,
            rows=rows.num_rows,
            schema=rows.schema,
            partition={},
            opened_at=now,
            committed_at=now,
            statistics=end.statistics,
            altered={},
            retries=0,
            origin=origin,
        )

    def publish(self, *objects: CommittedObject, deletes: Sequence[Delete] = (), **end: Any) -> str:
        """One Write that has put these objects; returns its id."""
        write = WriteStart(str(uuid.uuid4()), datetime(2026, 11, 26, tzinfo=UTC))
        publisher = IcebergPublisher(self.lake, write, sync_id=SYNC, pause=lambda _: None)
        for record in objects:
            publisher.committed(record)
        schemas = {record.table: record.schema for record in objects}
        options = {"status": "complete", "error": None, "failures": {}, "schemas": schemas, **end}
        ended = WriteEnd(ended_at=datetime(2026, 11, 26, tzinfo=UTC), deletes=deletes, **options)
        asyncio.run(publisher.publish(ended))
        return write.write_id

    def table(self, name: str = "t") -> Table:
        """The table as it is now."""
        return Lake(self.spec).catalog.load_table(("cloudquery", name))

    def column(self, column: str = "n", table: str = "t") -> list[Any]:
        """The values of a column, sorted."""
        return sorted(self.table(table).scan().to_arrow()[column].to_pylist())


def schema_of(table: str = "t", *fields: pa.Field, key: str = "") -> pa.Schema:
    """A table's schema as a sync sends it."""
    columns = [
        pa.field("_cq_sync_time", pa.timestamp("us", tz="UTC")),
        pa.field("_cq_source_name", pa.string()),
        pa.field("n", pa.int64()),
        *fields,
    ]
    marked = {"cq:extension:primary_key": "true"}
    return pa.schema(
        [column.with_metadata(marked) if column.name in key.split() else column for column in columns],
        metadata={"cq:table_name": table, "cq:table_description": "what it is"},
    )


def sync_rows(
    numbers: Iterable[int], *, source: str = "one", day: int = 1, schema: pa.Schema | None = None, **more: Any
) -> pa.RecordBatch:
    """Rows of one sync of one source."""
    moment = datetime(2026, 11, day, 9, 8, 34, 503633, tzinfo=UTC)
    rows = [{"_cq_sync_time": moment, "_cq_source_name": source, "n": number, **more} for number in numbers]
    return pa.RecordBatch.from_pylist(rows, schema=schema or schema_of())


def _distinct(rows: pa.RecordBatch, column: str) -> list[str]:
    return [text for text in set(rows[column].to_pylist()) if text] if column in rows.schema.names else []
