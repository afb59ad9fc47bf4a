"""The recipes of `deploy/`: the programs that check or run them, and their steps run as their engine would."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

import cloudquery_cli as cli
import inventory_sync as inventory

if TYPE_CHECKING:
    from collections.abc import Iterable

    from s3_servers import Bucket, S3Server

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
TOOLS = ROOT / ".tools"


def tool(name: str, target: str = "deploy-tools") -> str:
    """The path of a program that a make target installs; the test is skipped where it is absent, saying so."""
    path = TOOLS / name
    if path.is_file():
        return str(path)
    reason = f"there is no {path.relative_to(ROOT)}: run `make {target}`"
    if os.environ.get("REQUIRE_DEPLOY_TOOLS") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def run(
    *command: str | Path,
    folder: Path = ROOT,
    environment: dict[str, str] | None = None,
    text: str | None = None,
    timeout: float = 120,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, with a text on its input; its output and its errors are one text."""
    return subprocess.run(
        command,
        input=text,
        cwd=folder,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
    )


def said_nothing_wrong(done: subprocess.CompletedProcess[str]) -> str:
    """What a program said; it must have ended well."""
    assert done.returncode == 0, done.stdout
    return done.stdout


def environment(folder: Path) -> dict[str, str]:
    """Variables as in the recipes' image: `cloudquery` and `cloudquery-s3` are found, and so are credentials."""
    programs = folder / "bin"
    programs.mkdir(exist_ok=True)
    for name, program in (("cloudquery", cli.binary()), ("cloudquery-s3", cli.PLUGIN)):
        if not (programs / name).exists():
            (programs / name).symlink_to(program)
    return {"PATH": f"{programs}:{os.environ['PATH']}", "CQ_TELEMETRY_LEVEL": "none", **cli.CREDENTIALS}


def pointed_at(text: str, bucket: Bucket) -> str:
    """A recipe's destination, with nothing changed but where the program and the bucket are."""
    document = yaml.safe_load(text)
    document["spec"]["path"] = str(cli.PLUGIN)
    where = {"bucket": bucket.name, "region": "us-east-1", "endpoint": bucket.server.endpoint, "use_path_style": True}
    document["spec"]["spec"].update(where)
    return json.dumps(document)  # which keeps a variable in its quotes


def documents(text: str) -> list[dict[str, Any]]:
    """The documents of a YAML text that are not empty."""
    return [document for document in yaml.safe_load_all(text) if document]


def of_kind(found: Iterable[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """The documents of one kind."""
    return [document for document in found if document["kind"] == kind]


def check_spec(text: str, folder: Path, **variables: str) -> None:
    """`cloudquery-s3 check` finds no problem in a destination, but that its program is not where the recipe has it."""
    document = yaml.safe_load(text)
    if document["spec"]["registry"] == "local":
        document["spec"]["path"] = str(cli.PLUGIN)
    file = folder / "s3.yml"
    file.write_text(json.dumps(document), encoding="utf-8")  # which keeps a variable in its quotes
    said_nothing_wrong(run(cli.PLUGIN, "check", file, environment=variables))


def write_config(folder: Path, api: S3Server, destination: str) -> None:
    """Lay out the pods' `/config`: the example source in place of the recipe's, and a destination."""
    for name, text in (("source/source.yml", source_for(api)), ("destination/s3.yml", destination)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def source_for(api: S3Server) -> str:
    """The example source as the recipes' destination `s3` wants it."""
    document = inventory.source(api)
    document["spec"]["destinations"] = ["s3"]
    return yaml.safe_dump(document)
