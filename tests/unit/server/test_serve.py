"""The process: what arguments it takes, when it answers, how it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
from cloudquery.discovery_v1 import discovery_pb2, discovery_pb2_grpc
from cloudquery.plugin_v3 import plugin_pb2 as pb

import cloudquery_cli as cli
import plugin_client as client
import rows
from server_programs import free_port
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
    ("more", "warnings"),
    [
        ([], []),
        (["--otel-endpoint-headers", "a=b", "--license", "license.txt"], []),
        (
            ["--some-new-flag", "--another=5", "stray"],
            [
                "the argument --some-new-flag is not known, and ignored",
                "the argument --another is not known, and ignored",
                "the argument stray is not known, and ignored",
            ],
        ),
        (["--new", "value"], ["the argument --new is not known, and ignored"]),
        (["--log"], ["the argument --log is not known, and ignored"]),
        (["--log-level", "shout"], ["--log-level 'shout' is none of trace, debug, info, warn, error: info is taken"]),
        (["--log-level"], ["--log-level has no value: info is taken"]),
    ],
    ids=["plain", "known", "unknown", "with a value", "prefix", "level", "no value"],
)
def test_arguments(tmp_path: Path, more: list[str], warnings: list[str]) -> None:
    """Started as the CLI does it, also with flags that only a newer CLI has, it answers at its Unix socket.

    What is not known is one warning, and what the CLI is known to pass is none.
    """
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
    lines = [json.loads(text) for text in output.splitlines()]
    assert [line["message"] for line in lines] == [*warnings, "serving", "stopped"]
    assert [line["level"] for line in lines] == ["warn"] * len(warnings) + ["info"] * 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals(number: signal.Signals) -> None:
    """SIGINT, SIGTERM and SIGHUP end the process with status 0 and without a trace, a second one changes nothing.

    Where these tests run under `nohup` SIGHUP is ignored, and processes inherit that: so it is not, for a moment.
    """
    inherited = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    with ExitStack() as stack:
        stack.callback(signal.signal, signal.SIGHUP, inherited)
        process, address = stack.enter_context(cli.plugin_process())
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


UNIX = pytest.mark.skipif(not hasattr(os, "getppid"), reason="no parents here")

PARENT = """
import subprocess, sys
import grpc
from cloudquery.discovery_v1 import discovery_pb2, discovery_pb2_grpc
plugin = subprocess.Popen(sys.argv[2:])
stub = discovery_pb2_grpc.DiscoveryStub(grpc.insecure_channel(sys.argv[1]))
stub.GetVersions(discovery_pb2.GetVersions.Request(), timeout=20, wait_for_ready=True)
print("done", flush=True)
sys.stdin.read()
"""


def parent_of(plugin: list[str], *, connects_to: str) -> subprocess.Popen[str]:
    """A process that starts a plugin, connects to it, says "done", and ends with its input."""
    command = [sys.executable, "-c", PARENT, connects_to, *plugin]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@UNIX
def test_what_the_cli_leaves_behind(tmp_path: Path) -> None:
    """When the process that started it, and had connected to it, is gone, the plugin ends by itself."""
    address = tmp_path / "cq.sock"
    plugin = [str(cli.PLUGIN), *AS_THE_CLI_STARTS_IT, "--address", str(address)]
    parent = parent_of(plugin, connects_to=f"unix:{address}")
    assert parent.stdout is not None
    assert any(line == "done\n" for line in parent.stdout)
    # the pipe stays open, since this process reads it: that the parent is gone is all that the plugin can notice
    output, _ = parent.communicate("", timeout=30)
    assert "the process that started this plugin is gone" in output
    assert json.loads(output.splitlines()[-1])["message"] == "stopped"


@UNIX
def test_a_cli_that_ends_before_it_has_connected(tmp_path: Path) -> None:
    """When the process that started it is gone, and nobody else reads its output, the plugin ends by itself."""
    reading, writing = os.pipe()
    plugin = [str(cli.PLUGIN), *AS_THE_CLI_STARTS_IT, "--address", str(tmp_path / "cq.sock")]
    script = "import subprocess, sys; open(sys.argv[1], 'w').write(str(subprocess.Popen(sys.argv[2:]).pid))"
    number = tmp_path / "number"
    subprocess.run(
        [sys.executable, "-c", script, str(number), *plugin], stdout=writing, stderr=subprocess.DEVNULL, check=True
    )
    os.close(writing)
    os.close(reading)
    started_plugin = psutil.Process(int(number.read_text()))
    assert psutil.wait_procs([started_plugin], timeout=20)[1] == []


@UNIX
def test_a_service_that_a_script_starts(tmp_path: Path) -> None:
    """A service at a Unix socket that a script has started in the background outlives the script, and its terminal."""
    address, log = tmp_path / "cq.sock", tmp_path / "log"
    plugin = " ".join([str(cli.PLUGIN), *AS_THE_CLI_STARTS_IT, "--address", str(address)])
    script = f"nohup {plugin} >{log} 2>&1 & echo $!; read -r line"
    shell = started_by_a_shell(script)
    assert shell.stdout is not None
    service = psutil.Process(int(shell.stdout.readline()))
    try:
        assert answers(f"unix:{address}") == [3]
        shell.communicate("go\n", timeout=30)
        service.send_signal(signal.SIGHUP)
        # it looks each second: at the third look it would have noticed
        looks = service.num_ctx_switches().voluntary + 3
        assert eventually(lambda: service.num_ctx_switches().voluntary > looks, within_s=60)
        assert answers(f"unix:{address}") == [3]
        service.terminate()
        assert psutil.wait_procs([service], timeout=20)[1] == []
    finally:
        if service.is_running():
            service.kill()
    assert "is gone" not in log.read_text()


def started_by_a_shell(script: str) -> subprocess.Popen[str]:
    """A shell that runs a script."""
    return subprocess.Popen(
        ["/bin/sh", "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_a_socket_that_is_in_use(tmp_path: Path) -> None:
    """A second process does not take a socket from one that lives; one that a dead process has left is replaced."""
    address = tmp_path / "cq.sock"
    first = started("serve", "--network", "unix", "--address", str(address))
    try:
        assert answers(f"unix:{address}") == [3]
        second = started("serve", "--network", "unix", "--address", str(address))
        output, _ = second.communicate(timeout=20)
        assert second.returncode == 1
        assert "another process listens there" in output
        assert answers(f"unix:{address}") == [3]
    finally:
        first.kill()
        first.communicate()
    third = started("serve", "--network", "unix", "--address", str(address))
    try:
        assert answers(f"unix:{address}") == [3]
        third.terminate()
        third.communicate(timeout=20)
    finally:
        third.kill()
        third.wait()
    assert not address.exists()


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("1.2.3.4:99999", "a port is a number from 0 to 65535; correct --address"),
        ("127.0.0.1:-1", "a port is a number from 0 to 65535"),
        ("127.0.0.1:" + "9" * 5000, "a port is a number from 0 to 65535"),
        ("localhost:http", "a port is a number from 0 to 65535"),
        ("localhost:", "a port is a number from 0 to 65535"),
        ("7777", "an address is host:port"),
        ("", "an address is host:port"),
        ("::1:7777", "with an IPv6 address in brackets"),
        ("no-such-host.invalid:7777", "correct --address"),
        ("a" * 70 + ".invalid:1", "correct --address"),
        ("\ud800:7777", "correct --address"),
        ("192.0.2.1:7777", "this machine does not have that address"),
    ],
)
def test_addresses_that_are_none(address: str, words: str) -> None:
    """An address that cannot be listened at ends with status 1, one line that says why, and no trace."""
    process = started("serve", "--address", address.encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape"))
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert words in output
    assert "Traceback" not in output
    assert len(output.splitlines()) == 1


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("no/such/folder/cq.sock", "there is no folder no/such/folder; create it, or have TMPDIR name one"),
        ("a" * 200, "choose a shorter --address, or a shorter TMPDIR"),
        ("file", "it is no socket; choose another --address"),
    ],
)
def test_sockets_that_are_none(tmp_path: Path, address: str, words: str) -> None:
    """A socket's path that cannot be used is told with what to do about it."""
    (tmp_path / "file").write_text("")
    process = started("serve", "--network", "unix", "--address", address, cwd=tmp_path)
    output, _ = process.communicate(timeout=20)
    assert process.returncode == 1
    assert words in output


