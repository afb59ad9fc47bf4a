"""A bucket as a destination: the spec that writes to it, and what a reader finds in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from s3_servers import Bucket


def in_bucket(bucket: Bucket, /, **options: Any) -> dict[str, Any]:
    """A destination's spec that writes Parquet to a bucket of a local server, at `data/<table>/`."""
    return {
        "bucket": bucket.name,
        "region": "us-east-1",
        "endpoint": bucket.server.endpoint,
        "use_path_style": True,
        "path": "data/{{TABLE}}/{{UUID}}.{{FORMAT}}",
        "format": "parquet",
        **options,
    }


def parquet_values(bucket: Bucket) -> dict[str, list[int]]:
    """The column `n` of each table, sorted, out of all Parquet objects under `data/`."""
    found: dict[str, list[int]] = {}
    for key, data in bucket.objects().items():
        table = key.removeprefix("data/").split("/")[0].split(".")[0]
        found.setdefault(table, []).extend(pq.read_table(pa.BufferReader(data))["n"].to_pylist())
    return {table: sorted(values) for table, values in found.items()}
