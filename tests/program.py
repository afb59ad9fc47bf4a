"""Runs `cloudquery-s3` as a user does, and reads what it says."""

from __future__ import annotations

import contextlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml
from typer.testing import CliRunner

import s3_servers
from cloudquery_s3.commands.app import build_app

PROGRAM = Path(sys.executable).with_name("cloudquery-s3")


@dataclass(frozen=True)
class Said:
    """How a command ended, and its lines."""

    status: int
    output: str
    errors: str

    def findings(self, level: str) -> list[str]:
        """What `check` said at a level: `problem`, `warning`, `note`, `ok`."""
        mark = f": {level}: "
        return [line.split(mark, 1)[1] for line in self.output.splitlines() if mark in line]


def run(*arguments: str | Path, folder: Path | None = None, **environment: str) -> Said:
    """Run a command in this process, which takes a tenth of the time; no terminal, no credentials of this machine."""
    variables = {**s3_servers.isolated_environment(), "COLUMNS": "200", **environment}
    with contextlib.chdir(folder or Path.cwd()):
        done = CliRunner().invoke(build_app(), [os.fspath(part) for part in arguments], env=variables, prog_name="x")
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return Said(done.exit_code, done.stdout, done.stderr)


def as_yaml(folder: Path, *documents: object) -> Path:
    """Write documents into a file as a user keeps them."""
    file = folder / "spec.yml"
    file.write_text(yaml.safe_dump_all(documents), encoding="utf-8")
    return file


def destination(spec: object, **outer: object) -> dict[str, object]:
    """A document of this destination: as a server of its own, appending."""
    place = {"name": "lake", "registry": "grpc", "path": "cloudquery-s3:7777", "write_mode": "append"}
    return {"kind": "destination", "spec": {**place, **outer, "spec": spec}}
