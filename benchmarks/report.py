"""The results: a table for people, JSON for machines, and the figures of pages."""

from __future__ import annotations

import dataclasses
import json
import platform
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import pyarrow as pa
from rich.table import Table

from benchmarks.processes import REPOSITORY
from cloudquery_s3 import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmarks.end_to_end import Result
    from benchmarks.stages import Stage

FOLDER: Final = REPOSITORY / "benchmarks" / "results"
_BEGIN: Final = "<!-- figures: made by `{command}` -->\n"
_BEGIN_MARK: Final = "<!-- figures:"
_END: Final = "<!-- end of figures -->"
_MIB: Final = 2**20

RESULT_COLUMNS: Final = (
    *("rows a message", "tables", "format", "CPU-s / M rows", "of write_table", "floor", "ratio"),
    *("rows/s", "cores", "peak RSS, MiB"),
)
STAGE_COLUMNS: Final = ("stage", "of", "CPU-s / M rows", "floor", "ratio")


def result_row(result: Result) -> tuple[str, ...]:
    """Return a case's cells."""
    case = result.case
    return (
        f"{case.rows_per_message:,}",
        str(case.tables),
        case.form,
        f"{result.cpu_s:.1f}",
        f"{result.cpu_s / result.write_table_s:.1f}",
        f"{result.floor_s:.1f}",
        f"{result.cpu_s / result.floor_s:.2f}",
        f"{result.rows_per_s:,.0f}",
        f"{result.cores:.2f}",
        f"{result.peak_rss_bytes / _MIB:.0f}",
    )


def stage_row(stage: Stage) -> tuple[str, ...]:
    """Return a stage's cells."""
    ratio = f"{stage.ours / stage.floor:.2f}" if stage.floor > 0 else ""
    return (stage.name, stage.detail, f"{stage.ours:.2f}", f"{stage.floor:.2f}", ratio)


def stage_table(stages: Sequence[Stage]) -> Table:
    """Return the stages for a terminal."""
    return table("Each stage alone", STAGE_COLUMNS, [stage_row(stage) for stage in stages])


def result_table(results: Sequence[Result]) -> Table:
    """Return the cases for a terminal."""
    return table("End to end", RESULT_COLUMNS, [result_row(result) for result in results])


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """Return a table for a terminal."""
    shown = Table(title=title)
    for number, column in enumerate(columns):
        shown.add_column(column, justify="left" if number == 0 else "right")
    for row in rows:
        shown.add_row(*row)
    return shown


def machine() -> dict[str, str]:
    """Return what the figures were measured with."""
    return {
        "plugin": __version__,
        "python": platform.python_version(),
        "pyarrow": pa.__version__,
        "system": f"{platform.system()} {platform.machine()}",
        "cores": str(pa.cpu_count()),
    }


def save(command: str, start_s: float, stages: Sequence[Stage], results: Sequence[Result]) -> Path:
    """Write everything as JSON and return the file."""
    now = datetime.now(UTC)
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{now:%Y-%m-%dT%H%M%SZ}.json"
    document = {
        "command": command,
        "date": now.isoformat(),
        "machine": machine(),
        "start_s": start_s,
        "stages": [dataclasses.asdict(stage) for stage in stages],
        "results": [dataclasses.asdict(result) for result in results],
    }
    path.write_text(json.dumps(document, indent=2) + "\n")
    return path


def replace_figures(document: Path, command: str, sections: Sequence[str]) -> None:
    """Put sections between a page's marks, after a line that says how and with what they were measured."""
    text = document.read_text()
    head, rest = text[: text.index(_BEGIN_MARK)], text[text.index(_END) :]
    told = ", ".join(f"{name} {value}" for name, value in machine().items())
    how = f"`{command}`, {datetime.now(UTC):%Y-%m-%d}; {told}."
    document.write_text(head + "\n\n".join([_BEGIN.format(command=command), how, *sections, ""]) + rest)


def markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table for a page."""
    lines = [columns, ["---" if number == 0 else "---:" for number in range(len(columns))], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
