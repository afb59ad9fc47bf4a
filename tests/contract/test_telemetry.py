"""Metrics and traces as a user gets them: from the running plugin, by a collector and by Prometheus' own parser."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import grpc
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

import cloudquery_cli as cli
import plugin_client as client
import rows
from otlp_receiver import Received, attributes, from_json, otlp_receiver
from recipes import DEPLOY, ROOT
from server_programs import find_program, free_port, running
from telemetry_service import CELL, INVOCATION, Service, service, spec, write
from waiting import eventually
from wire_server import CLOSE, error, wire_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wire_server import WireServer

PAGE = (ROOT / "docs/telemetry.md").read_text(encoding="utf-8")
SECRETS = (CELL, cli.CREDENTIALS["AWS_SECRET_ACCESS_KEY"], "collector-token")


@pytest.fixture
def wire() -> Iterator[WireServer]:
    """A store that takes all."""
    with wire_server() as server:
        yield server


@contextmanager
def told_service() -> Iterator[tuple[Service, Received]]:
    """A service that tells a collector of itself, and what the collector has been told."""
    with (
        otlp_receiver() as (address, received),
        service("--otel-endpoint", address, "--otel-endpoint-insecure") as running,
    ):
        yield running, received


def test_figures_reach_collector_and_prometheus(wire: WireServer) -> None:
    """Both get the same figures of what the store has acknowledged, and each request, retry and altered cell."""
    wire.answers["PutObject"] = [error(503, "SlowDown"), CLOSE]
    with otlp_receiver() as (address, received):
        flags = ("--otel-endpoint", address, "--otel-endpoint-insecure", "--metrics-address", "127.0.0.1:0")
        with service(*flags) as running:
            write(running, spec(wire))
            samples = running.samples()
            running.stop()
    points = {name: received.points(name) for name in received.metrics()}
    for name, of_plain, of_odd in (("rows", 3, 2), ("objects", 1, 1)):
        for table, expected in (("plain", of_plain), ("odd", of_odd)):
            assert samples[f"cloudquery_s3_{name}_total", (("cloudquery_table", table),)] == expected
            assert points[f"cloudquery.s3.{name}"][("cloudquery.table", table),] == expected
    sent = sum(len(request.body) for request in wire.of("PutObject")[-2:])
    assert sum(points["cloudquery.s3.bytes"].values()) == sent
    assert points["cloudquery.s3.altered_cells"] == {(("cloudquery.table", "odd"),): 1}
    assert points["cloudquery.s3.requests"] == {
        (("http.response.status_code", 200), ("rpc.method", "PutObject")): 2,
        (("http.response.status_code", 503), ("rpc.method", "PutObject")): 1,
        (("rpc.method", "PutObject"),): 1,
    }
    assert points["cloudquery.s3.retries"] == {(("rpc.method", "PutObject"),): 2}
    assert points["cloudquery.s3.encode.duration"] == points["cloudquery.s3.upload.duration"] == {(): 2}
    assert points["cloudquery.s3.writes"][("cloudquery.status", "complete"),] == 1
    assert samples["cloudquery_s3_memory_limit_bytes", ()] == 320 << 20


def test_traces_are_a_tree(wire: WireServer) -> None:
    """A Write has a span, below it are its objects, below each the requests for it, and all name the sync."""
    wire.answers["PutObject"] = [error(503, "SlowDown")]
    with told_service() as (running, received):
        write(running, spec(wire, manifest={}))
        running.stop()
    (written,) = received.spans("Write")
    told = attributes(written)
    assert (told["cloudquery.sync_id"], told["cloudquery.status"]) == (INVOCATION, "complete")
    assert (told["aws.s3.bucket"], told["cloudquery.s3.rows"], told["cloudquery.s3.objects"]) == ("bkt", 5, 2)
    objects = {attributes(span)["cloudquery.table"]: span for span in received.spans("object")}
    assert {name: attributes(span)["cloudquery.s3.rows"] for name, span in objects.items()} == {"plain": 3, "odd": 2}
    assert {span.parent_span_id for span in objects.values()} == {written.span_id}
    assert all(written.start_time_unix_nano <= span.start_time_unix_nano for span in objects.values())
    puts = received.spans("S3/PutObject")
    of_objects = [span.parent_span_id for span in puts if span.parent_span_id != written.span_id]
    assert sorted(of_objects) == sorted([objects["plain"].span_id, objects["odd"].span_id, _resent_below(puts)])
    assert len(puts) == len(of_objects) + 1, "the manifest's request is the Write's own"
    assert {span.trace_id for span in received.spans()} == {written.trace_id}


def _resent_below(requests: list[Any]) -> bytes:
    (resent,) = [span for span in requests if attributes(span).get("http.request.resend_count")]
    (failed,) = [span for span in requests if attributes(span).get("http.response.status_code") == 503]
    assert resent.parent_span_id == failed.parent_span_id
    return bytes(resent.parent_span_id)


def test_a_failed_write_is_told(wire: WireServer) -> None:
    """A Write that fails counts as failed, its object has no rows, and its spans say of which kind the error is."""
    wire.answers["PutObject"] = [error(403, "AccessDenied", CELL)]
    with told_service() as (running, received):
        plugin = client.Client(running.address)
        plugin.init(spec(wire))
        with pytest.raises(grpc.RpcError):
            plugin.write([client.insert(rows.batch("t", [1]))])
        running.stop()
    (written,) = received.spans("Write")
    assert attributes(written)["error.type"] == "AccessDenied"
    assert [span.status.code for span in (written, *received.spans("object"))] == [2, 2]
    assert received.points("cloudquery.s3.writes")[("cloudquery.status", "failed"),] == 1
    assert "cloudquery.s3.rows" not in received.metrics()
    assert CELL not in received.text


def test_nothing_secret_is_told(wire: WireServer) -> None:
    """No cell's value, no credential and no header of the collector is in a span, a metric or a line of the log.

    Where the path has columns, a key holds their values: no span has it then.
    """
    environment = {"OTEL_EXPORTER_OTLP_HEADERS": "authorization=collector-token"}
    path = "{{TABLE}}/{{COLUMN:_cq_source_name}}/{{UUID}}.{{FORMAT}}"
    with otlp_receiver() as (address, received):
        flags = ("--otel-endpoint", address, "--otel-endpoint-insecure", "--metrics-address", "127.0.0.1:0")
        with service(*flags, "--log-level", "debug", environment=environment) as running:
            write(running, spec(wire))
            assert [span for span in received.spans("object") if "aws.s3.key" not in attributes(span)] == []
            plugin = client.Client(running.address)
            plugin.init(spec(wire, path=path))
            plugin.write([client.insert(rows.batch("by_column", [1], _cq_source_name=["aws"]))])
            text = running.metrics_text()
            running.stop()
            text += received.text + json.dumps(running.lines)
    assert {one["authorization"] for one in received.headers} == {"collector-token"}
    by_column = [span for span in received.spans("object") if attributes(span)["cloudquery.table"] == "by_column"]
    assert ["aws.s3.key" in attributes(span) for span in by_column] == [False]
    assert [secret for secret in SECRETS if secret in text] == []


def test_variables_alone(wire: WireServer) -> None:
    """OTEL_* variables turn it on without a flag, and say who tells and which signals there are."""
    with otlp_receiver() as (address, received):
        environment = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{address}",
            "OTEL_SERVICE_NAME": "nightly",
            "OTEL_TRACES_EXPORTER": "none",
            "OTEL_METRIC_EXPORT_INTERVAL": "50",
            "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
        }
        with service(environment=environment) as running:
            write(running, spec(wire))
            assert eventually(lambda: "cloudquery.s3.rows" in received.metrics())
    assert received.spans() == []
    assert {resource["service.name"] for resource in received.resources()} == {"nightly"}


def test_off_imports_nothing(wire: WireServer, tmp_path: Path) -> None:
    """Without a flag or a variable a whole sync imports nothing of OpenTelemetry or Prometheus, installed or not."""
    command = [sys.executable, "-X", "importtime", "-m", "cloudquery_s3.cli", "serve", "--address", "127.0.0.1:0"]
    imports = tmp_path / "imports"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    with imports.open("w") as errors:
        process = subprocess.Popen(
            [*command, "--log-format", "json"],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={**environment, **cli.CREDENTIALS},
        )
        try:
            assert process.stdout is not None
            write(Service(process, [json.loads(process.stdout.readline())]), spec(wire))
            process.terminate()
            process.communicate(timeout=60)
        finally:
            process.kill()
    names = {line.rpartition("|")[2].strip() for line in imports.read_text(encoding="utf-8").splitlines()}
    assert "cloudquery_s3.writer.stream_writer" in names
    heavy = ("opentelemetry", "prometheus_client", "requests", "cloudquery_s3.telemetry.telemetry")
    assert [name for name in names if name.startswith(heavy)] == []


WITHOUT_EXTRA = "import sys; sys.modules['opentelemetry'] = None; from cloudquery_s3.cli import main; sys.exit(main())"


@pytest.mark.parametrize("flags", [("--otel-endpoint", "localhost:4318"), ("--metrics-address", "127.0.0.1:0")])
def test_a_flag_without_the_extra(flags: tuple[str, str]) -> None:
    """A flag that asks for what is not installed ends the process with an error that says what to install."""
    command = [sys.executable, "-c", WITHOUT_EXTRA, "serve", "--address", "127.0.0.1:0", *flags]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "pip install 'cloudquery-destination-s3[otel]'" in done.stdout


def test_a_variable_without_the_extra() -> None:
    """A variable that asks for what is not installed is a warning: it may be meant for other programs."""
    command = [sys.executable, "-c", WITHOUT_EXTRA, "serve", "--address", "127.0.0.1:0", "--log-format", "json"]
    environment = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        warning, serving = (json.loads(process.stdout.readline()) for _ in range(2))
        process.kill()
    assert (warning["level"], serving["message"]) == ("warn", "serving")
    assert "cloudquery-destination-s3[otel]" in warning["message"]


@pytest.mark.parametrize("address", ["taken", "127.0.0.1", "127.0.0.1:port"])
def test_an_address_for_prometheus_that_cannot_be(address: str) -> None:
    """An address that is taken, or none, ends the process with an error that names it, and says what to correct."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}" if address == "taken" else address
        command = [str(cli.PLUGIN), "serve", "--address", "127.0.0.1:0", "--metrics-address", address]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert f"cannot serve metrics on {address}: " in done.stdout
    assert "--metrics-address" in done.stdout


