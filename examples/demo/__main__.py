"""Run the demo: `python -m examples.demo [SPEC]`; `make demo` does it with `examples/aws_to_s3.yml`."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.markup import escape

from examples.demo import report, sync
from examples.demo.place import DemoError, aws, settle, store
from examples.demo.screen import Screen

if TYPE_CHECKING:
    from types import FrameType

INTERRUPTED: Final = 130


def main() -> int:
    """Run the demo and return the exit code: 0 if every row that was sent is in the bucket."""
    parser = argparse.ArgumentParser(prog="python -m examples.demo", description=__doc__)
    parser.add_argument("spec", nargs="?", type=Path, default=Path("examples/aws_to_s3.yml"), help="a spec file")
    parser.add_argument(
        "--folder", type=Path, default=Path(".demo"), help="where the objects go as files; emptied first (%(default)s)"
    )
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, _interrupt)
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 160  # a log file does not wrap
    try:
        return demonstrate(arguments.spec, arguments.folder.absolute(), console)
    except DemoError as error:
        console.print(f"[bold red]The demo failed:[/] {escape(str(error))}", soft_wrap=True)
    except KeyboardInterrupt:
        console.print("interrupted; everything that the demo started is gone")
        return INTERRUPTED
    return 1


def demonstrate(spec: Path, files: Path, console: Console) -> int:
    """Sync, show, check; whatever was started is gone afterwards.

    Raises:
        DemoError: the sync could not be run.
    """
    start = time.monotonic()
    console.print("Starting moto, which answers as AWS with AWS's own catalogues", style="dim")
    with aws() as api, store(files, api) as place, tempfile.TemporaryDirectory() as folder:
        bucket = settle(api, place)
        console.print(f"[bold]cloudquery sync {spec}[/]")
        before = bucket.objects()
        with Screen(console) as screen:
            progress = sync.run(spec, screen.changed)
        found = report.fetch(bucket, bucket.objects() - before, Path(folder))
        console.print()
        report.show_objects(console, found)
        console.print()
        report.show_queries(console, found)
        console.print()
        same = report.check_rows(console, progress.sent, found)
        if "manifest:" in spec.read_text(encoding="utf-8"):
            show_manifest(console, spec, files)
        report.show_figures(console, progress, found)
        for warning in dict.fromkeys(progress.warnings):
            console.print(f"[yellow]warning:[/] {escape(warning)}", soft_wrap=True)
        if place.files:
            console.print(
                f"The objects are files, to open as you like: {escape(os.path.relpath(place.files))}", soft_wrap=True
            )
    console.print(f"The demo took {time.monotonic() - start:.0f} s.", style="dim")
    return 0 if same else 1


def show_manifest(console: Console, spec: Path, files: Path) -> None:
    """Hold the bucket against the sync's manifest, row counts included, and make the page about it.

    Raises:
        DemoError: an object is not as the manifest says.
    """
    console.print(f"[bold]cloudquery-s3 verify {spec} --deep[/]")
    console.print(escape(sync.plugin("verify", str(spec), "--deep")), soft_wrap=True)
    page = files / "report.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    sync.plugin("report", str(spec), "-o", str(page))
    console.print(f"A page about the sync: {escape(os.path.relpath(page))}", soft_wrap=True)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """End as by Ctrl-C, so that nothing is left behind."""
    raise KeyboardInterrupt


sys.exit(main())
