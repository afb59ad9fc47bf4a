"""A folder as a bucket that the plugin wrote: two syncs of two sources, in three formats, at the guide's keys."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pyarrow as pa

import cloudquery_cli as cli
import plugin_client

if TYPE_CHECKING:
    from pathlib import Path

    from s3_servers import S3Server

DAY = "2026-11-22"
"""The partition in place of today's, as the guide has it."""

NOTES = ['two\nlines, and a "quote"', "", None, "a\\b"]
"""The cells that CSV readers get wrong."""

FORMATS = {
    "cloudquery": {"format": "parquet"},
    "cloudquery-json": {"format": "json", "compression": "gzip"},
    "cloudquery-csv": {"format": "csv"},
}


def _extension(name: str) -> dict[bytes, bytes]:
    return {b"ARROW:extension:name": name.encode(), b"ARROW:extension:metadata": f"{name}-serialized".encode()}


SCHEMA = pa.schema(
    [
        pa.field("_cq_sync_time", pa.timestamp("us", "UTC")),
        pa.field("_cq_source_name", pa.string()),
        pa.field("_cq_id", pa.binary(16), metadata=_extension("uuid")),
        pa.field("instance_id", pa.string()),
        pa.field("region", pa.string()),
        pa.field("tags", pa.binary(), metadata=_extension("json")),
        pa.field("note", pa.string()),
    ],
    metadata={"cq:table_name": "aws_ec2_instances"},
)


def batch(source: str, hour: int) -> pa.RecordBatch:
    """The four instances of a source, synced at an hour; those of the second sync are called `new-…`."""
    count = len(NOTES)
    columns = [
        [datetime(2026, 11, 22, hour, tzinfo=UTC)] * count,
        [source] * count,
        [bytes([hour] * 15 + [number]) for number in range(count)],
        [f"{source}-{number}" for number in range(count)],
        ["eu-central-1"] * count,
        [json.dumps({"Name": f"{'new' if hour > 1 else 'old'}-{number}"}).encode() for number in range(count)],
        NOTES,
    ]
    return pa.record_batch([pa.array(cells, field.type) for cells, field in zip(columns, SCHEMA, strict=True)], SCHEMA)


LATEST = sorted((f"{source}-{number}", f"new-{number}") for source in ("dev", "prod") for number in range(len(NOTES)))
"""The latest state: id and name of each instance."""


def fill(folder: Path, server: S3Server) -> Path:
    """Let the plugin write into a bucket, and lay its objects into a folder; return that."""
    bucket = server.new_bucket()
    place = {"bucket": bucket.name, "region": "us-east-1", "endpoint": server.endpoint, "use_path_style": True}
    with cli.plugin_process(environment=server.environment()) as (_, address):
        for prefix, form in FORMATS.items():
            path = f"{prefix}/{{{{TABLE}}}}/dt={{{{YEAR}}}}-{{{{MONTH}}}}-{{{{DAY}}}}/{{{{UUID}}}}.{{{{FORMAT}}}}"
            for source, hour in (("prod", 1), ("dev", 1), ("dev", 2), ("prod", 3)):
                client = plugin_client.Client(address)
                client.init({**place, **form, "path": path, "test_write": False})
                client.write([plugin_client.migrate(SCHEMA), plugin_client.insert(batch(source, hour))])
                client.close()
    for key, data in bucket.objects().items():
        prefix, table, _, name = key.split("/")
        file = folder / prefix / table / f"dt={DAY}" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    return folder
