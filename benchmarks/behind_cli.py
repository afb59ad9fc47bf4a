"""How long a sync takes behind the real CLI: `python -m benchmarks.behind_cli [--rows-per-message 50 1000]`.

The same rows into this plugin and into a destination that only counts, in turns: seconds of the wall clock from the
CLI's start to its end. Source, CLI, plugin and store share this machine's cores.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from examples.demo.sync import cli_binary
from rich.console import Console

from benchmarks import processes, report, stages
from benchmarks.assets import assets
from benchmarks.cases import FORMATS
from benchmarks.messages import split

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa

COLUMNS: Final = ("format", "rows a message", "rows", "seconds", "rows/s", "into a counter, s", "ratio")
ROWS: Final = 400_000
_TURNS: Final = 3
_DISTINCT_ROWS: Final = 20_000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.behind_cli", description=__doc__)
    parser.add_argument("--rows-per-message", type=int, nargs="+", default=[50, 1000])
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=["parquet"])
    options = parser.parse_args()
    os.environ.update(stages.CREDENTIALS)
    rows = measure(assets(_DISTINCT_ROWS), options.rows, formats=options.formats, sizes=options.rows_per_message)
    Console(highlight=False, width=160).print(report.table("Behind the real CLI", COLUMNS, list(rows)))


def measure(
    data: pa.RecordBatch, rows: int, *, formats: Sequence[str], sizes: Sequence[int], turns: int = _TURNS
) -> Iterator[tuple[str, ...]]:
    """Yield the cells of each format and size of message: medians of so many turns."""
    with processes.sink() as sink, tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "messages")
        for size in sizes:
            messages = split(data, rows_per_message=size, rows=rows)
            messages.save(path)
            sent = messages.count * size
            for form in formats:
                counted, written = _measure(path, Path(folder), stages.spec_json(form, sink), turns)
                figures = f"{written:.1f}", f"{sent / written:,.0f}", f"{counted:.1f}", f"{written / counted:.2f}"
                yield (form, f"{size:,}", f"{sent:,}", *figures)


def _measure(messages: Path, folder: Path, spec: dict[str, Any], turns: int) -> tuple[float, float]:
    counted, written = [], []
    with (
        processes.peer("source", str(messages)) as source,
        processes.peer("counter") as counter,
        processes.plugin() as (_, plugin),
    ):
        for _ in range(turns):
            counted.append(_sync(folder, source, counter, {}))
            written.append(_sync(folder, source, plugin, spec))
    return statistics.median(counted), statistics.median(written)


def _sync(folder: Path, source: str, destination: str, spec: dict[str, Any]) -> float:
    common = {"registry": "grpc", "version": "v1.0.0"}
    documents = (
        {
            "kind": "source",
            "spec": {**common, "name": "src", "path": source, "tables": ["*"], "destinations": ["dst"]},
        },
        {
            "kind": "destination",
            "spec": {**common, "name": "dst", "path": destination, "write_mode": "append", "spec": spec},
        },
    )
    file = folder / "spec.yml"
    file.write_text("---\n".join(json.dumps(document) + "\n" for document in documents))
    environment = {**os.environ, "CQ_TELEMETRY_LEVEL": "none"}
    started = time.perf_counter()
    done = subprocess.run(  # noqa: S603 - the CLI of the development environment
        [cli_binary(), "sync", str(file), "--no-log-file"], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"the sync failed: {done.stdout}{done.stderr}")
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
