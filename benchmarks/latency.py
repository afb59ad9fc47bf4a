"""How long a sync takes where each request to the store takes long: `python -m benchmarks.latency [--quick]`.

Rows a second of the wall clock, from the first byte of the Write to its answer, beside processor time and memory. The
client, the plugin and the store share this machine's cores.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console
from rich.table import Table

from benchmarks import processes, stages
from benchmarks.assets import assets
from benchmarks.cases import FORMATS
from benchmarks.messages import split

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa

LATENCIES_MS: Final = (0, 50, 500, 2000)
TABLES: Final = (1, 50)
ROWS_PER_MESSAGE: Final = 1000
ROWS: Final = 1_000_000
QUICK_ROWS: Final = 300_000
_DISTINCT_ROWS: Final = 20_000
COLUMNS: Final = ("format", "tables", "ms a request", "rows/s", "MB/s of Arrow", "CPU-s / M rows", "peak RSS, MiB")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.latency", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rows")
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=FORMATS)
    parser.add_argument("--tables", nargs="+", type=int, choices=TABLES, default=TABLES)
    parser.add_argument("--latencies", nargs="+", type=int, default=LATENCIES_MS, metavar="MS")
    parser.add_argument("--memory-budget", type=int, help="in place of the default, in bytes")
    options = parser.parse_args()
    os.environ.update(stages.CREDENTIALS)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
    table = Table(*COLUMNS, title="Throughput against latency")
    for row in measure(
        assets(_DISTINCT_ROWS),
        QUICK_ROWS if options.quick else ROWS,
        formats=options.formats,
        tables=options.tables,
        latencies_ms=options.latencies,
        **({"memory_budget": options.memory_budget} if options.memory_budget else {}),
    ):
        console.print("  ".join(row), style="dim")
        table.add_row(*row)
    console.print(table)


def measure(
    data: pa.RecordBatch,
    rows: int,
    *,
    formats: Sequence[str] = FORMATS,
    tables: Sequence[int] = TABLES,
    latencies_ms: Sequence[int] = LATENCIES_MS,
    **extra: Any,
) -> Iterator[tuple[str, ...]]:
    """Yield the cells of each case, with so many rows; `extra` are options of the spec."""
    for count in tables:
        messages = split(data, rows_per_message=ROWS_PER_MESSAGE, rows=rows, tables=count)
        for form in formats:
            for latency_ms in latencies_ms:
                with processes.sink(latency_ms / 1000) as store, processes.plugin() as (server, address):
                    usage = processes.measure(server, address, messages, stages.spec_json(form, store) | extra)
                yield (
                    form,
                    str(count),
                    f"{latency_ms:,}",
                    f"{rows / usage.seconds:,.0f}",
                    f"{rows * data.nbytes / data.num_rows / usage.seconds / 1e6:,.0f}",
                    f"{usage.cpu_s / rows * 1e6:.1f}",
                    f"{usage.peak_rss_bytes / 2**20:.0f}",
                )


if __name__ == "__main__":
    main()
