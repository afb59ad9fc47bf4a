"""Metrics as Prometheus reads them: text over HTTP."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import MetricReader

log = logging.getLogger(__name__)


def serve(host: str | None, port: int) -> MetricReader:
    """Serve metrics at an address, and return what reads them; no host is every interface, port 0 any that is free.

    Raises:
        OSError: it cannot be listened at.
    """
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    reader = PrometheusMetricReader(registry=registry, scope_info_enabled=False)
    server, _thread = start_http_server(port, addr=host or "0.0.0.0", registry=registry)  # noqa: S104 - it was asked for
    log.info("serving metrics", extra={"address": f"{host or ''}:{server.server_port}"})
    return reader
