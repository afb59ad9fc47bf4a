"""What more processes, and more streams into one, bring: `python -m benchmarks.scale [--quick] [--write-docs]`.

The store is simulated: each answer takes `--latency-ms`, and a prefix takes `--writes-per-s` before it says SlowDown.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console

from benchmarks import processes, report, stages
from benchmarks.assets import assets
from benchmarks.messages import split
from benchmarks.scale_on_paper import PLANS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.messages import Messages
    from benchmarks.scale_on_paper import Plan

PROCESSES: Final = (1, 2, 4, 8)
STREAMS: Final = (1, 4, 16, 64)
ROWS_PER_MESSAGE: Final = 1_000
DOCUMENT: Final = processes.REPOSITORY / "docs" / "scaling.md"

_COLUMNS: Final = (
    *("processes", "streams", "rows", "rows/s", "CPU-s / M rows", "cores", "peak RSS each, MiB"),
    *("writes", "SlowDown", "ended"),
)
_PAPER: Final = (
    *("", "objects", "of", "PUTs", "cost", "S3 takes at least", "a shard's manifest", "list of objects", "publication"),
    *("verifying it", "Iceberg's manifests"),
)
_HOW: Final = (
    "A store that answers after {:g} ms. The last two lines: one that refuses more than {} writes a second to a prefix,"
    " with `batch_size: 50`, at the default `max_retries` and with 10."
)
_MIB: Final = 2**20


@dataclass(frozen=True, slots=True)
class Run:
    """What some streams into some processes came to.

    Attributes:
        processes: how many plugins.
        streams: how many Writes, spread over them.
        rows: how many rows in all.
        seconds: from the first Write's begin to the last one's answer.
        cpu_s: CPU-seconds of the plugins together.
        peak_rss_bytes: the most memory that one of them held.
        accepted: the store's count of writes.
        refused: those that it answered with SlowDown.
        failed: how many Writes ended with an error.
    """

    processes: int
    streams: int
    rows: int
    seconds: float
    cpu_s: float
    peak_rss_bytes: int
    accepted: int
    refused: int
    failed: int

    def cells(self) -> tuple[str, ...]:
        """Return it as a line of a table."""
        return (
            str(self.processes),
            str(self.streams),
            f"{self.rows:,}",
            f"{self.rows / self.seconds:,.0f}",
            f"{self.cpu_s / self.rows * 1e6:.1f}",
            f"{self.cpu_s / self.seconds:.2f}",
            f"{self.peak_rss_bytes / _MIB:.0f}",
            f"{self.accepted:,}",
            f"{self.refused:,}",
            f"{self.failed} of {self.streams} with an error" if self.failed else "OK",
        )


@dataclass(frozen=True, slots=True)
class Store:
    """The store to simulate."""

    latency_ms: float
    writes_per_s: float


def main() -> None:
    """Measure, work out, print; write the document where that is asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="a fifth of the rows, and up to 4 processes and 16 streams"
    )
    parser.add_argument("--latency-ms", type=float, default=30)
    parser.add_argument("--writes-per-s", type=float, default=3_500, help="of a prefix; S3's figure")
    parser.add_argument("--write-docs", action="store_true", help="put the figures into docs/scaling.md")
    options = parser.parse_args()
    os.environ.update(stages.CREDENTIALS)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
    store = Store(options.latency_ms, options.writes_per_s)
    runs = []
    for run in measure(store, quick=options.quick):
        console.print("  ".join(run.cells()), style="dim")
        runs.append(run)
    paper = [paper_row(name, plan) for name, plan in PLANS.items()]
    console.print(report.table("Measured", _COLUMNS, [run.cells() for run in runs]))
    console.print(report.table("On paper: 10¹⁰ rows, 50 tables", _PAPER, paper))
    if options.write_docs:
        command = shlex.join(["python", "-m", "benchmarks.scale", *sys.argv[1:]])
        measured = report.markdown(_COLUMNS, [run.cells() for run in runs])
        sections = [
            "### Measured",
            _HOW.format(store.latency_ms, THROTTLED_PER_S),
            measured,
            "### On paper",
            report.markdown(_PAPER, paper),
        ]
        report.replace_figures(DOCUMENT, command, sections)


