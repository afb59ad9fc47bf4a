"""The process: what arguments it takes, when it answers, how it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

import grpc
import pytest
from cloudquery.discovery_v1 import discovery_pb2, discovery_pb2_grpc
from cloudquery.plugin_v3 import plugin_pb2 as pb

import cloudquery_cli as cli
import plugin_client as client
import rows
from waiting import eventually

AS_THE_CLI_STARTS_IT = ["serve", "--log-level", "info", "--log-format", "json", "--network", "unix", "--no-sentry"]


def answers(address: str) -> list[int]:
    """The protocol versions that whoever listens there speaks."""
    with grpc.insecure_channel(address) as channel:
        stub = discovery_pb2_grpc.DiscoveryStub(channel)
        versions = stub.GetVersions(discovery_pb2.GetVersions.Request(), timeout=20, wait_for_ready=True).versions
        return list(versions)


def started(*arguments: str, **options: Any) -> subprocess.Popen[str]:
    """A plugin process whose output can be read."""
    command = [str(cli.PLUGIN), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)


@pytest.mark.parametrize(
    "more",
    [
        [],
        ["--otel-endpoint", "localhost:4317", "--otel-endpoint-insecure"],
        ["--license", "license.txt", "--some-new-flag", "--another=5", "stray"],
        ["--log"],
        ["--log-level", "shout"],
    ],
    ids=["plain", "otel", "unknown", "prefix", "level"],
)
def test_arguments(tmp_path: Path, more: list[str]) -> None:
    """Started as the CLI does it, also with flags that only a newer CLI has, it answers at its Unix socket."""
    address = tmp_path / "cq.sock"
    process = started(*AS_THE_CLI_STARTS_IT, "--address", str(address), *more)
    try:
        assert answers(f"unix:{address}") == [3]
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=20)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, output
    assert [json.loads(text)["message"] for text in output.splitlines()] == ["serving", "stopped"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals(number: signal.Signals) -> None:
    """SIGINT and SIGTERM end the process with status 0 and without a trace, a second one changes nothing."""
    with cli.plugin_process() as (process, address):
        assert answers(address) == [3]
        process.send_signal(number)
        process.send_signal(number)
        assert process.wait(timeout=20) == 0
        assert process.stdout is not None
        assert "Traceback" not in process.stdout.read()


def test_an_address_that_is_taken() -> None:
    """Where somebody listens already, it ends with status 1 and says what to do."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        process = started("serve", "--address", address, "--log-format", "json")
        output, _ = process.communicate(timeout=20)
    assert process.returncode == 1
    errors = [json.loads(text) for text in output.splitlines() if text.startswith("{")]
    assert any(line["level"] == "error" and f"cannot listen on {address}" in line["message"] for line in errors)


def test_text_is_for_people() -> None:
    """Without `--log-format json`, as a person starts it, lines are text."""
    process = started("serve", "--address", "127.0.0.1:0")
    try:
        assert process.stdout is not None
        assert "serving address=127.0.0.1:" in process.stdout.readline()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_close_and_write_without_init() -> None:
    """A process that has had no Init answers Close, and refuses Write with what to do."""
    with cli.plugin_process() as (_, address):
        plugin = client.Client(address)
        plugin.close()
        with pytest.raises(grpc.RpcError) as raised:
            plugin.write([client.insert(rows.batch("t", [1]))])
        assert raised.value.code() is grpc.StatusCode.FAILED_PRECONDITION
        assert raised.value.details() == "there is no connection to S3: call Init first"
        assert plugin.stub.GetName(pb.GetName.Request()).name == "s3"


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="no /proc here")
def test_loading_ahead() -> None:
    """As soon as it listens it loads by itself what Init will need, so that Init does not have to."""
    with cli.plugin_process() as (process, _):
        loaded = Path(f"/proc/{process.pid}/maps")
        assert eventually(lambda: "libarrow" in loaded.read_text() and "_multiarray_umath" in loaded.read_text())


@pytest.mark.skipif(not hasattr(os, "getppid"), reason="no parents here")
def test_what_the_cli_leaves_behind(tmp_path: Path) -> None:
    """When the process that started it at a Unix socket is gone, the plugin ends by itself."""
    address = tmp_path / "cq.sock"
    command = " ".join([str(cli.PLUGIN), *AS_THE_CLI_STARTS_IT, "--address", str(address)])
    # the shell ends as soon as it has started the plugin, whose output tells when that has ended
    parent = started_by_a_shell(f"{command} & read -r line")
    assert answers(f"unix:{address}") == [3]
    output, _ = parent.communicate("go\n", timeout=30)
    assert "the process that started this plugin is gone" in output
    assert json.loads(output.splitlines()[-1])["message"] == "stopped"


def started_by_a_shell(script: str) -> subprocess.Popen[str]:
    """A shell that runs a script."""
    return subprocess.Popen(
        ["/bin/sh", "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
