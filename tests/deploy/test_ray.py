"""The Ray recipe, on a cluster of several nodes on this machine."""

from __future__ import annotations

import os
import subprocess
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

import cloudquery_cli as cli
import inventory_sync as inventory
import recipes
from recipes import DEPLOY
from waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.slow, pytest.mark.cli]

NODES = 2
SHARDS = 3


@contextmanager
def nodes(python: str, environment: dict[str, str]) -> Iterator[str]:
    """Run a cluster; gives its address."""
    command = [python, Path(__file__).with_name("ray_nodes.py"), str(NODES)]
    process = subprocess.Popen(
        command, env=os.environ | environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdin
        assert process.stdout
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()
            process.wait(timeout=60)


def in_mid_sync() -> Iterator[psutil.Process]:
    """The workers of Ray whose CLI has started its source."""
    for process in psutil.process_iter():
        try:
            if process.name().startswith("ray::sync") and any(
                str(inventory.ROOT) in " ".join(child.cmdline()) and "aws_inventory" in " ".join(child.cmdline())
                for child in process.children(recursive=True)
            ):
                yield process
        except psutil.Error:
            continue


def test_a_killed_workers_shard_is_synced_again(tmp_path: Path) -> None:
    """What is published is the rows of one sync, though a worker was killed in mid-sync; no process of it goes on."""
    python = recipes.tool("ray/bin/python", "ray-env")
    sync_id = str(uuid.uuid4())
    folder = tmp_path / "specs"
    folder.mkdir()
    with inventory.aws() as api:
        whole, shared = api.new_bucket(), api.new_bucket()
        done = cli.run("sync", inventory.source(api), inventory.destination(whole), folder=tmp_path)
        assert done.status == 0, done.output
        (folder / "source.yml").write_text(recipes.source_for(api))
        (folder / "s3.yml").write_text(recipes.pointed_at((DEPLOY / "specs" / "s3.yml").read_text(), shared))
        environment = {**recipes.environment(tmp_path), "RAY_DEDUP_LOGS": "0"}
        with nodes(python, environment) as address:
            command = [python, DEPLOY / "ray" / "sync.py", folder, "--shards", str(SHARDS), "--sync-id", sync_id]
            process = subprocess.Popen(
                command,
                env=os.environ | environment | {"RAY_ADDRESS": address},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            assert eventually(lambda: any(in_mid_sync()), within_s=120)
            worker = next(in_mid_sync())
            left = worker.children(recursive=True)
            worker.kill()
            said, _ = process.communicate(timeout=240)
            assert process.returncode == 0, said
            assert said.count("Loading spec(s)") > SHARDS, said
            assert psutil.wait_procs(left, timeout=30)[1] == []
        expected, found = inventory.rows(whole), inventory.published(shared)
        assert inventory.sync_ids(shared) == {f"sync_id={sync_id}"}
    assert expected.keys() == found.keys()
    assert all(found[table].equals(rows) for table, rows in expected.items())
