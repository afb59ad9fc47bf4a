"""The plugin as a service that tells of itself, and what its metrics say as Prometheus reads them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from prometheus_client.parser import text_string_to_metric_families

import cloudquery_cli as cli
import plugin_client as client
import rows
from waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wire_server import WireServer

INVOCATION = "11111111-2222-4333-8444-555555555555"
"""What `plugin_client.Client` calls Init with."""

CELL = "a-cell-that-nobody-else-may-see"


@dataclass
class Service:
    """A service that runs.

    Attributes:
        process: it.
        lines: what it has logged so far.
    """

    process: subprocess.Popen[str]
    lines: list[dict[str, Any]] = field(default_factory=list)

    def said(self, message: str) -> dict[str, Any]:
        """The first line with a message, once it is there."""
        assert eventually(lambda: any(line["message"] == message for line in tuple(self.lines)), within_s=60), message
        return next(line for line in self.lines if line["message"] == message)

    @property
    def address(self) -> str:
        """Where it serves calls."""
        return str(self.said("serving")["address"])

    def metrics_text(self) -> str:
        """What Prometheus is given."""
        url = f"http://{self.said('serving metrics')['address']}/metrics"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return str(answer.read().decode())

    def samples(self) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        """What Prometheus is given, as it understands it: values by name and labels."""
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(self.metrics_text())
            for sample in family.samples
        }

    def value(self, name: str, **labels: str) -> float:
        """One sample's value."""
        return self.samples()[name, tuple(sorted(labels.items()))]

    def stop(self) -> None:
        """Tell it to stop, as the CLI does, and wait until it has."""
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(20) == 0


@contextmanager
def service(*arguments: str, environment: Mapping[str, str] | None = None) -> Iterator[Service]:
    """Run the plugin on a free port of loopback, with more arguments, and variables beside its credentials."""
    command = [sys.executable, "-m", "cloudquery_s3.cli", "serve", "--address", "127.0.0.1:0", "--log-format", "json"]
    process = subprocess.Popen(
        [*command, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **cli.CREDENTIALS, **(environment or {})},
    )
    running = Service(process)

    def read() -> None:
        assert process.stdout is not None
        running.lines.extend(json.loads(line) for line in process.stdout)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        yield running
    finally:
        process.kill()
        process.wait()
        reader.join()
        assert process.stdout is not None
        process.stdout.close()


def spec(wire: WireServer, **changes: Any) -> dict[str, Any]:
    """Where rows go: into a store that takes all, without the test object."""
    return {
        "bucket": "bkt",
        "region": "eu-west-1",
        "endpoint": wire.endpoint,
        "use_path_style": True,
        "path": "{{TABLE}}/{{UUID}}.{{FORMAT}}",
        "format": "json",
        "test_write": False,
        "max_backoff": 1,
        **changes,
    }


def odd_batch(table: str) -> pa.RecordBatch:
    """Two rows of a source, one with a JSON cell that is none."""
    json_column = pa.field("j", pa.binary(), metadata={"ARROW:extension:name": "json"})
    schema = pa.schema([pa.field("_cq_source_name", pa.string()), json_column], metadata={"cq:table_name": table})
    return pa.record_batch([pa.array(["aws", "aws"]), pa.array([b"{}", CELL.encode()])], schema=schema)


def write(running: Service, destination: dict[str, Any]) -> None:
    """Write five rows of two tables, an altered cell among them."""
    plugin = client.Client(running.address)
    plugin.init(destination)
    plugin.write([client.insert(rows.batch("plain", [1, 2, 3])), client.insert(odd_batch("odd"))])
    plugin.close()
