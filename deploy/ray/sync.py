"""One sync by the workers of a Ray cluster: a task a shard, tried again where it fails, then the publication.

python sync.py FOLDER --shards 8

The folder has `source.yml` and `s3.yml` (see deploy/specs); Ray copies it to every worker. The workers have
`cloudquery`, `cloudquery-s3` and the AWS credentials. Running it again with the same `--sync-id` is the same sync.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import uuid

import ray

TRIES = 3


@ray.remote(num_cpus=1, memory=1536 * 1024**2, max_retries=TRIES - 1, retry_exceptions=[subprocess.CalledProcessError])
def sync(shard: int, shards: int, sync_id: str) -> None:
    """Sync one shard.

    Should the worker be killed, `setpriv` has the kernel end the CLI as well, which would else go on beside the retry.

    Raises:
        subprocess.CalledProcessError: the CLI failed; Ray tries the task again.
    """
    command = ["setpriv", "--pdeathsig", "TERM", "cloudquery", "sync", "source.yml", "s3.yml"]
    command += ["--shard", f"{shard}/{shards}", "--invocation-id", sync_id]
    command += ["--log-console", "--no-log-file", "--telemetry-level", "none"]
    subprocess.run(command, check=True, env={**os.environ, "SHARD": str(shard)})


@ray.remote(num_cpus=1, max_retries=TRIES - 1, retry_exceptions=[subprocess.CalledProcessError])
def publish(shards: int, sync_id: str) -> None:
    """Publish the sync; a second time changes nothing.

    Raises:
        subprocess.CalledProcessError: a shard is not complete, or S3 refused; Ray tries the task again.
    """
    command = ["cloudquery-s3", "publish", "s3.yml", "--sync", sync_id, "--parts", str(shards)]
    subprocess.run(command, check=True, env={**os.environ, "SHARD": "1"})  # s3.yml names it; publishing does not use it


def main() -> None:
    """Run all shards to their end, then publish; the first that fails for good ends the program with its error."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--shards", type=int, default=8)
    parser.add_argument("--sync-id", default=str(uuid.uuid4()))
    arguments = parser.parse_args()
    print(f"sync {arguments.sync_id}, {arguments.shards} shards", flush=True)
    ray.init(runtime_env={"working_dir": arguments.folder})
    ray.get([sync.remote(shard, arguments.shards, arguments.sync_id) for shard in range(1, arguments.shards + 1)])
    ray.get(publish.remote(arguments.shards, arguments.sync_id))


if __name__ == "__main__":
    main()
