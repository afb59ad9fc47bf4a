"""The example source synced into a bucket by the real CLI: as a whole, or as the shards of a recipe."""

from __future__ import annotations

import json
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
    from collections.abc import Iterable, Iterator

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
    found: dict[str, list[bytes]] = {}
    for key, data in bucket.objects().items():
        if key.endswith(".parquet"):
            found.setdefault(key.split("/")[1], []).append(data)
    return {name: _together(files) for name, files in found.items()}


def _together(files: Iterable[bytes]) -> pa.Table:
    parts = [pq.read_table(pa.BufferReader(file)) for file in files]
    return pa.concat_tables(parts).drop_columns(["_cq_sync_time", "_cq_source_name"]).sort_by("_cq_id")


def sync_ids(bucket: Bucket) -> set[str]:
    """The syncs that wrote into the bucket, as the keys name them."""
    return {key.split("/")[2] for key in bucket.etags() if key.endswith(".parquet")}


def published(bucket: Bucket, source: str = "aws") -> dict[str, pa.Table]:
    """The rows of the objects that the latest publication lists, as `rows` has them."""
    objects = bucket.objects()
    tables = json.loads(objects[f"_cloudquery/latest/{source}.json"])["tables"]
    return {
        name: _together(objects[entry["key"]] for entry in table["entries"])
        for name, table in tables.items()
        if table["entries"]
    }
