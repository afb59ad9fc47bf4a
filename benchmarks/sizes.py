"""What a large table becomes at each size and codec: `python -m benchmarks.sizes [--rows N]`, for docs/sizes.md.

Whole syncs of one table, of messages of 1,000 rows, into a store that answers at once and tells what came.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
from typing import TYPE_CHECKING, Any, Final
from urllib.request import urlopen

from rich.console import Console

from benchmarks import processes, report
from benchmarks.assets import assets
from benchmarks.messages import split
from benchmarks.stages import CREDENTIALS, spec_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

ROWS: Final = 10_000_000
DISTINCT_ROWS: Final = 60_000
_ROWS_PER_MESSAGE: Final = 1000
_LEAST_FULL: Final = 0.85
"""Objects below this part of the size are a table's last, or ended by memory: they are not full ones."""

_LEAST_BYTES: Final = 1 << 10
"""Smaller is only the object that Init tries the bucket with."""

COLUMNS: Final = (
    *("format, codec", "`object_size`", "objects", "MB", "full objects, of the size"),
    *("CPU-seconds", "seconds", "peak RSS, MiB"),
)
_SIZED: Final = 128 << 20
CASES: Final[tuple[tuple[str, str, dict[str, Any]], ...]] = (
    ("Parquet, snappy", "parquet", {}),
    ("Parquet, snappy", "parquet", {"object_size": _SIZED}),
    ("Parquet, zstd 1", "parquet", {"object_size": _SIZED, "format_spec": {"compression": "zstd"}}),
    ("JSON, zstd", "json", {"object_size": _SIZED, "compression": "zstd"}),
)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sizes", description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    rows = parser.parse_args().rows
    os.environ.update(CREDENTIALS)
    console = Console(highlight=False, soft_wrap=True)
    shown = []
    for cells in measure(assets(DISTINCT_ROWS), rows):
        console.print("  ".join(cells), style="dim")
        shown.append(cells)
    console.print(report.markdown(COLUMNS, shown), markup=False)


def measure(data: pa.RecordBatch, rows: int) -> Iterator[tuple[str, ...]]:
    """Yield the cells of each case, with so many rows."""
    messages = split(data, rows_per_message=_ROWS_PER_MESSAGE, rows=rows)
    for name, form, options in CASES:
        with processes.sink() as address, processes.plugin() as (server, plugin):
            usage = processes.measure(server, plugin, messages, spec_json(form, address) | options)
            with urlopen(address) as told:  # noqa: S310 - our own server
                sizes = [size for size in json.load(told).values() if size >= _LEAST_BYTES]
        size = options.get("object_size", 0)
        full = [one / size for one in sizes if size and one >= _LEAST_FULL * size]
        yield (
            name,
            f"{size >> 20} MiB" if size else "not set",
            f"{len(sizes):,}",
            f"{sum(sizes) / 1e6:,.0f}",
            f"{statistics.median(full):.2f}" if full else "",
            f"{usage.cpu_s:.0f}",
            f"{usage.seconds:.0f}",
            f"{usage.peak_rss_bytes / 2**20:.0f}",
        )


if __name__ == "__main__":
    main()
