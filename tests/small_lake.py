"""Tables in a folder, as syncs of this plugin leave them: what the statements of `ddl` are run against."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from cloudquery_s3.catalogs.ddl.columns import DESCRIPTION
from cloudquery_s3.formats import make_format
from cloudquery_s3.formats.encoder import Alterations
from cloudquery_s3.writer.partitioning import Partitioner
from specs import parsed

if TYPE_CHECKING:
    from pathlib import Path

    from cloudquery_s3.spec import Spec

BUCKET = "a-bucket"
TABLE = "aws_ec2_instances"
MONDAY, TUESDAY, WEDNESDAY = (datetime(2026, 11, day, 9, 8, 34, 503633, tzinfo=UTC) for day in (23, 24, 25))

SCHEMA = pa.schema(
    [
        pa.field("_cq_sync_time", pa.timestamp("us", tz="UTC")),
        pa.field("_cq_source_name", pa.string()),
        pa.field("id", pa.int64(), metadata={DESCRIPTION: b"it's the id"}),
        pa.field("name", pa.string()),
        pa.field("ok", pa.bool_()),
        pa.field("load", pa.float64()),
        pa.field("day", pa.date32()),
        pa.field("price", pa.decimal128(9, 2)),
        pa.field("raw", pa.binary()),
        pa.field("tags", pa.binary(), metadata={"ARROW:extension:name": "json"}),
        pa.field("zones", pa.list_(pa.string())),
        pa.field("state", pa.struct([pa.field("code", pa.int64()), pa.field("name", pa.string())])),
    ],
    metadata={"cq:table_name": TABLE, "cq:table_description": "Machines; not \\ 'all'"},
)


@dataclass(frozen=True)
class Sync:
    """What one sync of one source has left."""

    source: str
    time: datetime
    ids: range
    complete: bool = True


SYNCS = (
    Sync("one", MONDAY, range(3)),
    Sync("one", TUESDAY, range(2)),
    Sync("one", WEDNESDAY, range(1), complete=False),
    Sync("two", MONDAY, range(10, 14)),
)
"""Two sources; the newest sync of the first has failed half-way."""

COMPLETE = [0, 1, 10, 11, 12, 13]
"""The ids in the newest complete sync of each source."""

NEWEST = [0, 10, 11, 12, 13]
"""The ids in the newest sync of each source, complete or not."""


def spec_of(**options: Any) -> Spec:
    """A spec that gives every table its folder, and every day one below it."""
    path = "cloudquery/{{TABLE}}/dt={{YEAR}}-{{MONTH}}-{{DAY}}/{{UUID}}.{{FORMAT}}"
    return parsed(**{"bucket": BUCKET, "path": path, "format": "parquet", "region": "us-east-1", **options})


def write_lake(folder: Path, spec: Spec, syncs: tuple[Sync, ...] = SYNCS) -> None:
    """Write what these syncs leave: objects, and a manifest of each below `manifests/`, in a folder of its own."""
    for number, sync in enumerate(syncs):
        template = spec.path_template(sync_id=f"sync-{number}")
        for partition, part in Partitioner(TABLE, template.partition_fields).split(rows(sync)):
            encoder = make_format(spec).encoder(SCHEMA, Alterations())
            chunks = [*encoder.write([part]), *encoder.finish().chunks]
            key = template.render(TABLE, file_id=f"file-{number}", now=sync.time, partition=partition)
            _put(folder / key, b"".join(map(bytes, chunks)))
        moment = sync.time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        status = "complete" if sync.complete else "failed"
        manifest = {"kind": "write", "status": status, "sources": [sync.source], "sync_times": [moment], "tables": {}}
        _put(folder / "manifests" / f"sync_id=sync-{number}" / "file.json", json.dumps(manifest).encode())


def rows(sync: Sync) -> pa.RecordBatch:
    """The rows of one sync."""
    found = [
        {
            "_cq_sync_time": sync.time,
            "_cq_source_name": sync.source,
            "id": number,
            "name": f'name "{number}", with\na line',
            "ok": True,
            "load": 0.5,
            "day": sync.time.date(),
            "price": None,
            "raw": b"\x00\xff",
            "tags": b'{"a": [1, 2]}',
            "zones": ["a", None],
            "state": {"code": number, "name": "on"},
        }
        for number in sync.ids
    ]
    return pa.RecordBatch.from_pylist(found, schema=SCHEMA)


def _put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
