"""Measure all that docs/benchmarks.md and the README say, and write it there: `python -m benchmarks.page [--quick]`.

One run on one machine makes every figure. Pages are written when every part has been measured; else none is touched,
and what failed is named.
"""

from __future__ import annotations

import argparse
import logging
import os
import re
import shlex
import sys
import time
import traceback
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from rich.console import Console

from benchmarks import processes
from benchmarks.parts import PARTS, Run
from benchmarks.report import machine
from benchmarks.stages import CREDENTIALS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

PAGES: Final = (processes.REPOSITORY / "docs" / "benchmarks.md", processes.REPOSITORY / "README.md")
HOW: Final = "how"
"""The mark for how a run was made; every other names a part."""

_MARKED: Final = re.compile(r"(<!-- figures: (.+?) -->\n).*?(<!-- end of figures -->)", re.DOTALL)


def main() -> int:
    """Measure and write; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.page", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rows and cases: 15 minutes instead of 60")
    parser.add_argument("--rows", type=int, help="the most rows of a case, to try the command out")
    parser.add_argument("--parts", nargs="+", choices=PARTS, help="measure these alone, print them, write nothing")
    options = parser.parse_args()
    os.environ.update(CREDENTIALS)
    logging.disable(logging.WARNING)  # the stages run the plugin's code in this process
    console = Console(highlight=False, soft_wrap=True)
    run = Run(quick=options.quick, most=options.rows, say=lambda text: console.print(text, style="dim"))
    command = shlex.join(["python", "-m", "benchmarks.page", *sys.argv[1:]])
    began = time.monotonic()
    measured, failed = measure(run, options.parts or list(PARTS))
    measured[HOW] = how(command, minutes=(time.monotonic() - began) / 60)
    for name, text in measured.items():
        console.print(f"\n{name}\n{text}", markup=False)
    if failed:
        console.print(f"\nnothing is written: {', '.join(failed)} could not be measured", style="red")
        return 1
    if not options.parts:
        write(PAGES, measured)
    return 0


def measure(run: Run, names: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Return what each part has come to, as Markdown, and the names of those that failed, whose errors are printed."""
    measured, failed = {}, []
    for name in names:
        run.say(f"{datetime.now(UTC):%H:%M:%S} {name}")
        try:
            measured[name] = PARTS[name](run)
        except Exception:  # noqa: BLE001 - whatever it is, the other parts are measured, and the run fails
            traceback.print_exc()
            failed.append(name)
    return measured, failed


def how(command: str, *, minutes: float) -> str:
    """Return what a page says of a run."""
    told = ", ".join(f"{name} {value}" for name, value in machine().items())
    return f"`{command}`, {datetime.now(UTC):%Y-%m-%d}, in {minutes:.0f} minutes; {told}."


def write(pages: Sequence[Path], measured: Mapping[str, str]) -> None:
    """Put each part between its marks in the pages; all of them or, where a part has no place, none.

    Raises:
        ValueError: a mark names no part that was measured, or a part has no mark.
    """
    texts = {page: page.read_text(encoding="utf-8") for page in pages}
    marked = [name for text in texts.values() for _, name, _ in _MARKED.findall(text)]
    if sorted(marked) != sorted(measured):
        raise ValueError(f"the pages have places for {sorted(marked)}, and there is {sorted(measured)}")
    for page, text in texts.items():
        page.write_text(_MARKED.sub(lambda found: f"{found[1]}\n{measured[found[2]]}\n\n{found[3]}", text), "utf-8")


if __name__ == "__main__":
    if processes.MALLOC.items() <= os.environ.items():
        sys.exit(main())
    else:  # the allocator reads them when a process starts
        again = [sys.executable, "-m", "benchmarks.page", *sys.argv[1:]]
        os.execve(sys.executable, again, os.environ | processes.MALLOC)  # noqa: S606 - ourselves
