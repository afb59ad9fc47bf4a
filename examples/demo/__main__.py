"""Run the demo: `python -m examples.demo [SPEC…]`; `make demo` does it with two of the example specs."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.markup import escape

from examples.demo import iceberg, report, sync
from examples.demo.place import DemoError, aws, settle, store
from examples.demo.screen import Screen

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

    from examples.demo.place import Bucket

INTERRUPTED: Final = 130

SPECS: Final = (Path("examples/aws_to_s3.yml"), Path("examples/aws_to_s3_iceberg.yml"))
"""What is shown where nothing else is named."""


def main() -> int:
    """Run the demo and return the exit code: 0 if every row that was sent is in the bucket."""
    parser = argparse.ArgumentParser(prog="python -m examples.demo", description=__doc__)
    parser.add_argument("specs", nargs="*", metavar="SPEC", type=Path, default=SPECS, help="spec files")
    parser.add_argument(
        "--folder", type=Path, default=Path(".demo"), help="where the objects go as files; emptied first (%(default)s)"
    )
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, _interrupt)
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 160  # a log file does not wrap
    try:
        return demonstrate(arguments.specs, arguments.folder.absolute(), console)
    except DemoError as error:
        console.print(f"[bold red]The demo failed:[/] {escape(str(error))}", soft_wrap=True)
    except KeyboardInterrupt:
        console.print("interrupted; everything that the demo started is gone")
        return INTERRUPTED
    return 1


def demonstrate(specs: Sequence[Path], files: Path, console: Console) -> int:
    """Sync by each spec, show, check; whatever was started is gone afterwards.

    Raises:
        DemoError: a sync could not be run.
    """
    start = time.monotonic()
    console.print("Starting moto, which answers as AWS with AWS's own catalogues", style="dim")
    with aws() as api, store(files, api) as place:
        files.mkdir(parents=True, exist_ok=True)
        bucket = settle(api, place, files)
        same = [show(spec, bucket, files, console) for spec in specs]
        if place.files:
            console.print(f"The objects are files, to open as you like: {_shown(place.files)}", soft_wrap=True)
    console.print(f"The demo took {time.monotonic() - start:.0f} s.", style="dim")
    return 0 if all(same) else 1


def show(spec: Path, bucket: Bucket, files: Path, console: Console) -> bool:
    """Sync, and show what came out; return whether every row that was sent is there."""
    console.print(f"[bold]cloudquery sync {spec}[/]")
    before = bucket.objects()
    with Screen(console) as screen, tempfile.TemporaryDirectory() as folder:
        progress = sync.run(spec, screen.changed)
        found = report.fetch(bucket, bucket.objects() - before, Path(folder))
        console.print()
        report.show_objects(console, found)
        report.show_partitions(console, found)
        report.show_queries(console, found)
        console.print()
        same = report.check_rows(console, progress.sent, found)
    asks = spec.read_text(encoding="utf-8")
    if "manifest:" in asks:
        show_manifest(console, spec, files)
    if "iceberg:" in asks:
        same &= iceberg.show(console, progress.sent)
    report.show_figures(console, progress, found)
    for warning in dict.fromkeys(progress.warnings):
        console.print(f"[yellow]warning:[/] {escape(warning)}", soft_wrap=True)
    console.print()
    return same


def show_manifest(console: Console, spec: Path, files: Path) -> None:
    """Hold the bucket against the sync's manifest, row counts included, and make the page about it.

    Raises:
        DemoError: an object is not as the manifest says.
    """
    console.print(f"[bold]cloudquery-s3 verify {spec} --deep[/]")
    console.print(escape(sync.plugin("verify", str(spec), "--deep")), soft_wrap=True)
    page = files / "report.html"
    console.print(f"[bold]cloudquery-s3 report {spec} -o {_shown(page)}[/]", soft_wrap=True)
    sync.plugin("report", str(spec), "-o", str(page))
    console.print(f"A page about the sync, to open in a browser: {_shown(page)}", soft_wrap=True)


def _shown(path: Path) -> str:
    """Return a path as the user would type it."""
    return escape(str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path))


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """End as by Ctrl-C, so that nothing is left behind."""
    raise KeyboardInterrupt


sys.exit(main())
