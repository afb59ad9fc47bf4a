"""One sync shared among several processes: `cloudquery sync --shard`."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from cloudquery.plugin_v3 import plugin_pb2, plugin_pb2_grpc
from examples.aws_inventory.plugin import new_server
from examples.aws_inventory.shards import Shard
from hypothesis import given
from hypothesis import strategies as st

import cloudquery_cli as cli
import inventory_sync as inventory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from s3_servers import S3Server

SHARDS = 4


@pytest.fixture(scope="module")
def api() -> Iterator[S3Server]:
    """A process that answers as AWS."""
    with inventory.aws() as server:
        yield server


@given(n=st.integers(0, 200), total=st.integers(1, 50))
def test_every_pair_is_in_one_shard(n: int, total: int) -> None:
    """The shards' parts, one after the other, are the whole: nothing is left out, nothing comes twice."""
    pairs = [("table", str(number)) for number in range(n)]
    parts = [Shard(number, total).of(pairs) for number in range(1, total + 1)]
    assert [pair for part in parts for pair in part] == pairs


@pytest.mark.parametrize(
    ("n", "total", "sizes"),
    [(4, 2, [2, 2]), (5, 2, [3, 2]), (5, 3, [2, 2, 1]), (2, 4, [1, 1, 0, 0]), (5, 4, [2, 2, 1, 0]), (0, 2, [0, 0])],
)
def test_parts_are_those_of_the_go_sdk(n: int, total: int, sizes: list[int]) -> None:
    """A shard has ceil(n / total) pairs, the last ones fewer or none, as CloudQuery's Go SDK cuts them."""
    pairs = [("table", str(number)) for number in range(n)]
    assert [len(Shard(number, total).of(pairs)) for number in range(1, total + 1)] == sizes


@pytest.mark.parametrize(("number", "total"), [(0, 4), (5, 4), (-1, 4), (1, 0)])
def test_a_shard_that_cannot_be_is_refused(number: int, total: int) -> None:
    """A shard that is none of 1 to `total` ends the call with an error that names it."""
    server = new_server("127.0.0.1:0")
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = plugin_pb2_grpc.PluginStub(channel)
            stub.Init(plugin_pb2.Init.Request())
            request = plugin_pb2.Sync.Request(tables=["*"], shard={"num": number, "total": total})
            with pytest.raises(grpc.RpcError, match=f"no shard {number} of {total}"):
                list(stub.Sync(request))
    finally:
        server.stop(0).wait()


@pytest.mark.cli
def test_the_shards_are_the_whole(api: S3Server, tmp_path: Path) -> None:
    """Four shards under one invocation id write, row by row, what a sync that is not sharded writes."""
    whole, shared = api.new_bucket(), api.new_bucket()
    invocation = str(uuid.uuid4())

    def synced(name: str, bucket: Any, *flags: str) -> None:
        folder = tmp_path / name
        folder.mkdir()
        documents = (inventory.source(api), inventory.destination(bucket))
        done = cli.run("sync", *documents, flags=flags, folder=folder, timeout=120)
        assert done.status == 0, done.output

    synced("whole", whole)
    with ThreadPoolExecutor(2) as pool:
        numbers = range(1, SHARDS + 1)
        runs = [
            pool.submit(synced, str(one), shared, "--shard", f"{one}/{SHARDS}", "--invocation-id", invocation)
            for one in numbers
        ]
        for run in runs:
            run.result()
    expected, found = inventory.rows(whole), inventory.rows(shared)
    assert expected.keys() == found.keys() == inventory.TABLES
    for table, rows in expected.items():
        assert found[table].equals(rows), table
    assert inventory.sync_ids(shared) == {invocation}
