"""A Write that is cut short while its process lives still says what it has written, and that it is not everything."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING, Any

import pytest

import cloudquery_cli as cli
import plugin_client as client
import rows
from lake import in_bucket
from s3_servers import moto  # noqa: F401 -- a fixture
from waiting import eventually

if TYPE_CHECKING:
    from s3_servers import Bucket, S3Server


@pytest.fixture
def bucket(moto: S3Server) -> Bucket:  # noqa: F811 -- the fixture's name
    """An empty bucket."""
    return moto.new_bucket()


def manifests(bucket: Bucket) -> list[dict[str, Any]]:
    """The manifests in the bucket."""
    return [json.loads(data) for key, data in bucket.objects().items() if key.startswith("_cloudquery/")]


def begun(plugin: client.Client, bucket: Bucket) -> client.OpenWrite:
    """A Write of three rows, two of which are in the bucket."""
    plugin.init(in_bucket(bucket, batch_size=2, test_write=False, manifest={"latest": "_cloudquery/latest.json"}))
    write = plugin.open_write()
    write.send(client.insert(rows.batch("a", [1, 2, 3])))
    assert eventually(lambda: len(bucket.objects()) == 1)
    return write


def check(bucket: Bucket) -> None:
    """One manifest, of the two rows, which is not told as the latest."""
    assert eventually(lambda: len(manifests(bucket)) == 1)
    (manifest,) = manifests(bucket)
    assert (manifest["status"], manifest["rows"], manifest["objects"]) == ("interrupted", 2, 1)
    assert manifest["tables"]["a"]["status"] == "interrupted"
    (entry,) = manifest["tables"]["a"]["entries"]
    assert entry["key"] in bucket.objects()


def test_cancelled(bucket: Bucket) -> None:
    """A Write that its client cancels leaves a manifest that says `interrupted`."""
    with cli.plugin_process() as (_, address):
        begun(client.Client(address), bucket).call.cancel()
        check(bucket)


def test_closed(bucket: Bucket) -> None:
    """So does one whose destination is closed."""
    with cli.plugin_process() as (_, address):
        plugin = client.Client(address)
        begun(plugin, bucket)
        plugin.close()
        check(bucket)


def test_stopped(bucket: Bucket) -> None:
    """So does one whose plugin is told to stop; the plugin then ends, with status 0."""
    with cli.plugin_process() as (process, address):
        begun(client.Client(address), bucket)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
    check(bucket)


def test_killed(bucket: Bucket) -> None:
    """One whose plugin is killed leaves none."""
    with cli.plugin_process() as (process, address):
        begun(client.Client(address), bucket)
        process.kill()
        process.wait()
    assert manifests(bucket) == []
