"""What metrics and traces cost: `python -m benchmarks.telemetry [--pairs N]`.

Processor time of the plugin for the same Write without and with `--otel-endpoint` and `--metrics-address`, and once
more without, one after the other, so that whatever else the machine does meets all three: the ratio of the two that are
alike shows what a ratio here is worth. Time counts until everything is exported. What begins with the process, the
imports, is printed for itself.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit

from rich.console import Console
from rich.table import Table

from benchmarks import processes, stages
from benchmarks.assets import assets
from benchmarks.messages import split

if TYPE_CHECKING:
    from benchmarks.messages import Messages

_DISTINCT_ROWS: Final = 20_000
_SETTLED_S: Final = 2.0
"""How long the plugin's start may take, telemetry's included; what it costs is not the Write's."""

_EXPORTED_S: Final = 6.0
"""How long after a Write spans are exported at the latest: every 5 s."""

_COLUMNS: Final = (
    *("format", "rows a message", "tables", "CPU-s / M rows, off", "on"),
    *("on / off", "quartiles", "off / off", "quartiles"),
)


class _Case(NamedTuple):
    form: str
    rows_per_message: int
    tables: int
    rows: int


_CASES: Final = (
    _Case("parquet", 50, 50, 500_000),
    _Case("csv", 1000, 1, 1_000_000),
)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.telemetry", description=__doc__)
    parser.add_argument("--pairs", type=int, default=9, help="measurements of each case")
    options = parser.parse_args()
    os.environ.update(stages.CREDENTIALS)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
    table = Table(*_COLUMNS, title="Metrics and traces")
    data = assets(_DISTINCT_ROWS)
    with processes.sink() as store, processes.sink() as collector:
        flags = _flags(collector)
        for case in _CASES:
            messages = split(data, rows_per_message=case.rows_per_message, rows=case.rows, tables=case.tables)
            table.add_row(*_row(case, [_costs(case, messages, store, flags) for _ in range(options.pairs)]))
        starts = [_start_cpu_s(*flags) - _start_cpu_s() for _ in range(options.pairs)]
    console.print(table)
    console.print(f"beside that, once a process: {statistics.median(starts):.2f} CPU-s")


def _flags(collector: str) -> tuple[str, ...]:
    endpoint = ("--otel-endpoint", urlsplit(collector).netloc, "--otel-endpoint-insecure")
    return (*endpoint, "--metrics-address", "127.0.0.1:0")


def _costs(case: _Case, messages: Messages, store: str, flags: tuple[str, ...]) -> tuple[float, float, float]:
    """Return what a Write costs without, with, and again without telemetry."""
    before, told, after = (_cost(case, messages, store, more) for more in ((), flags, ()))
    return before, told, after


def _cost(case: _Case, messages: Messages, store: str, more: tuple[str, ...]) -> float:
    with processes.plugin(*more) as (server, address):
        time.sleep(_SETTLED_S)
        usage = processes.measure(server, address, messages, stages.spec_json(case.form, store))
        answered = processes.cpu_s(server.pid)
        time.sleep(_EXPORTED_S)
        used_s = usage.cpu_s + processes.cpu_s(server.pid) - answered
    return used_s / case.rows * 1e6


def _start_cpu_s(*more: str) -> float:
    with processes.plugin(*more) as (server, _address):
        time.sleep(_SETTLED_S)
        return processes.cpu_s(server.pid)


def _row(case: _Case, costs: list[tuple[float, float, float]]) -> tuple[str, ...]:
    return (
        case.form,
        f"{case.rows_per_message:,}",
        str(case.tables),
        f"{statistics.median(off for one in costs for off in one[::2]):.2f}",
        f"{statistics.median(told for _, told, _ in costs):.2f}",
        *_spread([2 * told / (before + after) for before, told, after in costs]),
        *_spread([after / before for before, _, after in costs]),
    )


def _spread(ratios: list[float]) -> tuple[str, str]:
    low, median, high = statistics.quantiles(ratios, n=4)
    return f"{median:.3f}", f"{low:.3f} to {high:.3f}"


if __name__ == "__main__":
    main()
