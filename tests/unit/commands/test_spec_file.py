from __future__ import annotations

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from cloudquery.discovery_v1 import discovery_pb2_grpc
from cloudquery.plugin_v3 import plugin_pb2, plugin_pb2_grpc

import cloudquery_cli as cli
from cloudquery_s3.commands.spec_file import files_of, read_documents
from cloudquery_s3.errors import SpecError

if TYPE_CHECKING:
    from pathlib import Path


def read(folder: Path, text: str, **environment: str) -> Any:
    """The content of a file's only document."""
    file = folder / "spec.yml"
    file.write_text(text, encoding="utf-8")
    (document,) = read_documents(file, environment)
    return document.content


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${X}", 7),
        ('"${X}"', "007"),
        ("'${X}'", "007"),
        ("a-${X}", "a-007"),
        ('"a-${X}/${Y}"', "a-007/true"),
        ("${Y}", True),
        ("[a, ${Y}]", ["a", True]),
        ("{a: ${Y}}", {"a": True}),
        ("${EMPTY}", None),
        ('"${EMPTY}"', ""),
        ("a # ${UNSET}", "a"),
        ("1.0", 1),
        ("1e3", 1000),
        ("1.5", 1.5),
        ("0644", 420),
        ("yes", True),
        ("2026-01-02", "2026-01-02"),
        ("9007199254740993", 9007199254740993),
        ('"{{TABLE}}"', "{{TABLE}}"),
        ("~", None),
        ("${time:now|2006}", "${time:now|2006}"),
    ],
)
def test_values(text: str, value: object, tmp_path: Path) -> None:
    """A value is what the CloudQuery CLI makes of it; seen with CLI 6.21.1, cli.md 6."""
    found = read(tmp_path, f"key: {text}\n", X="007", Y="true", EMPTY="")
    assert json.dumps(found) == json.dumps({"key": value})


def test_missing_variables(tmp_path: Path) -> None:
    """Every variable without a value is named once and stays as written."""
    file = tmp_path / "spec.yml"
    file.write_text('a: "${A}"\nb: [x${B}, "${A}"]\nc: "${file:none.txt}"\n', encoding="utf-8")
    (document,) = read_documents(file, {})
    assert document.missing == ("A", "B", "file:none.txt")
    assert document.content == {"a": "${A}", "b": ["x${B}", "${A}"], "c": "${file:none.txt}"}


def test_files(tmp_path: Path) -> None:
    """`${file:path}` is the file's content; in quotes it is text, whatever it holds."""
    (tmp_path / "value.txt").write_text("12", encoding="utf-8")
    found = read(tmp_path, f'a: ${{file:{tmp_path}/value.txt}}\nb: "${{file:{tmp_path}/value.txt}}"\n')
    assert found == {"a": 12, "b": "12"}


def test_documents(tmp_path: Path) -> None:
    """A file holds several documents; empty ones do not count."""
    file = tmp_path / "spec.yml"
    file.write_text("---\na: 1\n---\n# nothing\n---\nb: 2\n", encoding="utf-8")
    assert [document.content for document in read_documents(file, {})] == [{"a": 1}, {"b": 2}]


def test_anchors(tmp_path: Path) -> None:
    """Anchors and merge keys are followed; what is written beside a merge counts more."""
    assert read(tmp_path, "a: &x {p: 1, q: 2}\nb: {<<: *x, q: 3}\n")["b"] == {"p": 1, "q": 3}


def test_repeated_keys(tmp_path: Path) -> None:
    """A key that is written twice is noted, and the last one counts."""
    file = tmp_path / "spec.yml"
    file.write_text("a: 1\na: 2\n", encoding="utf-8")
    (document,) = read_documents(file, {})
    assert (document.content, document.repeated) == ({"a": 2}, ("a",))


@pytest.mark.parametrize("data", [b"a: [1", b"\xff\xfe\xff", b"a: b: c", b"a: \x07"])
def test_no_yaml(data: bytes, tmp_path: Path) -> None:
    """What is not YAML is an error that does not show the file's content."""
    file = tmp_path / "spec.yml"
    file.write_bytes(b"password: hidden\n" + data)
    with pytest.raises(SpecError, match="is not YAML") as caught:
        read_documents(file, {})
    assert "hidden" not in str(caught.value)


def test_a_folders_files(tmp_path: Path) -> None:
    """Of a folder, the visible YAML files count, by name."""
    for name in ("b.yaml", "a.yml", ".c.yml", "d.json"):
        (tmp_path / name).touch()
    assert [file.name for file in files_of(tmp_path)] == ["a.yml", "b.yaml"]


@pytest.mark.cli
def test_the_cli_agrees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the real CLI sends as a spec is what is read here."""
    text = 'a: ${X}\nb: "${X}"\nc: 1e3\nd: 1.0\ne: 0644\nf: yes\ng: 2026-01-02\nh: p-${X}\n'
    monkeypatch.setenv("X", "007")
    expected = read(tmp_path, text, X="007")
    assert sent_by_the_cli(text, tmp_path) == expected


def sent_by_the_cli(spec: str, folder: Path) -> Any:
    """Let the CLI send a plugin's spec, written in YAML, to a plugin that notes it."""
    noting = Noting(lambda: iter(()), [])
    server = grpc.server(ThreadPoolExecutor(2))
    plugin_pb2_grpc.add_PluginServicer_to_server(noting, server)
    discovery_pb2_grpc.add_DiscoveryServicer_to_server(noting, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    indented = "".join(f"    {line}\n" for line in spec.splitlines())
    file = folder / "cli.yml"
    outer = f"kind: destination\nspec:\n  name: d\n  registry: grpc\n  path: 127.0.0.1:{port}\n  spec:\n{indented}"
    file.write_text(outer, encoding="utf-8")
    try:
        command = [cli.binary(), "test-connection", file, "--telemetry-level", "none", "--no-log-file"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    finally:
        server.stop(0).wait()
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(noting.spec)


class Noting(cli.ScriptedSource):
    """Notes the spec of a TestConnection."""

    spec = b""

    def TestConnection(self, request: Any, _context: Any) -> Any:
        self.spec = request.spec
        return plugin_pb2.TestConnection.Response(success=True)