@pytest.mark.parametrize("status", [None, 503, 400])
def test_a_collector_that_fails(wire: WireServer, status: int | None) -> None:
    """A collector that is not there, or refuses, costs no row; it is a warning, and the plugin still ends in time."""
    with otlp_receiver() as (address, received):
        received.answer = status or 200
        endpoint = address if status else f"127.0.0.1:{free_port()}"
        variables = {"OTEL_METRIC_EXPORT_INTERVAL": "100", "OTEL_BSP_SCHEDULE_DELAY": "100"}
        with service("--otel-endpoint", endpoint, "--otel-endpoint-insecure", environment=variables) as running:
            write(running, spec(wire))
            ours = {"write ended", "object written", "table written", "serving", "cells altered"}
            assert eventually(lambda: any(line["message"] not in ours for line in tuple(running.lines)), within_s=60)
            began = time.monotonic()
            running.stop()
            took = time.monotonic() - began
    assert len(wire.of("PutObject")) == 2
    assert {line["level"] for line in running.lines} == {"info", "warn"}
    assert took < 5, "the CLI kills what has not ended by then"


@pytest.mark.cli
def test_the_cli_with_a_collector(wire: WireServer, tmp_path: Path) -> None:
    """A sync of the real CLI with variables: each line of the plugin has the CLI's time alone and the sync's id."""

    def script() -> Iterator[tuple[str, Any]]:
        yield "migrate", rows.schema("t")
        yield "insert", rows.batch("t", [1, 2, 3])

    invocation = "9ad1cd0a-8a3b-4a36-a1d4-3ea3ec1e93c5"
    with otlp_receiver() as (address, received), cli.scripted_source(script, [rows.schema("t")]) as source:
        environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{address}"}
        documents = (cli.source(source), cli.destination(spec(wire)))
        flags = ("--invocation-id", invocation)
        done = cli.run("sync", *documents, folder=tmp_path, flags=flags, environment=environment)
        assert done.status == 0, done.output
    of_sync = [line for line in done.log if line.get("sync_id")]
    assert {line["message"] for line in of_sync} >= {"object written", "table written", "write ended"}
    assert {line["sync_id"] for line in of_sync} == {invocation}
    (table,) = [line for line in done.log if line["message"] == "table written"]
    assert table["level"] == "info"
    assert {name: table[name] for name in ("table", "rows", "objects", "retries", "altered", "sources")} == {
        "table": "t", "rows": 3, "objects": 1, "retries": 0, "altered": {}, "sources": ["src"],
    }  # fmt: skip
    assert {"bytes", "seconds"} <= table.keys()
    raw = (tmp_path / "cloudquery.log").read_text(encoding="utf-8").splitlines()
    times = [time for line in raw if '"sync_id"' in line for time in re.findall('"time":"(.+?)"', line)]
    assert [time for time in times if "." in time] == [], "the CLI's times are whole seconds, the plugin's are not"
    assert [attributes(span)["cloudquery.sync_id"] for span in received.spans("Write")] == [invocation]
    assert received.points("cloudquery.s3.rows") == {(("cloudquery.table", "t"),): 3}


