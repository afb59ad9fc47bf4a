"""Records of committed objects, and the beginnings and ends of Writes, for tests of what reads them."""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import rows
from cloudquery_s3.cancellation import Cancellation
from cloudquery_s3.committed import CommittedObject, FileStatistics, Origin, WriteEnd, WriteStart
from cloudquery_s3.formats import make_format
from cloudquery_s3.formats.encoder import Alterations
from cloudquery_s3.publication.publisher import ManifestPublisher
from cloudquery_s3.table import table_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from cloudquery_s3.errors import PluginError
    from cloudquery_s3.spec import Spec
    from cloudquery_s3.stores.object_store import ObjectStore

BEGAN: Final = datetime(2026, 11, 26, 9, 8, 34, 503633, tzinfo=UTC)
_WRITE_ID: Final = "00000000-0000-4000-8000-00000000000a"


def record(table: str = "t", key: str = "data/t/1.parquet", **changes: Any) -> CommittedObject:
    """An object of three rows, with changes."""
    values: dict[str, Any] = {
        "size_bytes": 100,
        "etag": "e",
        "checksum": None,
        "rows": 3,
        "schema": rows.schema(table),
        "partition": {},
        "opened_at": BEGAN,
        "committed_at": BEGAN,
        "statistics": FileStatistics(),
        "altered": {},
        "retries": 0,
        "origin": Origin(frozenset({"aws"}), frozenset({"2026-11-26T09:08:34.503633Z"})),
    }
    return CommittedObject(table=table, key=key, **(values | changes))


def start(write_id: str = _WRITE_ID, at: datetime = BEGAN) -> WriteStart:
    """The beginning of a Write."""
    return WriteStart(write_id=write_id, started_at=at)


def end(
    status: Any = "complete",
    *,
    error: PluginError | None = None,
    failures: Mapping[str, Exception] | None = None,
    schemas: Mapping[str, pa.Schema] | None = None,
    at: datetime = BEGAN + timedelta(minutes=1),
) -> WriteEnd:
    """The end of a Write, a minute after its beginning."""
    return WriteEnd(status=status, ended_at=at, error=error, failures=failures or {}, schemas=schemas or {})


def write(  # noqa: PLR0913 - what a Write is
    spec: Spec,
    store: ObjectStore,
    tables: Mapping[str, Sequence[pa.RecordBatch]],
    *,
    sync_id: str,
    source: str = "aws",
    status: Any = "complete",
    at: datetime = BEGAN,
    announced: Sequence[pa.Schema] = (),
    manifest: bool = True,
) -> list[CommittedObject]:
    """Write rows as the plugin does, an object a batch, and its manifest at the end; return the objects.

    Args:
        spec: where to; its path may have any placeholder.
        store: the bucket.
        tables: batches by table.
        sync_id: the sync.
        source: of the rows.
        status: how the Write ends.
        at: when it begins.
        announced: tables without rows.
        manifest: whether the Write lives to its end.
    """
    file_format, template = make_format(spec), spec.path_template(sync_id=sync_id)
    publisher = ManifestPublisher(start(str(uuid.uuid4()), at), spec=spec, sync_id=sync_id, store=store)
    records: list[CommittedObject] = []
    schemas = {table_name(schema): schema for schema in announced}
    origin = Origin(frozenset({source}), frozenset({at.isoformat(timespec="microseconds").replace("+00:00", "Z")}))
    for table, batches in tables.items():
        for batch in batches:
            encoder = file_format.encoder(batch.schema, Alterations())
            chunks = encoder.write([batch])
            finished = encoder.finish()
            writer = store.open(template.render(table, file_id=str(uuid.uuid4()), now=at), Cancellation())
            writer.write([*chunks, *finished.chunks])
            stored = writer.commit()
            records.append(
                record(
                    table,
                    stored.key,
                    size_bytes=stored.size_bytes,
                    etag=stored.etag,
                    checksum=stored.checksum,
                    rows=batch.num_rows,
                    schema=batch.schema,
                    statistics=finished.statistics,
                    origin=origin,
                )
            )
            schemas[table] = batch.schema
            publisher.committed(records[-1])
    if manifest:
        asyncio.run(publisher.publish(end(status, schemas=schemas, at=at + timedelta(minutes=1))))
    return records


def many(tables: int, objects: int, schema: pa.Schema, **changes: Any) -> list[CommittedObject]:
    """So many objects, spread over so many tables that have a schema in common."""
    made: dict[str, int] = defaultdict(int)
    records = []
    for number in range(objects):
        table = f"aws_table_{number % tables}"
        made[table] += 1
        name = hashlib.md5(f"{number}".encode(), usedforsecurity=False).hexdigest()
        key = f"cloudquery/{table}/date=2026-11-26/{uuid.UUID(name)}.parquet"
        records.append(record(table, key, schema=schema, etag=name, **changes))
    return records
