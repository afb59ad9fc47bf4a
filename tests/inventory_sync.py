"""The example source synced into a bucket by the real CLI: as a whole, or as the shards of a recipe."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

import cloudquery_cli as cli
from s3_servers import S3Server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from s3_servers import Bucket

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "examples/aws_inventory/aws-inventory"
REGIONS = ["eu-central-1", "eu-west-1", "us-east-1", "us-west-1", "us-west-2"]
PATH = "data/{{TABLE}}/{{SYNC_ID}}/{{UUID}}.{{FORMAT}}"
TABLES = {
    "aws_regions",
    "aws_availability_zones",
    "aws_ec2_vpcs",
    "aws_ec2_subnets",
    "aws_ec2_instance_types",
    "aws_ec2_instance_type_offerings",
}
"""What `source` asks for: all but the two that moto takes longest to list."""


@contextmanager
def aws() -> Iterator[S3Server]:
    """Run a process that answers as AWS, S3 among it; any credentials do."""
    command = [sys.executable, "-m", "examples.demo.moto_server"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield S3Server("moto", process.stdout.readline().strip())
        finally:
            process.kill()


def source(api: S3Server) -> dict[str, Any]:
    """The source's document of a spec file."""
    spec = {"endpoint": api.endpoint, "regions": REGIONS, "home_region": "us-east-1"}
    return {
        "kind": "source",
        "spec": {
            "name": "aws",
            "registry": "local",
            "path": str(SOURCE),
            "tables": ["*"],
            "skip_tables": ["aws_iam_policies", "aws_ec2_images"],
            "destinations": ["dst"],
            "spec": spec,
        },
    }


def destination(bucket: Bucket, **options: Any) -> dict[str, Any]:
    """The destination's document: Parquet at `PATH`."""
    spec = {
        "bucket": bucket.name,
        "region": "us-east-1",
        "endpoint": bucket.server.endpoint,
        "use_path_style": True,
        "path": PATH,
        "format": "parquet",
        **options,
    }
    return cli.destination(spec)


def rows(bucket: Bucket) -> dict[str, pa.Table]:
    """Every table's rows, in the order of their ids, without the two columns in which one sync differs from another."""
    found: dict[str, list[pa.Table]] = {}
    for key, data in bucket.objects().items():
        if not key.endswith(".parquet"):
            continue
        table = pq.read_table(pa.BufferReader(data)).drop_columns(["_cq_sync_time", "_cq_source_name"])
        found.setdefault(key.split("/")[1], []).append(table)
    return {name: pa.concat_tables(parts).sort_by("_cq_id") for name, parts in found.items()}


def sync_ids(bucket: Bucket) -> set[str]:
    """The syncs that wrote into the bucket, as the keys name them."""
    return {key.split("/")[2] for key in bucket.etags() if key.endswith(".parquet")}


def distinct(rows: pa.Table) -> pa.Table:
    """The rows, each once: a shard that was tried again may have written some of its rows twice."""
    ids = rows["_cq_id"].to_pylist()
    return rows.take([index for index, one in enumerate(ids) if index == 0 or one != ids[index - 1]])