def test_the_log_of_a_service_can_be_joined(wire: WireServer) -> None:
    """Of two syncs at once each line has its own sync's id and its client's address, whatever thread has said it."""
    wire.answers["PutObject"] = [error(503, "SlowDown")] * 2
    with service() as running:
        own_connection = ("grpc.use_local_subchannel_pool", 1)
        plugins = [client.Client(running.address, own_connection) for _ in range(2)]
        for plugin in plugins:
            plugin.init(spec(wire))
        writes = [plugin.open_write() for plugin in plugins]
        for number, one in enumerate(writes):
            one.send(client.insert(rows.batch(f"t{number}", [1], _cq_source_name=[f"source{number}"])))
        for one in writes:
            one.end()
        running.stop()
    of_tables = {number: [line for line in running.lines if line.get("table") == f"t{number}"] for number in range(2)}
    peers = [{line["peer"] for line in lines} for lines in of_tables.values()]
    assert [len(one) for one in peers] == [1, 1]
    assert peers[0] != peers[1]
    for number, lines in of_tables.items():
        assert [line["sources"] for line in lines] == [[f"source{number}"]] * len(lines)
    messages = [line["message"] for lines in of_tables.values() for line in lines]
    assert (messages.count("object written"), messages.count("table written")) == (2, 2)
    assert messages.count("sending again") == 2, "said on the threads of the upload pool"
    outside = {"serving", "stopped"}
    assert {line["message"] for line in running.lines if line.get("sync_id") != INVOCATION} == outside
    assert all(line["time"].endswith("Z") for line in running.lines)


