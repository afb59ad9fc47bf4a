"""A Write that is stopped in the middle of an upload: what is left in the bucket, and of the plugin."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import grpc
import psutil
import pytest
from cloudquery.plugin_v3 import plugin_pb2 as pb

import cloudquery_cli as cli
import plugin_client as client
import rows
from faults.delivery import by_table, read, text_batch
from faults.proxy import Fault, FaultProxy, Plan, fault_proxy
from lake import in_bucket
from s3_servers import minio, real_server, rgw  # noqa: F401 -- fixtures
from waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from s3_servers import Bucket, S3Server

pytestmark = [pytest.mark.server]

MIB: Final = 1 << 20
ROWS: Final = [text_batch("big", start, 16, 64 << 10) for start in range(0, 320, 16)]
"""20 MiB in messages of 1 MiB."""

GONE_WITHIN_S: Final = 5
"""The CLI kills a plugin that lives longer after SIGINT."""


@pytest.fixture(
    params=["real_server", pytest.param("minio", marks=pytest.mark.slow), pytest.param("rgw", marks=pytest.mark.slow)]
)
def server(request: pytest.FixtureRequest) -> S3Server:
    """Each server in turn."""
    running: S3Server = request.getfixturevalue(request.param)
    return running


@dataclass
class Stage:
    """A plugin whose Write is held by the store in the middle of an upload."""

    process: subprocess.Popen[str]
    plugin: client.Client
    address: str
    proxy: FaultProxy
    bucket: Bucket

    @property
    def spec(self) -> dict[str, Any]:
        """One object of fixed key, with so little memory that it goes up in parts before its end."""
        document = in_bucket(self.bucket, no_rotate=True, path="{{TABLE}}", format="json", memory_budget=12 * MIB)
        return {**document, "endpoint": self.proxy.endpoint, "test_write": False, "max_backoff": 0}

    def write(self) -> client.OpenWrite:
        """Begin a Write that stays open, and return when its upload is held."""
        self.plugin.init(self.spec)
        write = self.plugin.open_write()
        for batch in ROWS:
            write.send(client.insert(batch))
        assert self.proxy.reached.wait(20)
        return write

    def is_stopping(self) -> bool:
        """Whether the plugin takes no more calls."""
        try:
            self.plugin.stub.GetName(pb.GetName.Request(), timeout=1)
        except grpc.RpcError:
            return True
        return False

    def check_nothing_is_left(self) -> None:
        """Neither an object nor an upload."""
        assert eventually(lambda: self.bucket.open_uploads() == [])
        assert self.bucket.objects() == {}

    def check_ready(self) -> None:
        """The same process takes the next Init and Write."""
        self.proxy.released.set()
        self.plugin.init(self.spec)
        self.plugin.write([client.insert(batch) for batch in ROWS])
        assert self.process.poll() is None
        assert {"big": read(self.bucket.objects()["big"], "json")} == by_table(ROWS)


@contextmanager
def stage(server: S3Server, *plans: Plan) -> Iterator[Stage]:
    """Run a plugin before an empty bucket, and a proxy between them."""
    with fault_proxy(server.endpoint, *plans) as proxy, cli.plugin_process() as (process, address):
        yield Stage(process, client.Client(address), address, proxy, server.new_bucket())


HELD_PART: Final = Plan("UploadPart", Fault.HELD, 2)


@pytest.mark.parametrize("released", [True, False], ids=["slow store", "hanging store"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_a_signal_in_mid_upload(server: S3Server, number: signal.Signals, released: bool) -> None:
    """After SIGINT or SIGTERM the plugin is gone in time with status 0, and no upload is open, whatever hangs."""
    with stage(server, HELD_PART) as at:
        write = at.write()
        began = time.monotonic()
        at.process.send_signal(number)
        if released:
            at.proxy.released.set()
        assert at.process.wait(GONE_WITHIN_S) == 0
        assert time.monotonic() - began < GONE_WITHIN_S
        with pytest.raises(grpc.RpcError):
            write.call.result(timeout=5)
        at.check_nothing_is_left()


def test_a_signal_in_mid_put(server: S3Server) -> None:
    """SIGTERM while a PutObject hangs ends the plugin in time and leaves no object."""
    with stage(server, Plan("PutObject", Fault.HELD)) as at:
        at.plugin.init({**in_bucket(at.bucket), "endpoint": at.proxy.endpoint, "test_write": False, "batch_size": 1})
        at.plugin.open_write().send(client.insert(rows.batch("a", [1])))
        assert at.proxy.reached.wait(20)
        at.process.terminate()
        assert at.process.wait(GONE_WITHIN_S) == 0
        assert at.bucket.objects() == {}


def test_a_signal_lets_whole_objects_land(server: S3Server) -> None:
    """An object that is being committed when SIGTERM comes is finished, whole; rows of open objects are dropped."""
    with stage(server, Plan("PutObject", Fault.HELD)) as at:
        at.plugin.init({**in_bucket(at.bucket, batch_size=2), "endpoint": at.proxy.endpoint, "test_write": False})
        write = at.plugin.open_write()
        write.send(client.insert(rows.batch("a", [1, 2, 3])))
        assert at.proxy.reached.wait(20)
        at.process.terminate()
        assert eventually(at.is_stopping)
        at.proxy.released.set()
        assert at.process.wait(GONE_WITHIN_S) == 0
        (data,) = at.bucket.objects().values()
        assert data.startswith(b"PAR1")
        assert data.endswith(b"PAR1")


@pytest.mark.parametrize("how", ["cancel", "close"])
def test_an_upload_that_the_client_gives_up(server: S3Server, how: str) -> None:
    """A cancelled Write, or a Close in its middle, takes the upload back; the process is ready for the next Init."""
    with stage(server, HELD_PART) as at:
        write = at.write()
        if how == "cancel":
            write.call.cancel()
        else:
            at.plugin.close()
        at.proxy.released.set()
        with pytest.raises((grpc.RpcError, grpc.FutureCancelledError)):
            write.call.result(timeout=20)
        at.check_nothing_is_left()
        at.check_ready()


def test_a_client_that_vanishes(server: S3Server, tmp_path: Path) -> None:
    """A client that is killed in mid-stream leaves no object and no upload; the process is ready for the next Init."""
    payloads = tmp_path / "payloads"
    payloads.write_bytes(pickle.dumps([rows.ipc(batch) for batch in ROWS]))
    with stage(server, HELD_PART) as at:
        program = Path(__file__).with_name("client_program.py")
        command = [sys.executable, str(program), at.address, json.dumps(at.spec), str(payloads)]
        with subprocess.Popen(command) as vanishing:
            try:
                assert at.proxy.reached.wait(30)
            finally:
                vanishing.kill()
        at.proxy.released.set()
        at.check_nothing_is_left()
        at.check_ready()


def test_a_killed_plugin_leaves_nothing_partial(server: S3Server) -> None:
    """SIGKILL in the middle of an upload leaves no object; the open upload is what the lifecycle rule is for."""
    with stage(server, HELD_PART) as at:
        at.write()
        at.process.kill()
        at.process.wait()
        at.proxy.released.set()
        assert at.bucket.objects() == {}
        assert at.bucket.open_uploads() == ["big"]


@pytest.mark.cli
def test_a_killed_cli(server: S3Server, tmp_path: Path) -> None:
    """When the CLI is killed in the middle of an upload, its plugin takes the upload back and ends."""
    schema = ROWS[0].schema

    def endless() -> Iterator[tuple[str, Any]]:
        yield "migrate", schema
        for batch in ROWS:
            yield "insert", batch
        proxy.released.wait(60)

    bucket = server.new_bucket()
    with fault_proxy(server.endpoint, HELD_PART) as proxy, cli.scripted_source(endless, [schema]) as address:
        spec = tmp_path / "spec.yml"
        options = {"no_rotate": True, "path": "{{TABLE}}", "format": "json", "memory_budget": 12 * MIB}
        destination = {**in_bucket(bucket, **options), "endpoint": proxy.endpoint, "test_write": False}
        documents = (cli.source(address), cli.destination(destination))
        spec.write_text("---\n".join(json.dumps(document) + "\n" for document in documents))
        process = subprocess.Popen(
            [cli.binary(), "sync", str(spec), "--no-log-file"],
            cwd=tmp_path,
            env={**os.environ, "CQ_TELEMETRY_LEVEL": "none", **cli.CREDENTIALS},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            assert proxy.reached.wait(30)
            plugins = psutil.Process(process.pid).children()
        finally:
            process.kill()
            process.wait()
        assert len(plugins) == 1
        assert psutil.wait_procs(plugins, timeout=20)[1] == []
        assert bucket.open_uploads() == []
        assert bucket.objects() == {}
