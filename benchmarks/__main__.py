"""What a million rows cost, end to end and by stage: `python -m benchmarks [--quick]`."""

from __future__ import annotations

import argparse
import logging
import os
import shlex
import sys
from typing import TYPE_CHECKING, Final

from rich.console import Console

from benchmarks import end_to_end, processes, report, stages
from benchmarks.assets import assets
from benchmarks.cases import FORMATS, ROWS_PER_MESSAGE, TABLES, cases

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.cases import Case
    from benchmarks.end_to_end import Result
    from benchmarks.stages import Stage

DISTINCT_ROWS: Final = 20_000


def main() -> None:
    """Measure, print, save."""
    options = _parse()
    chosen = [
        case
        for case in cases(quick=options.quick)
        if case.form in options.formats and case.rows_per_message in options.rows and case.tables in options.tables
    ]
    command = shlex.join(["python", "-m", "benchmarks", *sys.argv[1:]])
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 160  # a log file does not wrap
    os.environ.update(stages.CREDENTIALS)
    logging.disable(logging.WARNING)  # the stages run the plugin's code in this process
    start_s = processes.start_s()
    console.print(f"the plugin listens after {start_s:.2f} s")
    measured, results = _measure(console, chosen, options)
    console.print(report.stage_table(measured))
    console.print(report.result_table(results))
    console.print(f"saved as {report.save(command, start_s, measured, results)}", soft_wrap=True)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="What a million rows cost.")
    parser.add_argument("--quick", action="store_true", help="fewer rows, fewer cases: some minutes instead of twenty")
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=FORMATS)
    parser.add_argument("--rows", nargs="+", type=int, choices=ROWS_PER_MESSAGE, default=ROWS_PER_MESSAGE)
    parser.add_argument("--tables", nargs="+", type=int, choices=TABLES, default=TABLES)
    parser.add_argument("--gzip-level", type=int, help="in place of the default, for the plugin and not for the floor")
    return parser.parse_args()


def _measure(console: Console, chosen: Sequence[Case], options: argparse.Namespace) -> tuple[list[Stage], list[Result]]:
    data = assets(DISTINCT_ROWS)
    with processes.sink() as address:
        measured: list[Stage] = []
        for stage in stages.measure(data, address, quick=options.quick):
            console.print("  ".join(report.stage_row(stage)), style="dim")
            measured.append(stage)
        results: list[Result] = []
        for case in chosen:
            results.append(end_to_end.run(case, data, address, measured, gzip_level=options.gzip_level))
            console.print("  ".join(report.result_row(results[-1])), style="dim")
    return measured, results


if __name__ == "__main__":
    if processes.MALLOC.items() <= os.environ.items():
        main()
    else:  # the allocator reads them when a process starts
        os.execve(sys.executable, [sys.executable, "-m", "benchmarks", *sys.argv[1:]], os.environ | processes.MALLOC)  # noqa: S606 - ourselves