def test_the_log_says_whose_rows_a_table_lost(wire: WireServer) -> None:
    """A table's error has the sources of its rows, as every line about it has that comes after the rows were read."""
    wire.answers["PutObject"] = [error(400, "InvalidArgument")]
    with service() as running:
        plugin = client.Client(running.address)
        plugin.init(spec(wire, batch_size=2))
        write = plugin.open_write()
        write.send(client.insert(rows.batch("t", [1, 2], _cq_source_name=["b", "a"])))
        with pytest.raises(grpc.RpcError, match="InvalidArgument"):
            write.end()
        running.stop()
    of_table = {line["message"].partition(":")[0]: line for line in running.lines if "table" in line}
    (failure,) = [line for line in of_table.values() if line["level"] == "error"]
    assert (failure["table"], failure["sources"]) == ("t", ["a", "b"])
    assert of_table["table written"]["sources"] == ["a", "b"]
    assert all("sources" in line for line in of_table.values())


def test_what_ends_a_write_can_be_joined(wire: WireServer) -> None:
    """A line has its sync's id also where another call has caused it, or the process was told to stop, or rows fail."""
    with service() as running:
        plugin = client.Client(running.address)
        plugin.init(spec(wire))
        wire.answers["PutObject"] = [error(403, "AccessDenied")]
        with pytest.raises(grpc.RpcError):
            plugin.write([client.insert(rows.batch("t", [1]))])
        plugin.init(spec(wire))
        closed = plugin.open_write()
        closed.send(client.insert(rows.batch("t", [1])))
        plugin.close()
        with pytest.raises(grpc.RpcError):
            closed.call.result()
        plugin.init(spec(wire, batch_size=1))
        before = len(wire.requests)
        stopped = plugin.open_write()
        stopped.send(client.insert(rows.batch("t", [1])))
        assert eventually(lambda: len(wire.requests) > before), "the row is not stored"
        running.stop()
    errors = [line for line in running.lines if line["level"] == "error"]
    for what in ("AccessDenied", "was closed before", "told to stop"):
        assert [line for line in errors if what in line["message"]], what
    assert {(line["sync_id"], line["peer"]) for line in errors} == {(INVOCATION, errors[0]["peer"])}


