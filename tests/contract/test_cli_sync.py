"""The real CloudQuery CLI against this plugin, as a user runs it."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import cloudquery_cli as cli
import rows
from lake import in_bucket, parquet_values
from s3_servers import moto  # noqa: F401 -- a fixture

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from s3_servers import Bucket, S3Server

pytestmark = pytest.mark.cli

TABLES = [rows.schema(name) for name in ("one", "two", "three")]


@pytest.fixture
def bucket(moto: S3Server) -> Bucket:  # noqa: F811 -- the fixture's name
    """An empty bucket."""
    return moto.new_bucket()


def three_tables() -> Iterator[tuple[str, Any]]:
    """Three tables, two of 300 rows in turns and one of one row."""
    for table in TABLES:
        yield "migrate", table
    for start in range(0, 300, 50):
        for name in ("one", "two"):
            yield "insert", rows.batch(name, list(range(start, start + 50)))
    yield "insert", rows.batch("three", [7])


EVERYTHING = {"one": list(range(300)), "two": list(range(300)), "three": [7]}


@pytest.fixture(scope="module")
def source() -> Iterator[str]:
    """The address of a source that sends three tables."""
    with cli.scripted_source(three_tables, TABLES) as address:
        yield address


def test_local_plugin(bucket: Bucket, source: str, tmp_path: Path) -> None:
    """`cloudquery sync` starts the plugin, and every row that the source sent is in the bucket."""
    done = cli.run("sync", cli.source(source), cli.destination(in_bucket(bucket)), folder=tmp_path)
    assert done.status == 0, done.output
    assert parquet_values(bucket) == EVERYTHING
    assert len(sorted(bucket.objects())) == 3
    assert done.messages("error") == []
    assert "object written" in done.messages("info")


def test_remote_plugin_twice(bucket: Bucket, source: str, tmp_path: Path) -> None:
    """Behind `registry: grpc` one process serves sync after sync: Init, Write and Close repeat."""
    with cli.plugin_process() as (process, address):
        for _ in range(2):
            destination = cli.destination(in_bucket(bucket), registry="grpc", path=address)
            done = cli.run("sync", cli.source(source), destination, folder=tmp_path)
            assert done.status == 0, done.output
        assert process.poll() is None
    assert parquet_values(bucket) == {name: sorted(values * 2) for name, values in EVERYTHING.items()}


def test_two_sources_one_destination(bucket: Bucket, source: str, tmp_path: Path) -> None:
    """Two sources into one destination land both, one after the other in one process."""
    sources = [cli.source(source, name=name) for name in ("first", "second")]
    done = cli.run("sync", *sources, cli.destination(in_bucket(bucket)), folder=tmp_path)
    assert done.status == 0, done.output
    assert parquet_values(bucket) == {name: sorted(values * 2) for name, values in EVERYTHING.items()}


def test_many_objects(bucket: Bucket, source: str, tmp_path: Path) -> None:
    """With `batch_size: 100`, 300 rows of a table are three objects of 100 rows each."""
    done = cli.run("sync", cli.source(source), cli.destination(in_bucket(bucket, batch_size=100)), folder=tmp_path)
    assert done.status == 0, done.output
    assert parquet_values(bucket) == EVERYTHING
    assert sum(key.startswith("data/one/") for key in bucket.objects()) == 3


def test_no_rotate(bucket: Bucket, source: str, tmp_path: Path) -> None:
    """With `no_rotate` each table is one object at a fixed key, and a second sync replaces it whole."""
    spec = in_bucket(bucket, no_rotate=True, path="data/{{TABLE}}.{{FORMAT}}")
    for _ in range(2):
        done = cli.run("sync", cli.source(source), cli.destination(spec), folder=tmp_path)
        assert done.status == 0, done.output
    assert sorted(bucket.objects()) == ["data/one.parquet", "data/three.parquet", "data/two.parquet"]
    assert parquet_values(bucket) == EVERYTHING


def test_migrate(bucket: Bucket, source: str, tmp_path: Path) -> None:
    """`cloudquery migrate` succeeds and writes nothing."""
    done = cli.run("migrate", cli.source(source), cli.destination(in_bucket(bucket)), folder=tmp_path)
    assert done.status == 0, done.output
    assert sorted(bucket.objects()) == []


def test_default_write_mode_is_refused(bucket: Bucket, source: str, tmp_path: Path) -> None:
    """Without `write_mode: append` the sync fails with a message that names it."""
    destination = cli.destination(in_bucket(bucket), write_mode="overwrite-delete-stale")
    done = cli.run("sync", cli.source(source), destination, folder=tmp_path)
    assert done.status == 1
    assert "set 'write_mode: append'" in done.output
    assert any("write_mode: append" in message for message in done.messages("error"))
    assert parquet_values(bucket) == EVERYTHING, "rows were given up although they had come"


def test_failing_source(bucket: Bucket, tmp_path: Path) -> None:
    """A source that fails in mid-stream fails the sync; no object is partial, and none of its open rows are written."""

    def fails() -> Iterator[tuple[str, Any]]:
        yield "migrate", TABLES[0]
        for start in range(0, 250, 50):
            yield "insert", rows.batch("one", list(range(start, start + 50)))
        yield "abort", "the API is gone"

    with cli.scripted_source(fails, TABLES) as address:
        done = cli.run("sync", cli.source(address), cli.destination(in_bucket(bucket, batch_size=100)), folder=tmp_path)
    assert done.status == 1
    assert "the API is gone" in done.output
    assert parquet_values(bucket) in ({}, {"one": list(range(100))}, {"one": list(range(200))})
    assert bucket.open_uploads() == []


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"bucket": "no-such-bucket"}, "no-such-bucket"),
        ({"endpoint": "http://127.0.0.1:1"}, "127.0.0.1:1"),
        ({"format": "xml"}, "format"),
        ({"path": "/data/{{TABLE}}/{{UUID}}"}, "path"),
        ({"path": "data/{{TABLE}}"}, "{{UUID}}"),
        ({"batch_size": "many"}, "batch_size"),
        ({"format_spec": {"colour": "red"}}, "colour"),
    ],
)
def test_what_cannot_work_is_said_at_once(
    bucket: Bucket, source: str, tmp_path: Path, options: dict[str, Any], expected: str
) -> None:
    """A wrong bucket, an address where nobody listens or a wrong spec ends the sync in seconds, with what is wrong."""
    started = time.monotonic()
    done = cli.run("sync", cli.source(source), cli.destination(in_bucket(bucket, **options)), folder=tmp_path)
    assert done.status == 1
    assert "failed to init destination dst" in done.output
    assert expected in done.output.split("desc = ")[-1]
    assert time.monotonic() - started < 30


def test_test_connection(bucket: Bucket, tmp_path: Path) -> None:
    """`cloudquery test-connection` tells a good spec from a bad one, and says what is wrong with it."""
    good = cli.run("test-connection", cli.destination(in_bucket(bucket)), folder=tmp_path)
    assert (good.status, "Success" in good.output) == (0, True), good.output
    missing = cli.run("test-connection", cli.destination(in_bucket(bucket, bucket="no-such-bucket")), folder=tmp_path)
    assert (missing.status, "NO_SUCH_BUCKET" in missing.output) == (1, True), missing.output
    bad = cli.run("test-connection", cli.destination(in_bucket(bucket, format="xml")), folder=tmp_path)
    assert (bad.status, "INVALID_SPEC" in bad.output) == (1, True), bad.output
    assert sorted(bucket.objects()) == []


def test_validate_config(bucket: Bucket, source: str, tmp_path: Path) -> None:
    """`cloudquery validate-config` accepts a good spec and names the field of a bad one."""
    good = cli.run("validate-config", cli.source(source), cli.destination(in_bucket(bucket)), folder=tmp_path)
    assert good.status == 0, good.output
    bad = cli.run("validate-config", cli.source(source), cli.destination(in_bucket(bucket, bucket=5)), folder=tmp_path)
    assert (bad.status, "/bucket" in bad.output) == (1, True), bad.output


def test_no_orphan(bucket: Bucket, tmp_path: Path) -> None:
    """When the CLI is killed in mid-sync, the plugin that it had started ends by itself."""
    syncing = threading.Event()

    def endless() -> Iterator[tuple[str, Any]]:
        yield "migrate", TABLES[0]
        syncing.set()
        while True:
            yield "insert", rows.batch("one", [1])
            time.sleep(0.05)

    with cli.scripted_source(endless, TABLES) as address:
        spec = tmp_path / "spec.yml"
        documents = (cli.source(address), cli.destination(in_bucket(bucket)))
        spec.write_text("---\n".join(f"{document}\n" for document in documents))
        process = subprocess.Popen(
            [cli.binary(), "sync", str(spec), "--no-log-file"],
            cwd=tmp_path,
            env={**os.environ, "CQ_TELEMETRY_LEVEL": "none", **cli.CREDENTIALS},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        assert syncing.wait(30)
        (plugin,) = psutil.Process(process.pid).children()
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert psutil.wait_procs([plugin], timeout=20)[1] == []


FIXED: dict[str, Any] = {"path": "data/{{TABLE}}.{{FORMAT}}", "no_rotate": True}


def test_two_sources_at_one_fixed_key(bucket: Bucket, source: str, tmp_path: Path) -> None:
    """The second source of a sync does not replace the first one's object: its table fails, and names both."""
    documents = [cli.source(source, name="first"), cli.source(source, name="second")]
    done = cli.run("sync", *documents, cli.destination(in_bucket(bucket, **FIXED)), folder=tmp_path)
    assert done.status == 1
    assert "has the rows of source first of this sync, and those of second would replace them" in done.output
    assert parquet_values(bucket) == EVERYTHING
    names = [pq.read_table(pa.BufferReader(data))["_cq_source_name"] for data in bucket.objects().values()]
    assert {name for column in names for name in column.to_pylist()} == {"first"}


def test_a_second_sync_replaces_fixed_keys(bucket: Bucket, source: str, tmp_path: Path) -> None:
    """The next sync of the same source replaces its objects, whole."""
    for _ in range(2):
        documents = (cli.source(source), cli.destination(in_bucket(bucket, **FIXED)))
        done = cli.run("sync", *documents, folder=tmp_path)
        assert done.status == 0, done.output
    assert parquet_values(bucket) == EVERYTHING


def test_shards_at_one_fixed_key(bucket: Bucket, source: str, tmp_path: Path) -> None:
    """Shards, each a process of its own, never write to one fixed key: their tables fail, and say what to do."""
    for shard in ("1/2", "2/2"):
        documents = (cli.source(source), cli.destination(in_bucket(bucket, **FIXED)))
        done = cli.run("sync", *documents, folder=tmp_path, flags=["--shard", shard])
        assert done.status == 1
        assert f"shard src_{shard.replace('/', '_')}, and every shard writes to the same key" in done.output
        assert "put {{UUID}} into 'path'" in done.output
    assert bucket.objects() == {}