def test_closed_streams() -> None:
    """Without standard streams it serves and ends as with them."""
    script = f"exec {cli.PLUGIN} serve --address 127.0.0.1:$0 <&- >&- 2>&-"
    port = free_port()
    process = subprocess.Popen(["/bin/sh", "-c", script, str(port)])
    try:
        assert answers(f"127.0.0.1:{port}") == [3]
        process.terminate()
        assert process.wait(timeout=20) == 0
    finally:
        process.kill()
        process.wait()


def test_output_that_nobody_reads() -> None:
    """When whoever reads its output goes away, it serves on and ends with status 0."""
    port = free_port()
    process = started("serve", "--address", f"127.0.0.1:{port}")
    try:
        assert process.stdout is not None
        process.stdout.close()
        assert answers(f"127.0.0.1:{port}") == [3]
        process.terminate()
        assert process.wait(timeout=20) == 0
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(("network", "host"), [("tcp4", "127.0.0.1"), ("tcp6", "::1")])
def test_one_family(network: str, host: str) -> None:
    """With tcp4 or tcp6 a name is listened at with its addresses of that family alone."""
    if network == "tcp6" and not has_ipv6():
        pytest.skip("localhost has no IPv6 address here")
    process = started("serve", "--network", network, "--address", "localhost:0", "--log-format", "json")
    try:
        assert process.stdout is not None
        port = json.loads(process.stdout.readline())["address"].rpartition(":")[2]
        listening = {
            one.laddr.ip for one in psutil.Process(process.pid).net_connections("inet") if one.status == "LISTEN"
        }
        assert (listening, int(port) > 0) == ({host}, True)
    finally:
        process.kill()
        process.communicate()


def has_ipv6() -> bool:
    """Whether `localhost` is ::1, too."""
    try:
        return bool(socket.getaddrinfo("localhost", 0, family=socket.AF_INET6, type=socket.SOCK_STREAM))
    except OSError:
        return False


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="this system has no terminals of that kind")
@pytest.mark.parametrize(("on_terminal", "timed"), [(True, False), (False, True)])
def test_who_adds_the_time(on_terminal: bool, timed: bool) -> None:
    """JSON lines of a service have their time; on the terminal of a container the CLI reads them, and adds it."""
    ours, theirs = os.openpty()
    arguments = ("serve", "--address", "127.0.0.1:0", "--log-format", "json")
    process = started(*arguments) if not on_terminal else subprocess.Popen([cli.PLUGIN, *arguments], stdout=theirs)
    try:
        with os.fdopen(ours if on_terminal else process.stdout.fileno(), closefd=False) as lines:
            assert ("time" in json.loads(lines.readline())) == timed
    finally:
        process.kill()
        process.wait()
        os.close(ours)
        os.close(theirs)
