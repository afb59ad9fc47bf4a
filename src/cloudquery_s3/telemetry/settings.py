"""Where metrics and traces go, from the flags of `serve` and the OTEL_* variables. Imports nothing of OpenTelemetry."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

EXTRA: Final = "otel"
"""The extra of this distribution that brings what telemetry needs."""

_MODULES: Final = (
    "opentelemetry.sdk",
    "opentelemetry.exporter.otlp.proto.http",
    "opentelemetry.exporter.prometheus",
    "prometheus_client",
)
_PROTOCOL: Final = "http/protobuf"


@dataclass(frozen=True, slots=True)
class Settings:
    """What was asked for.

    Attributes:
        traces: the URL that takes traces; empty where the exporter takes it from the variables, None where none does.
        metrics: the URL that takes metrics, likewise.
        metrics_address: host and port at which Prometheus finds metrics, or None; no host is every interface.
        by_flag: whether a flag asked, and not only the environment.
        export_interval_ms: milliseconds from one export of metrics to the next; None where a variable says.
        warnings: one for each variable that asks for what is not there.
    """

    traces: str | None
    metrics: str | None
    metrics_address: tuple[str | None, int] | None
    by_flag: bool
    export_interval_ms: int | None
    warnings: list[str] = field(default_factory=list)

    @property
    def is_off(self) -> bool:
        """Whether there is nothing to do."""
        return self.traces is None and self.metrics is None and self.metrics_address is None


_INTERVAL_MS: Final = 15_000
"""As CloudQuery's Go SDK has it."""


def settings_of(
    *, endpoint: str, insecure: bool, metrics_address: tuple[str | None, int] | None, variables: Mapping[str, str]
) -> Settings:
    """Return what the flags and the environment ask for.

    Args:
        endpoint: of `--otel-endpoint`: host:port, or a URL, of an OTLP collector over HTTP; empty where there is none.
        insecure: `--otel-endpoint-insecure`: http instead of https.
        metrics_address: of `--metrics-address`, its parts.
        variables: the environment.

    Source: CloudQuery's Go plugin-sdk, `serve/opentelemetry.go`, and OpenTelemetry's specification of its variables.
    """
    warnings: list[str] = []
    disabled = variables.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    if disabled and (endpoint or metrics_address):
        warnings.append("OTEL_SDK_DISABLED is set: there are neither metrics nor traces, whatever the flags say")
    if disabled:
        return Settings(None, None, None, by_flag=False, export_interval_ms=None, warnings=warnings)
    urls = {}
    for signal in ("traces", "metrics"):
        named = f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT"
        by_variable = variables.get(named) or variables.get("OTEL_EXPORTER_OTLP_ENDPOINT")
        asked = bool(endpoint or by_variable)
        if asked and _exports(signal, variables, warnings):
            urls[signal] = f"{_base(endpoint, insecure=insecure)}/v1/{signal}" if endpoint else ""
    protocol = variables.get("OTEL_EXPORTER_OTLP_PROTOCOL") or _PROTOCOL
    if urls and protocol != _PROTOCOL:
        warnings.append(f"OTEL_EXPORTER_OTLP_PROTOCOL is {protocol}, and only {_PROTOCOL} is spoken here")
    return Settings(
        urls.get("traces"),
        urls.get("metrics"),
        metrics_address,
        by_flag=bool(endpoint or metrics_address),
        export_interval_ms=None if variables.get("OTEL_METRIC_EXPORT_INTERVAL") else _INTERVAL_MS,
        warnings=warnings,
    )


def missing_modules() -> list[str]:
    """Return what of the extra is not installed; imports none of it but the packages that it is in."""
    return [name for name in _MODULES if not _is_there(name)]


def _is_there(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # of the package that it would be in
        return False


def _exports(signal: str, variables: Mapping[str, str], warnings: list[str]) -> bool:
    """Return whether a signal is exported by OTLP: OTEL_TRACES_EXPORTER, OTEL_METRICS_EXPORTER."""
    name = f"OTEL_{signal.upper()}_EXPORTER"
    wanted = {one.strip() for one in (variables.get(name) or "otlp").split(",")}
    unknown = sorted(wanted - {"otlp", "none", ""})
    if unknown:
        warnings.append(f"{name}: {', '.join(unknown)} is not there; write otlp or none")
    return "otlp" in wanted


def _base(endpoint: str, *, insecure: bool) -> str:
    if "://" in endpoint:
        return endpoint.rstrip("/")
    return f"{'http' if insecure else 'https'}://{endpoint.rstrip('/')}"
