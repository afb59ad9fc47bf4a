"""What the real CLI makes of a file is what `check` makes of it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from cloudquery.discovery_v1 import discovery_pb2_grpc
from cloudquery.plugin_v3 import plugin_pb2, plugin_pb2_grpc

import cloudquery_cli as cli
from cloudquery_s3.commands.spec_file import read_documents
from cloudquery_s3.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.cli

ENVIRONMENT = {
    "SEVEN": "007",
    "TRUE": "true",
    "NULL": "null",
    "EMPTY": "",
    "DATE": "2026-01-02",
    "FLOAT": "1e3",
    "QUOTE": 'a"b',
    "APOSTROPHE": "it's",
    "BACKSLASH": "c\\d",
    "ESCAPE": "one\\ttwo",
    "HASH": "x # y",
    "COLON": "k: v",
    "HOST": "http://h:1/x",
    "LIST": "[1, 2]",
    "OBJECT": "{a: 1}",
    "STAR": "*",
    "BRACE": "{",
    "LINES": "one\ntwo",
    "INDIRECT": "${SEVEN}",
    "SPACES": "  x  ",
}

VALUES = [
    # without variables
    *("1.0", "1e3", "1.5", "0644", "0o17", "0x1F", "0b101", "1_000", "+1", "-0", ".5", "1e400", "08", "1:30", "1__0"),
    *("9007199254740993", "18446744073709551615", "18446744073709551616", "-9223372036854775809", "1e21", "1.7e-9"),
    *("yes", "y", "N", "on", "Off", "TRUE", "tRUE", "~", "null", "NULL", "nULL", '""', "''", "", "'yes'", "'1'"),
    *("2026-01-02", "2026-1-2", "2026-01-02 03:04:05", "2026-01-02T03:04:05Z", "12:00", "'2026-01-02'"),
    *('"{{TABLE}}"', "a{{TABLE}}", "a#b", "a #b", "!!str 1", "!!int '1'", "!!float 1", "!!binary aGk=", "!x y", "<<"),
    *(
        "[a, 1, yes]",
        "{a: 1, 2: b, true: c}",
        "[{a: [1]}]",
        "|\n        one\n        two",
        ">-\n        one\n        two",
    ),
    *('"a\\tb\\u00e9"', "é", "a:b", "a\t", "x" * 90 + " " + "y" * 90, "'@@plugins.d.connection'"),
    # with variables
    *("${SEVEN}", '"${SEVEN}"', "'${SEVEN}'", "a-${SEVEN}", '"a-${SEVEN}"', "${SEVEN}-a", "1${SEVEN}", "-${SEVEN}"),
    *("${TRUE}", '"${TRUE}"', "[a, ${TRUE}]", "{a: ${TRUE}}", "${NULL}", '"${NULL}"', "${EMPTY}", '"${EMPTY}"'),
    *('"a${EMPTY}"', "${DATE}", "${FLOAT}", '"${FLOAT}"', "${HASH}", '"${HASH}"', "'a ${HASH}'", '"${APOSTROPHE}"'),
    *(
        "${QUOTE}",
        "${APOSTROPHE}",
        "${BACKSLASH}",
        '"a${BACKSLASH}"',
        '"${ESCAPE}"',
        "'${ESCAPE}'",
        "${HOST}",
        '"${HOST}"',
    ),
    *(
        "${LIST}",
        '"${LIST}"',
        "${OBJECT}",
        "'${OBJECT}'",
        "${SPACES}",
        '"${SPACES}"',
        "${INDIRECT}",
        '"${SEVEN}${TRUE}"',
    ),
    *("a${SEVEN}${TRUE}", '"{${SEVEN}}"', "'{{TABLE}}/${SEVEN}'", '"${COLON}"', "'x: ${SEVEN}'", '"${LINES}"'),
    *("|\n        ${SEVEN} one\n        ${TRUE}", "a # ${NOT_SET}", "${file:value.txt}", '"${file:value.txt}"'),
    *('"${file:key.json}"', "${file:nested.txt}", '"${DATE} ${HASH}"', "'${SEVEN}'", '"*${STAR}"'),
]
"""What may stand behind `key:` in a spec."""

FILES = {"value.txt": "12", "nested.txt": "${SEVEN}", "key.json": '{\n  "a": "b"\n}\n'}
"""What variables such as `${file:value.txt}` find."""

BROKEN = [
    *(
        "${COLON}",
        "a-${COLON}",
        "${STAR}",
        "${BRACE}",
        '"${QUOTE}"',
        "'${QUOTE}'",
        "'${BACKSLASH}'",
        "a${LINES}: ${LINES}",
    ),
    *(
        "{{TABLE}}",
        "a: b: c",
        "*x",
        "@a",
        "!!int x",
        "[1",
        ".inf",
        ".nan",
        "{[a]: 1}",
        "{~: 1}",
        "|\n        ${LINES}\n    x",
    ),
]
"""What neither the CLI nor `check` can read."""


@pytest.fixture(autouse=True)
def files(tmp_path: Path) -> None:
    """The files, in the folder where the CLI runs."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")


