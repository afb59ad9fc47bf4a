"""One service for several syncs of the real CLI at once: each row goes where its own spec says."""

from __future__ import annotations

import shutil
import signal
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from cloudquery.plugin_v3 import plugin_pb2 as pb

import cloudquery_cli as cli
import plugin_client as client
import rows
from lake import in_bucket, parquet_values
from s3_servers import moto  # noqa: F401 -- a fixture
from server_programs import free_port
from waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from s3_servers import Bucket, S3Server

SYNCS = 8


def script(number: int) -> Callable[[], Iterator[tuple[str, Any]]]:
    """What the source of one sync sends: rows that no other sends, in a table of the same name."""

    def sends() -> Iterator[tuple[str, Any]]:
        yield "migrate", rows.schema("t")
        for start in range(number * 1_000, number * 1_000 + 300, 50):
            yield "insert", rows.batch("t", list(range(start, start + 50)))

    return sends


def expected(number: int) -> dict[str, list[int]]:
    """What must be in the bucket of that sync."""
    return {"t": list(range(number * 1_000, number * 1_000 + 300))}


class Syncs:
    """Syncs of the real CLI, each with a source, a bucket and a folder of its own, into one service."""

    def __init__(self, moto: S3Server, address: str, folder: Path) -> None:  # noqa: F811 -- the fixture's name
        self._moto = moto
        self._address = address
        self._folder = folder
        self._sources = ExitStack()
        self.sources = [
            self._sources.enter_context(cli.scripted_source(script(number), [rows.schema("t")]))
            for number in range(SYNCS)
        ]

    def close(self) -> None:
        self._sources.close()

    def run(self, name: str) -> list[tuple[cli.Result, Bucket]]:
        """Run all of them at once; how each ended, and its bucket."""
        buckets = [self._moto.new_bucket() for _ in range(SYNCS)]
        with ThreadPoolExecutor(SYNCS) as threads:
            done = list(threads.map(lambda number: self._sync(name, number, buckets[number]), range(SYNCS)))
        return list(zip(done, buckets, strict=True))

    def _sync(self, name: str, number: int, bucket: Bucket) -> cli.Result:
        folder = self._folder / f"{name}-{number}"
        folder.mkdir()
        destination = cli.destination(in_bucket(bucket), registry="grpc", path=self._address)
        return cli.run("sync", cli.source(self.sources[number]), destination, folder=folder, timeout=280)


@contextmanager
def syncs_into(moto: S3Server, address: str, folder: Path) -> Iterator[Syncs]:  # noqa: F811 -- the fixture's name
    """Give syncs into a service."""
    syncs = Syncs(moto, address, folder)
    try:
        yield syncs
    finally:
        syncs.close()


def check_all(ended: list[tuple[cli.Result, Bucket]]) -> None:
    """Each sync has succeeded, and its rows are in its bucket, all of them and no others."""
    for number, (done, bucket) in enumerate(ended):
        assert done.status == 0, done.output
        assert parquet_values(bucket) == expected(number)


@pytest.mark.cli
@pytest.mark.parametrize("rounds", [2, pytest.param(20, marks=pytest.mark.slow)])
@pytest.mark.timeout(1800)
def test_syncs_at_once(moto: S3Server, tmp_path: Path, rounds: int) -> None:  # noqa: F811 -- the fixture's name
    """Eight syncs at once, with eight specs, into one service: each row is in its bucket, round after round."""
    with cli.plugin_process() as (_, address), syncs_into(moto, address, tmp_path) as syncs:
        for number in range(rounds):
            check_all(syncs.run(str(number)))


NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
CONFIGURATION = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 512; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  upstream plugin {{
    server {plugin};
    {keepalive}
  }}
  server {{
    listen 127.0.0.1:{port} http2;
    client_max_body_size 0;
    location / {{
      grpc_pass grpc://plugin;
      grpc_read_timeout 1h;
      grpc_send_timeout 1h;
      {naming}
    }}
  }}
}}
"""
NAMING = 'grpc_set_header x-client-connection "$remote_addr:$remote_port";'


@contextmanager
def nginx(plugin: str, folder: Path, *, keepalive: bool, naming: bool) -> Iterator[str]:
    """Run nginx in front of a plugin; gives its address."""
    if NGINX is None:
        pytest.skip("there is no nginx: install Debian's package nginx, or your system's")
    port = free_port()
    text = CONFIGURATION.format(
        folder=folder,
        plugin=plugin,
        port=port,
        keepalive="keepalive 16;" if keepalive else "",
        naming=NAMING if naming else "",
    )
    file = folder / "nginx.conf"
    file.write_text(text)
    with subprocess.Popen([NGINX, "-p", str(folder), "-c", str(file), "-e", str(folder / "error.log")]) as process:
        try:
            address = f"127.0.0.1:{port}"
            with grpc.insecure_channel(address) as channel:
                grpc.channel_ready_future(channel).result(20)
            yield address
        finally:
            process.send_signal(signal.SIGQUIT)
            process.wait(20)


@pytest.fixture(params=[False, True], ids=["connection a call", "keepalive"])
def keepalive(request: pytest.FixtureRequest) -> bool:
    """Whether nginx keeps its connections for the calls of whoever comes next."""
    value: bool = request.param
    return value


@pytest.mark.cli
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_behind_nginx(moto: S3Server, tmp_path: Path, keepalive: bool) -> None:  # noqa: F811 -- the fixture's name
    """Behind nginx that names its clients' connections, eight syncs at once have each row in its bucket."""
    with (
        cli.plugin_process() as (_, plugin),
        nginx(plugin, tmp_path, keepalive=keepalive, naming=True) as address,
        syncs_into(moto, address, tmp_path) as syncs,
    ):
        for number in range(20):
            check_all(syncs.run(str(number)))


@pytest.mark.cli
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_behind_nginx_as_it_is(moto: S3Server, tmp_path: Path, keepalive: bool) -> None:  # noqa: F811 -- likewise
    """Behind nginx that names nobody, one sync after the other works; of several at once none gets another's bucket."""
    with (
        cli.plugin_process() as (_, plugin),
        nginx(plugin, tmp_path, keepalive=keepalive, naming=False) as address,
        syncs_into(moto, address, tmp_path) as syncs,
    ):
        for number in range(3):
            bucket = moto.new_bucket()
            done = syncs._sync("alone", number, bucket)
            assert done.status == 0, done.output
            assert parquet_values(bucket) == expected(number)
        for number, (done, bucket) in enumerate(syncs.run("together")):
            assert parquet_values(bucket) in ({}, expected(number))
            assert done.status == 0 or "several syncs use this service" in done.output


class Alone(client.Client):
    """A client with a connection of its own: gRPC would share one between channels of the same options."""

    def __init__(self, address: str) -> None:
        super().__init__(address, ("grpc.use_local_subchannel_pool", 1))


def spec(bucket: Bucket, name: str, **options: Any) -> dict[str, Any]:
    """JSON lines below a name."""
    return in_bucket(bucket, **{"path": f"{name}/{{{{UUID}}}}", "format": "json", "test_write": False, **options})


def found(bucket: Bucket) -> dict[str, set[str]]:
    """What is below each name."""
    names: dict[str, set[str]] = {}
    for key, data in bucket.objects().items():
        names.setdefault(key.partition("/")[0], set()).update(data.decode().split())
    return names


