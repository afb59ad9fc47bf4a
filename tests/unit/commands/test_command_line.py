"""The program as a whole: its help, its versions, its exit codes, and how soon `serve` listens."""

from __future__ import annotations

import json
import os
import pty
import re
import resource
import subprocess
import sys
from typing import TYPE_CHECKING

import psutil
import pytest

import cloudquery_s3
import program
from cloudquery_s3.spec.schema import json_schema
from program import as_yaml
from specs import written

if TYPE_CHECKING:
    from pathlib import Path

COMMANDS = ("serve", "check", "ddl", "syncs", "verify", "publish", "expire", "report", "schema", "package", "version")


def test_help_lists_every_command() -> None:
    """`--help` names each command, and the exit codes."""
    said = program.run("--help")
    assert said.status == 0
    assert re.findall(r"^  (\w+)  ", said.output.partition("Commands:")[2], re.MULTILINE) == list(COMMANDS)
    assert "Exit codes: 0" in said.output


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    """`COMMAND --help` explains the command and ends well."""
    said = in_a_process(command, "--help")
    assert said.returncode == 0
    assert said.stdout.lower().startswith(f"usage: cloudquery-s3 {command}")


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["check"], ["check", "no-such-file"], ["schema", "--wrong"]])
def test_wrong_usage(arguments: list[str]) -> None:
    """A command that is called wrongly ends with 2."""
    assert in_a_process(*arguments).returncode == 2


def test_no_colours_without_a_terminal() -> None:
    """Into a pipe, help is plain text: no colours, no frames."""
    said = in_a_process("check", "--help").stdout
    assert said.isascii()
    assert "\x1b" not in said


def test_colours_on_a_terminal(tmp_path: Path) -> None:
    """On a terminal help and what `check` shows have colours; NO_COLOR is heeded."""
    assert "\x1b[" in on_a_terminal("--help")
    spec = as_yaml(tmp_path, written())
    shown = on_a_terminal("check", str(spec))
    assert "\x1b[3" in shown
    assert "\x1b[3" not in on_a_terminal("check", str(spec), NO_COLOR="1").replace("\x1b[3m", "")  # italics


@pytest.mark.parametrize("command", ["", *COMMANDS])
@pytest.mark.parametrize("terminal", [True, False])
def test_help_has_the_users_words(command: str, terminal: bool) -> None:
    """Help names what a user types, on a terminal too: no type of Python's, such as `<list[Path]>` or `<bool>`."""
    arguments = [*command.split(), "--help"]
    shown = on_a_terminal(*arguments, NO_COLOR="1", COLUMNS="100") if terminal else in_a_process(*arguments).stdout
    assert "Usage" in shown or command == "serve"
    assert re.findall(r"<[^>\n]*>?", re.sub(r"\x1b\[[0-9;]*m", "", shown)) == []


def test_keys_can_be_copied(tmp_path: Path) -> None:
    """On a narrow terminal a key is whole, on one line: neither wrapped nor cut."""
    spec = as_yaml(tmp_path, written(path="long/" * 60 + "{{TABLE}}/{{UUID}}.{{FORMAT}}"))
    shown = on_a_terminal("check", str(spec), COLUMNS="40", NO_COLOR="1")
    assert "long/" * 60 + "TEST_TABLE/TEST_UUID.json\r\n" in re.sub(r"\x1b\[[0-9;]*m", "", shown)


@pytest.mark.parametrize("arguments", [["-h"], ["check", "-h"], ["package", "-h"]])
def test_short_help(arguments: list[str]) -> None:
    """`-h` is `--help`, and shows arguments without braces."""
    said = in_a_process(*arguments)
    assert said.returncode == 0
    assert said.stdout == in_a_process(*arguments[:-1], "--help").stdout
    assert not re.search(r"[{]|\[\[", said.stdout.partition("\n")[0])


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str) -> None:
    """A shell can be told to complete commands and options."""
    said = subprocess.run(
        [program.PROGRAM, "--show-completion", shell],
        env={**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "cloudquery-s3" in said.stdout


def test_versions() -> None:
    """`version` and `--version` begin with the package's own version."""
    own = f"cloudquery-s3 {cloudquery_s3.__version__}\n"
    assert program.run("--version").output == own
    assert program.run("version").output.startswith(own)
    assert re.search(r"^pyarrow \d+\.", program.run("version").output, re.MULTILINE)


def test_schema() -> None:
    """`schema` prints the JSON schema that the CLI is given, and nothing else."""
    assert json.loads(program.run("schema").output) == json.loads(json_schema())


def test_serve_binds_soon() -> None:
    """`serve` listens after less work than loading Arrow takes: the CLI connects at once, and then not for a second.

    Processor time, each the best of a few in turns: seconds on the wall would tell how busy this machine is.
    """
    turns = [(cpu_seconds_until_bound(), cpu_seconds_of("import asyncio, pyarrow")) for _ in range(4)]
    bound, arrow = map(min, zip(*turns, strict=True))
    assert bound < arrow


def test_serve_imports_nothing_for_people() -> None:
    """`serve` runs without typer and rich."""
    command = [sys.executable, "-X", "importtime", "-m", "cloudquery_s3.cli", "serve", "--help"]
    imports = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    assert "cloudquery_s3.server.serve" in imports
    assert not re.search(r"\| +(typer|rich|yaml|pydantic|pyarrow|botocore)$", imports, re.MULTILINE)


def in_a_process(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the installed program, its output going into pipes."""
    return subprocess.run([program.PROGRAM, *arguments], capture_output=True, text=True, timeout=60, check=False)


def on_a_terminal(*arguments: str, **more: str) -> str:
    """Run the program on a terminal of its own."""
    master, slave = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"} | {"TERM": "xterm", **more}
    with subprocess.Popen([program.PROGRAM, *arguments], stdout=slave, stderr=slave, env=environment) as process:
        os.close(slave)
        output = b""
        try:
            while data := os.read(master, 65536):
                output += data
        except OSError:
            pass  # a terminal ends so on Linux
        process.wait()
    os.close(master)
    return output.decode()


def cpu_seconds_until_bound() -> float:
    """Start `serve`, and return how much processor time it has taken when it says that it serves."""
    arguments = ["serve", "--address", "127.0.0.1:0", "--log-format", "json"]
    with subprocess.Popen([program.PROGRAM, *arguments], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert b'"serving"' in process.stdout.readline()
        times = psutil.Process(process.pid).cpu_times()
        process.kill()
    return float(times.user + times.system)


def cpu_seconds_of(program: str) -> float:
    """Run a program of Python, and return how much processor time it has taken."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