def rows_of_table(title: str) -> list[list[str]]:
    """The cells of the table below a heading of the page, without the mark-up of code."""
    section = PAGE.partition(f"## {title}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_page_lists_all_metrics(wire: WireServer) -> None:
    """docs/telemetry.md names each metric that there is, with its unit, its kind and its attributes, and no other."""
    wire.answers["PutObject"] = [error(503, "SlowDown")]
    with told_service() as (running, received):
        write(running, spec(wire))
        running.stop()
    told = {}
    for name, metric in received.metrics().items():
        data = metric.histogram if metric.WhichOneof("data") == "histogram" else metric.sum
        kind = "histogram" if metric.WhichOneof("data") == "histogram" else "counter" if data.is_monotonic else "gauge"
        told[name] = (metric.unit, kind, {key for point in data.data_points for key in attributes(point)})
    page = {
        name.strip("`"): (unit.strip("`"), kind, set(re.findall("`(.+?)`", more)))
        for name, unit, kind, more, _ in rows_of_table("Metrics")
    }
    assert page == told


def test_the_page_lists_all_spans(wire: WireServer) -> None:
    """docs/telemetry.md names each attribute that a span can have, and no other."""
    wire.answers["PutObject"] = [error(503, "SlowDown")]
    with told_service() as (running, received):
        write(running, spec(wire))
        wire.answers["PutObject"] = [error(403, "AccessDenied")]
        with pytest.raises(grpc.RpcError):
            write(running, spec(wire))
        running.stop()
    page = {row[0].split("`")[1].split("/")[0]: set(re.findall("`(.+?)`", row[2])) for row in rows_of_table("Traces")}
    told: dict[str, set[str]] = {name: set() for name in page}
    for span in received.spans():
        told[span.name.split("/")[0]] |= attributes(span).keys()
    assert page == told


def alerts() -> dict[str, Any]:
    """The rules that the page shows."""
    return dict(yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text(encoding="utf-8")))


def test_alerts_name_what_is_there(wire: WireServer) -> None:
    """Each metric, label and value in the alerts is in what Prometheus is given."""
    with service("--metrics-address", "127.0.0.1:0") as running:
        write(running, spec(wire))
        samples = [one for family in text_string_to_metric_families(running.metrics_text()) for one in family.samples]
    names = {sample.name for sample in samples}
    values = {value for sample in samples for pair in sample.labels.items() for value in pair}
    for rule in alerts()["groups"][0]["rules"]:
        expression = rule["expr"]
        assert set(re.findall(r"cloudquery_s3_\w+", expression)) <= names, rule["alert"]
        for label, value in re.findall(r'(\w+)!?=~?"([^"\[]+)"', expression):
            assert {label, value} <= values, rule["alert"]


