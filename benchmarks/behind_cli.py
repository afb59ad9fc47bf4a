"""The same sync through the real CLI into this plugin and into a destination that only counts.

`python -m benchmarks.behind_cli [--rows-per-message 50 1000] [--rows 400000]`: runs each pair in turns, and prints the
seconds of both, from the CLI's start to its end, and their ratio.
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
from typing import Any, Final

from examples.demo.sync import cli_binary

from benchmarks import processes, stages
from benchmarks.assets import assets
from benchmarks.messages import split

_TURNS: Final = 3
_DISTINCT_ROWS: Final = 20_000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.behind_cli")
    parser.add_argument("--rows-per-message", type=int, nargs="+", default=[50, 1000])
    parser.add_argument("--rows", type=int, default=400_000)
    parser.add_argument("--format", default="parquet")
    options = parser.parse_args()
    os.environ.update(stages.CREDENTIALS)
    data = assets(_DISTINCT_ROWS)
    with processes.sink() as sink, tempfile.TemporaryDirectory() as folder:
        for rows_per_message in options.rows_per_message:
            path = Path(folder, "messages")
            split(data, rows_per_message=rows_per_message, rows=options.rows).save(path)
            counted, written = _measure(path, Path(folder), sink, options.format)
            print(
                f"{options.format}, {rows_per_message} rows a message, {options.rows} rows: "
                f"counter {counted:.1f} s, plugin {written:.1f} s, ratio {written / counted:.2f}"
            )


def _measure(messages: Path, folder: Path, sink: str, file_format: str) -> tuple[float, float]:
    spec = {
        "bucket": "bench",
        "region": "us-east-1",
        "endpoint": sink,
        "use_path_style": True,
        "path": "{{TABLE}}/{{UUID}}.{{FORMAT}}",
        "format": file_format,
    }
    counted, written = [], []
    with (
        processes.peer("source", str(messages)) as source,
        processes.peer("counter") as counter,
        processes.plugin() as (_, plugin),
    ):
        for _ in range(_TURNS):
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
