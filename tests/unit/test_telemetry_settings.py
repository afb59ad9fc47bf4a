"""Where metrics and traces go: the flags of `serve`, and OpenTelemetry's variables."""

from __future__ import annotations

from typing import Any

import pytest

from cloudquery_s3.telemetry.settings import Settings, settings_of

COLLECTOR = "OTEL_EXPORTER_OTLP_ENDPOINT"


def asked(endpoint: str = "", *, insecure: bool = False, address: Any = None, **variables: str) -> Settings:
    """The settings of these flags and variables."""
    return settings_of(endpoint=endpoint, insecure=insecure, metrics_address=address, variables=variables)


def test_nothing_asked() -> None:
    """Without a flag or an endpoint all is off, whatever else the environment says of OpenTelemetry."""
    assert asked().is_off
    assert asked(OTEL_SERVICE_NAME="s", OTEL_TRACES_EXPORTER="otlp", OTEL_EXPORTER_OTLP_HEADERS="a=b").is_off
    assert asked(**{COLLECTOR: ""}).is_off


@pytest.mark.parametrize(
    ("endpoint", "insecure", "base"),
    [
        ("collector:4318", False, "https://collector:4318"),
        ("collector:4318", True, "http://collector:4318"),
        ("collector:4318/", True, "http://collector:4318"),
        ("http://collector:4318/otlp", False, "http://collector:4318/otlp"),
    ],
)
def test_the_flag(endpoint: str, insecure: bool, base: str) -> None:
    """A flag is a host and a port, as with the Go plugins, or a URL; each signal has the path of OTLP's own."""
    found = asked(endpoint, insecure=insecure, **{COLLECTOR: "http://elsewhere"})
    assert (found.traces, found.metrics) == (f"{base}/v1/traces", f"{base}/v1/metrics")
    assert found.by_flag


@pytest.mark.parametrize(
    ("variables", "traces", "metrics"),
    [
        ({COLLECTOR: "http://c"}, "", ""),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c"}, "", None),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://c"}, None, ""),
        ({COLLECTOR: "http://c", "OTEL_TRACES_EXPORTER": "none"}, None, ""),
        ({COLLECTOR: "http://c", "OTEL_METRICS_EXPORTER": "none"}, "", None),
        ({COLLECTOR: "http://c", "OTEL_SDK_DISABLED": "true"}, None, None),
    ],
)
def test_variables(variables: dict[str, str], traces: str | None, metrics: str | None) -> None:
    """A variable turns a signal on, or off; its URL is left to the exporter."""
    found = asked(**variables)
    assert (found.traces, found.metrics, found.by_flag, found.warnings) == (traces, metrics, False, [])


@pytest.mark.parametrize(
    ("variables", "warning"),
    [
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "OTEL_EXPORTER_OTLP_PROTOCOL is grpc"),
        ({"OTEL_METRICS_EXPORTER": "otlp,console"}, "OTEL_METRICS_EXPORTER: console is not there"),
        ({"OTEL_SDK_DISABLED": "TRUE"}, "OTEL_SDK_DISABLED is set"),
    ],
)
def test_what_is_not_there(variables: dict[str, str], warning: str) -> None:
    """A variable that asks for what is not there, or against a flag, is one warning that names it."""
    (found,) = asked("collector:4318", **variables).warnings
    assert found.startswith(warning)


def test_how_often() -> None:
    """Metrics are sent every 15 s, as by the Go plugins, unless a variable says how often."""
    assert asked("c:1").export_interval_ms == 15_000
    assert asked("c:1", OTEL_METRIC_EXPORT_INTERVAL="100").export_interval_ms is None


def test_prometheus_alone() -> None:
    """An address for Prometheus sends nothing anywhere."""
    found = asked(address=("127.0.0.1", 9464))
    assert (found.traces, found.metrics, found.is_off, found.by_flag) == (None, None, False, True)
