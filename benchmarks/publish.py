"""What publishing a sync of many parts costs: `python -m benchmarks.publish [--parts 1000] [--objects 1000]`.

The bucket is made up by a process of its own, so that the figures are the command's: its processor time and the most
memory it has held. Seconds on the wall are those of two processes on this machine.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.synthetic_bucket import BUCKET, SYNC_ID
from cloudquery_s3.publication.progress import NoProgress
from cloudquery_s3.publication.publish import publish
from cloudquery_s3.spec import Spec
from cloudquery_s3.stores.bucket import bucket_of

if TYPE_CHECKING:
    from collections.abc import Iterator

_KEYS = {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any"}


@dataclass(frozen=True)
class Cost:
    """What one publication took.

    Attributes:
        wall_s: seconds on the wall.
        cpu_s: processor time of the publishing process.
        peak_bytes: the most memory that it has held.
        document_bytes: the size of the publication.
    """

    wall_s: float
    cpu_s: float
    peak_bytes: int
    document_bytes: int


@contextmanager
def synthetic_bucket(parts: int, objects: int) -> Iterator[str]:
    """Run the server; gives its endpoint."""
    command = [sys.executable, "-m", "benchmarks.synthetic_bucket", "--parts", str(parts), "--objects", str(objects)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 -- this program
        try:
            assert process.stdout is not None  # noqa: S101 -- it was asked for
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def spec(endpoint: str) -> Spec:
    """The destination that has written the sync."""
    options = {
        "bucket": BUCKET,
        "region": "us-east-1",
        "endpoint": endpoint,
        "use_path_style": True,
        "path": "data/{{TABLE}}/{{UUID}}.{{FORMAT}}",
        "format": "parquet",
        "manifest": {},
    }
    return Spec.parse(json.dumps(options).encode(), invocation_id=SYNC_ID)


def measure(parts: int, objects: int) -> Cost:
    """Publish one sync."""
    os.environ.update(_KEYS)
    with synthetic_bucket(parts, objects) as endpoint:
        options = spec(endpoint)
        bucket = bucket_of(options, content_type="")
        began, cpu_began = time.monotonic(), time.process_time()
        outcome = publish(bucket, options, sync_id=SYNC_ID, parts=parts, progress=NoProgress())
        took, cpu = time.monotonic() - began, time.process_time() - cpu_began
        document_bytes = len(bucket.get(outcome.key).body)
        bucket.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return Cost(took, cpu, peak, document_bytes)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.publish", description="What publishing costs.")
    parser.add_argument("--parts", type=int, default=1000)
    parser.add_argument("--objects", type=int, default=1000, help="of each part")
    options = parser.parse_args()
    cost = measure(options.parts, options.objects)
    print(f"{options.parts} parts of {options.objects} objects: {cost.wall_s:.1f} s, of which {cost.cpu_s:.1f} s of")
    print(f"this process; peak {cost.peak_bytes / 2**20:.0f} MiB; publication {cost.document_bytes / 2**20:.2f} MiB")


if __name__ == "__main__":
    main()