THROTTLED_PER_S: Final = 30
"""Writes; S3's own limit would take many machines to reach."""


def measure(store: Store, *, quick: bool) -> Iterator[Run]:
    """Yield every run: more processes, more streams into one, and a store that refuses."""
    rows = 100_000 if quick else 500_000
    for count in PROCESSES[: 3 if quick else None]:
        yield run(store, count, count, rows // count)
    for count in STREAMS[: 3 if quick else None]:
        yield run(store, 1, count, max(rows // count, 10 * ROWS_PER_MESSAGE))
    throttled = Store(store.latency_ms, THROTTLED_PER_S)
    for options in ({}, {"max_retries": 10}):
        yield run(throttled, 2, 4, 10_000, batch_size=50, **options)


def run(store: Store, plugins: int, streams: int, rows_each: int, **options: Any) -> Run:
    """Run some Writes at once, the same number into each of some plugins."""
    messages = split(assets(min(rows_each, 20_000)), rows_per_message=ROWS_PER_MESSAGE, rows=rows_each)
    with ExitStack() as stack:
        process = stack.enter_context(
            processes.running("benchmarks.throttled_store", str(store.latency_ms / 1000), str(store.writes_per_s))
        )
        endpoint = f"http://127.0.0.1:{processes.line(process)}"
        servers = [stack.enter_context(processes.plugin()) for _ in range(plugins)]
        spec = stages.spec_json("parquet", endpoint) | options
        addresses = [servers[number % plugins][1] for number in range(streams)]
        with clients(addresses, messages, spec) as start:
            before = sum(processes.cpu_s(server.pid) for server, _ in servers)
            started = time.perf_counter()
            answers = start()
            seconds = time.perf_counter() - started
        cpu_s = sum(processes.cpu_s(server.pid) for server, _ in servers) - before
        peak = max(processes.peak_rss(server.pid) for server, _ in servers)
        assert process.stdin is not None  # noqa: S101 - for the type checker
        process.stdin.close()
        counted = json.loads(processes.line(process))
    failed = sum(1 for answer in answers if "error" in answer)
    return Run(
        plugins, streams, rows_each * streams, seconds, cpu_s, peak, counted["accepted"], counted["refused"], failed
    )


@contextmanager
def clients(addresses: Sequence[str], messages: Messages, spec: dict[str, Any]) -> Iterator[Any]:
    """Run a client for each address until it is ready; yields what sends them all off, and waits for their answers."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        path = Path(folder, "messages")
        messages.save(path)
        arguments = [str(path), json.dumps(spec)]
        started = [
            stack.enter_context(processes.running("benchmarks.client", address, *arguments)) for address in addresses
        ]
        for client in started:
            processes.line(client)

        def start() -> list[dict[str, Any]]:
            for client in started:
                assert client.stdin is not None  # noqa: S101 - for the type checker
                print(file=client.stdin, flush=True)
            return [json.loads(processes.line(client)) for client in started]

        yield start


def paper_row(name: str, plan: Plan) -> tuple[str, ...]:
    """Return what a plan comes to."""
    return (
        f"{name}, {plan.shards:,} shards" if "shards" not in name else name,
        f"{plan.objects:,}",
        f"{plan.object_bytes / _MIB:,.1f} MiB",
        f"{plan.puts:,}",
        f"${plan.put_dollars:,.2f}",
        f"{plan.least_seconds:,.0f} s",
        f"{plan.manifest_bytes / 1024:,.0f} KiB",
        f"{plan.list_bytes / _MIB:,.0f} MiB",
        f"{plan.publication_bytes / 1024:,.0f} KiB",
        f"{plan.lists:,} lists, ${plan.publish_dollars:,.2f}",
        f"{plan.iceberg_bytes / _MIB:,.0f} MiB",
    )


if __name__ == "__main__":
    main()
