"""What options cost that change how objects are made: `python -m benchmarks.options [--rows N]`.

Each beside the same rows without the option, measured in the same run: codecs, `object_size`, partitions by a column.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
from rich.console import Console

from benchmarks import processes, report
from benchmarks.assets import assets
from benchmarks.messages import split
from benchmarks.stages import CREDENTIALS, spec_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.messages import Messages

DISTINCT_ROWS: Final = 20_000
PARTITIONS: Final = 20
ROWS_SENT: Final = 1_000_000
COLUMNS: Final = ("option", "rows a message", "CPU-s / M rows", "without it", "more", "peak RSS, MiB")

_USUAL: Final = 1000
_SMALL: Final = 50
"""Rows a message, as Go's sources send them."""

_ZSTD: Final = {"compression": "zstd"}
_SIZE: Final = {"object_size": 64 << 20}
_BY_ACCOUNT: Final = {"path": "bench/{{TABLE}}/{{COLUMN:account_id}}/{{UUID}}.{{FORMAT}}"}


@dataclass(frozen=True, slots=True)
class Row:
    """A format with an option.

    Attributes:
        name: what is shown.
        form: a name of `benchmarks.cases.FORMATS`.
        options: what the spec gets in addition.
        rows_per_message: how many rows each Insert brings.
    """

    name: str
    form: str
    options: dict[str, Any] = field(default_factory=dict)
    rows_per_message: int = _USUAL


ROWS: Final = (
    Row("parquet, zstd", "parquet", {"format_spec": _ZSTD}),
    Row("json, zstd", "json", _ZSTD),
    Row("csv, zstd", "csv", _ZSTD),
    *(Row(f"{form}, object_size 64 MiB", form, _SIZE) for form in ("parquet", "json", "csv")),
    *(
        Row(f"parquet, {PARTITIONS} partitions", "parquet", _BY_ACCOUNT, rows_per_message)
        for rows_per_message in (_SMALL, _USUAL)
    ),
    Row(f"parquet, {PARTITIONS} partitions, object_size 64 MiB", "parquet", _BY_ACCOUNT | _SIZE),
)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.options", description="What options cost.")
    parser.add_argument("--rows", type=int, default=ROWS_SENT)
    rows = parser.parse_args().rows
    os.environ.update(CREDENTIALS)
    console = Console(highlight=False)
    shown = []
    for cells in measure(assets(DISTINCT_ROWS), rows):
        console.print("  ".join(cells), style="dim")
        shown.append(cells)
    console.print(report.table("Options", COLUMNS, shown))


def measure(data: pa.RecordBatch, rows: int) -> Iterator[tuple[str, ...]]:
    """Yield the cells of each option, with so many rows."""
    data = _by_account(data)
    plain: dict[tuple[str, int], float] = {}
    with processes.sink() as address:
        for row in ROWS:
            messages = split(data, rows_per_message=row.rows_per_message, rows=rows)
            case = row.form, row.rows_per_message
            if case not in plain:
                plain[case] = _usage(spec_json(row.form, address), messages, row.rows_per_message)[0]
            cpu_s, peak = _usage(spec_json(row.form, address) | row.options, messages, row.rows_per_message)
            figures = f"{cpu_s:.1f}", f"{plain[case]:.1f}", f"{cpu_s - plain[case]:+.1f}", f"{peak / 2**20:.0f}"
            yield (row.name, f"{row.rows_per_message:,}", *figures)


def _usage(spec: dict[str, Any], messages: Messages, rows_per_message: int) -> tuple[float, int]:
    """Return the CPU-seconds per million rows, and the most memory."""
    with processes.plugin() as (server, address):
        usage = processes.measure(server, address, messages, spec)
    return usage.cpu_s / (messages.count * rows_per_message) * 1e6, usage.peak_rss_bytes


def _by_account(data: pa.RecordBatch) -> pa.RecordBatch:
    """Return the rows, their accounts as many as there are to be partitions, in turns."""
    accounts = pa.array([f"{number % PARTITIONS:012}" for number in range(data.num_rows)])
    column = data.schema.get_field_index("account_id")
    return data.set_column(column, data.schema.field(column), accounts)


if __name__ == "__main__":
    if processes.MALLOC.items() <= os.environ.items():
        main()
    else:  # the allocator reads them when a process starts
        again = [sys.executable, "-m", "benchmarks.options", *sys.argv[1:]]
        os.execve(sys.executable, again, os.environ | processes.MALLOC)  # noqa: S606 - ourselves