def test_values(tmp_path: Path) -> None:
    """Each spec that the CLI sends to a plugin is the one that is read here."""
    with noting_plugin() as (address, noting):
        file = "\n---\n".join(document(value, number, address) for number, value in enumerate(VALUES))
        done = connected(file, tmp_path)
        assert done.returncode == 0, done.stdout
    read = read_here(file, tmp_path)
    sent = {spec["number"]: spec["key"] for spec in noting.specs}
    different = [
        (value, sent[number], read[number])
        for number, value in enumerate(VALUES)
        if not same(sent[number], read[number])
    ]
    assert not different


def test_broken(tmp_path: Path) -> None:
    """What the CLI cannot read is a SpecError here."""
    files = [document(value, 0, "127.0.0.1:1") for value in BROKEN]
    with ThreadPoolExecutor(4) as pool:
        runs = pool.map(lambda numbered: connected(numbered[1], tmp_path, f"{numbered[0]}.yml"), enumerate(files))
        accepted = [value for value, run in zip(BROKEN, runs, strict=True) if "failed to load spec" not in run.stdout]
    assert not accepted
    for file in files:
        with pytest.raises(SpecError):
            read_here(file, tmp_path)


@pytest.mark.parametrize(
    "file",
    [
        "# a comment: ${NOT_SET}\nkind: destination\nspec: {PLACE, spec: {number: 0, key: x}}\n",
        "---\nkind: destination\nspec: {PLACE, spec: {number: 0, key: 1}}\n",
        "kind: destination\r\nspec:\r\n  {PLACE, spec: {number: 0, key: 1}}\r\n",
        "kind: destination\nspec: {PLACE, spec: {number: 0, key: a}}\n--- \nb: [\n",
        "kind: destination\nspec: {PLACE, spec: {x: &x {number: 0, key: 1}, <<: *x, key: 2}}\n",
        "kind: destination\nspec: {name: other, PLACE, spec: {number: 0, key: 1, key: 2}}\n",
        "kind: destination\nspec: {PLACE, \"spec\": {number: 0, 'key':\t[1,\t2]}}\n...\n",
    ],
)
def test_whole_files(file: str, tmp_path: Path) -> None:
    """Comments, line ends, markers, anchors and repeated keys of a whole file are taken as the CLI takes them."""
    with noting_plugin() as (address, noting):
        file = file.replace("PLACE", f"name: d, registry: grpc, path: '{address}'")
        done = connected(file, tmp_path)
        assert done.returncode == 0, done.stdout
    assert {spec["number"]: spec["key"] for spec in noting.specs} == read_here(file, tmp_path)


def document(value: str, number: int, address: str) -> str:
    """A destination whose spec has this value."""
    outer = f"kind: destination\nspec:\n  name: d{number}\n  registry: grpc\n  path: {address}\n  spec:\n"
    return f"{outer}    number: {number}\n    key: {value}"


def read_here(file: str, folder: Path) -> dict[int, Any]:
    """Each spec's value, as it is read here."""
    with contextlib.chdir(folder):
        specs = [found.content["spec"]["spec"] for found in read_documents(file, ENVIRONMENT)]
    return {spec["number"]: spec["key"] for spec in specs}


def same(sent: Any, read: Any) -> bool:
    """Whether two values are the same: kinds count, and numbers are compared as JSON writes them."""
    return json.dumps(sent, sort_keys=True) == json.dumps(json.loads(json.dumps(read)), sort_keys=True)


def connected(file: str, folder: Path, name: str = "cli.yml") -> subprocess.CompletedProcess[str]:
    """Let the CLI send each destination's spec to its plugin."""
    (folder / name).write_text(file, encoding="utf-8", newline="")
    command = [cli.binary(), "test-connection", name, "--telemetry-level", "none", "--no-log-file"]
    environment = {**os.environ, **ENVIRONMENT}
    environment.pop("NOT_SET", None)
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=240,
        check=False,
    )


class Noting(cli.ScriptedSource):
    """Notes the spec of each TestConnection."""

    def __init__(self) -> None:
        super().__init__(lambda: iter(()), [])
        self.specs: list[dict[str, Any]] = []

    def TestConnection(self, request: Any, _context: Any) -> Any:
        self.specs.append(json.loads(request.spec))
        return plugin_pb2.TestConnection.Response(success=True)


@contextlib.contextmanager
def noting_plugin() -> Iterator[tuple[str, Noting]]:
    """Serve such a plugin; gives its address, and itself."""
    noting = Noting()
    server = grpc.server(ThreadPoolExecutor(2))
    plugin_pb2_grpc.add_PluginServicer_to_server(noting, server)
    discovery_pb2_grpc.add_DiscoveryServicer_to_server(noting, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}", noting
    finally:
        server.stop(0).wait()