PROMTOOL_TESTS = {
    "rule_files": ["rules.yml"],
    "evaluation_interval": "1m",
    "tests": [
        {
            "interval": "1m",
            "input_series": [
                {"series": f'cloudquery_s3_writes_total{{instance="i",cloudquery_status="{status}"}}', "values": values}
                for status, values in (("complete", "0+1x60"), ("failed", "0x20 1x40"))
            ]
            + [
                {
                    "series": "cloudquery_s3_requests_total"
                    f'{{instance="i",rpc_method="PutObject",http_response_status_code="{status}"}}',
                    "values": values,
                }
                for status, values in (("200", "0+90x60"), ("503", "0x20 0+10x40"))
            ]
            + [
                {
                    "series": f'cloudquery_s3_memory_usage_bytes{{instance="i",cloudquery_s3_memory_state="{state}"}}',
                    "values": values,
                }
                for state, values in (("held", "10x60"), ("uploading", "10x20 85x40"))
            ]
            + [{"series": 'cloudquery_s3_memory_limit_bytes{instance="i"}', "values": "100x60"}],
            "alert_rule_test": [
                {
                    "eval_time": when,
                    "alertname": name,
                    "exp_alerts": [{"exp_labels": labels, "exp_annotations": {"summary": summary}}] if fires else [],
                }
                for name, labels, summary in (
                    (
                        "CloudQueryWriteFailed",
                        {"severity": "page", "instance": "i", "cloudquery_status": "failed"},
                        "Rows of a sync are not in the bucket: look for level=error in the log of i",
                    ),
                    (
                        "CloudQueryStoreRefuses",
                        {"severity": "ticket", "instance": "i"},
                        "More than one request in 20 to S3 fails: it throttles, or does not answer",
                    ),
                    (
                        "CloudQueryWaitsForStore",
                        {"severity": "ticket", "instance": "i"},
                        "The memory budget is used up, so that sources wait: the store is slower than they are",
                    ),
                )
                for when, fires in (("20m", False), ("22m" if name.endswith("Failed") else "50m", True))
            ],
        }
    ],
}


@pytest.mark.slow
def test_alerts_fire(tmp_path: Path) -> None:
    """Prometheus' own tool takes the alerts; each is silent while all is well, and fires when it is not."""
    promtool = find_program("promtool", "make promtool")
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(alerts()), encoding="utf-8")
    (tmp_path / "tests.yml").write_text(yaml.safe_dump(PROMTOOL_TESTS), encoding="utf-8")
    command = [promtool, "test", "rules", "tests.yml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_a_real_collector(wire: WireServer, tmp_path: Path) -> None:
    """OpenTelemetry's own collector takes metrics and traces, and writes the figures that were sent."""
    collector = find_program("otelcol", "make otel-collector")
    port, file = free_port(), tmp_path / "told.jsonl"
    exporters = {"file": {"path": str(file), "flush_interval": "100ms"}}
    pipeline = {"receivers": ["otlp"], "exporters": ["file"]}
    configuration = {
        "receivers": {"otlp": {"protocols": {"http": {"endpoint": f"127.0.0.1:{port}"}}}},
        "exporters": exporters,
        "service": {
            "pipelines": {"traces": pipeline, "metrics": pipeline},
            "telemetry": {"metrics": {"level": "none"}},
        },
    }
    (tmp_path / "collector.yaml").write_text(yaml.safe_dump(configuration), encoding="utf-8")
    with running([collector, "--config", str(tmp_path / "collector.yaml")], port):
        with service("--otel-endpoint", f"127.0.0.1:{port}", "--otel-endpoint-insecure") as plugin:
            write(plugin, spec(wire))
            plugin.stop()
        assert eventually(lambda: len(_told(file).spans("S3/PutObject")) == 2)
        assert eventually(lambda: "cloudquery.s3.rows" in _told(file).metrics())
    told = _told(file)
    assert sorted(told.points("cloudquery.s3.rows").values()) == [2, 3]
    assert [attributes(span)["cloudquery.sync_id"] for span in told.spans("Write")] == [INVOCATION]
    assert {resource["service.name"] for resource in told.resources()} == {"cloudquery-s3"}


def _told(file: Path) -> Received:
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return from_json(json.loads(line) for line in lines if line.endswith("}"))