def test_two_clients(moto: S3Server) -> None:  # noqa: F811 -- the fixture's name
    """A calls Init, B calls Init, A writes, B writes: each row is where its client's Init has pointed."""
    bucket = moto.new_bucket()
    with cli.plugin_process() as (_, address):
        a, b, stranger = Alone(address), Alone(address), Alone(address)
        a.init(spec(bucket, "a"))
        stranger.write([client.insert(rows.batch("t", [0]))])
        b.init(spec(bucket, "b"))
        a.write([client.insert(rows.batch("t", [1]))])
        b.write([client.insert(rows.batch("t", [2]))])
        with pytest.raises(grpc.RpcError, match="several syncs use this service") as raised:
            stranger.write([client.insert(rows.batch("t", [3]))])
        assert raised.value.code() is grpc.StatusCode.FAILED_PRECONDITION
        b.close()
        stranger.write([client.insert(rows.batch("t", [4]))])
    assert found(bucket) == {"a": {'{"n":0}', '{"n":1}', '{"n":4}'}, "b": {'{"n":2}'}}


def test_a_connection_a_call(moto: S3Server) -> None:  # noqa: F811 -- the fixture's name
    """Init, Write and Close on connections of their own, each closed before the next, are one sync."""
    bucket = moto.new_bucket()
    with cli.plugin_process() as (_, address):
        calls: list[Callable[[client.Client], None]] = [
            lambda one: one.init(spec(bucket, "a")),
            lambda one: one.write([client.insert(rows.batch("t", [1]))]),
            lambda one: one.close(),
        ]
        for call in calls:
            one = Alone(address)
            call(one)
            one.channel.close()
        with pytest.raises(grpc.RpcError, match="call Init first"):
            Alone(address).write([])
    assert found(bucket) == {"a": {'{"n":1}'}}


def test_read_and_write_after_close(moto: S3Server) -> None:  # noqa: F811 -- the fixture's name
    """After Close the connection that called Init goes on reading and writing, as with the Go plugin; others do not."""
    bucket = moto.new_bucket()
    with cli.plugin_process() as (_, address):
        one, other = Alone(address), Alone(address)
        one.init(in_bucket(bucket, path="{{TABLE}}", no_rotate=True, format="json", test_write=False))
        one.write([client.insert(rows.batch("t", [1]))])
        one.close()
        request = pb.Read.Request(table=rows.ipc(rows.schema("t")))
        assert len(list(one.stub.Read(request, timeout=60))) == 1
        with pytest.raises(grpc.RpcError, match="call Init first"):
            list(other.stub.Read(request, timeout=60))
        one.write([client.insert(rows.batch("u", [2]))])
    assert sorted(bucket.objects()) == ["t", "u"]


def test_inits_at_once(moto: S3Server) -> None:  # noqa: F811 -- the fixture's name
    """Inits at the same time, of as many clients, all succeed, and each client has its own."""
    bucket = moto.new_bucket()
    with cli.plugin_process() as (_, address):
        clients = {name: Alone(address) for name in "abcdef"}
        barrier = threading.Barrier(len(clients))

        def sync(name: str) -> None:
            barrier.wait()
            clients[name].init(spec(bucket, name, test_write=True))
            barrier.wait()
            clients[name].write([client.insert(rows.batch(name, [ord(name)]))])

        with ThreadPoolExecutor(len(clients)) as threads:
            list(threads.map(sync, clients))
    assert found(bucket) == {name: {f'{{"n":{ord(name)}}}'} for name in clients}


def test_a_client_that_vanishes_while_it_calls_init(moto: S3Server) -> None:  # noqa: F811 -- the fixture's name
    """An Init whose client goes away while it runs leaves no destination behind for others."""
    bucket = moto.new_bucket()
    with cli.plugin_process() as (_, address):
        gone, other = Alone(address), Alone(address)
        nowhere = spec(bucket, "gone", endpoint="http://127.0.0.1:1", test_write=True)
        call = gone.stub.Init.future(pb.Init.Request(spec=client.encoded(nowhere)))
        call.cancel()
        gone.channel.close()

        def refused() -> bool:
            with pytest.raises(grpc.RpcError) as raised:
                other.write([])
            return "call Init first" in raised.value.details()

        assert eventually(refused)
