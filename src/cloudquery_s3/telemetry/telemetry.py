"""Telemetry as a whole: what is exported where, who hears of what, and its end."""

from __future__ import annotations

import logging
import threading
import uuid
from functools import partial
from typing import TYPE_CHECKING, Final

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from cloudquery_s3 import __version__, scope
from cloudquery_s3.telemetry.metrics import Metrics
from cloudquery_s3.telemetry.traces import WriteTrace, trace_request

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudquery_s3.committed import CommittedObject, Publisher, PublisherFactory, WriteEnd, WriteStart
    from cloudquery_s3.stores.sent_request import SentRequest
    from cloudquery_s3.telemetry.load import Load
    from cloudquery_s3.telemetry.settings import Settings

log = logging.getLogger(__name__)

_NAME: Final = "cloudquery-s3"
_PATH: Final = "cloudquery/destination/s3"


class Telemetry:
    """Metrics and traces of a process. Safe to use from several threads."""

    def __init__(self, settings: Settings, load: Callable[[], Load]) -> None:
        """Begin to export, and to serve metrics.

        Args:
            settings: what goes where.
            load: tells the present state, from any thread.

        Raises:
            OSError: the address for Prometheus cannot be listened at.
        """
        resource = _resource()
        readers: list[MetricReader] = []
        if settings.metrics is not None:
            exporter = OTLPMetricExporter(endpoint=settings.metrics or None)
            readers.append(PeriodicExportingMetricReader(exporter, settings.export_interval_ms))
        if settings.metrics_address is not None:
            from cloudquery_s3.telemetry.prometheus import serve  # noqa: PLC0415 -- only for who asks for it

            readers.append(serve(*settings.metrics_address))
        self._meters = MeterProvider(readers, resource, shutdown_on_exit=False)
        self._tracers = TracerProvider(resource=resource, shutdown_on_exit=False)
        if settings.traces is not None:
            self._tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=settings.traces or None)))
        self._tracer = self._tracers.get_tracer("cloudquery_s3", __version__) if settings.traces is not None else None
        self._metrics = Metrics(self._meters.get_meter("cloudquery_s3", __version__), load)
        self._traces: dict[str, WriteTrace] = {}

    def publisher(self, *, bucket: str) -> PublisherFactory:
        """Return what hears of the objects of each Write to a bucket. It stands last: it tells how all others went."""
        return partial(self._of_write, bucket)

    def requested(self, request: SentRequest) -> None:
        """Hear of a request; see `RequestListener`."""
        self._metrics.requested(request)
        if self._tracer is not None:
            worker = scope.current()
            trace = self._traces.get(worker.write_id)
            trace_request(self._tracer, request, trace.context(worker) if trace is not None else None)

    def close(self, patience_s: float) -> None:
        """Send what has not been sent yet, for so long at the most."""
        closing = [
            threading.Thread(target=provider.shutdown, name="telemetry-close", daemon=True)
            for provider in (self._tracers, self._meters)
        ]
        for thread in closing:
            thread.start()
        for thread in closing:
            thread.join(patience_s / len(closing))

    def _of_write(self, bucket: str, start: WriteStart) -> Publisher:
        if self._tracer is not None:
            self._traces[start.write_id] = WriteTrace(self._tracer, start, bucket=bucket)
        return _WriteTelemetry(start, self._metrics, self._traces)


class _WriteTelemetry:
    """One Write; see `Publisher`."""

    def __init__(self, start: WriteStart, metrics: Metrics, traces: dict[str, WriteTrace]) -> None:
        self._start = start
        self._metrics = metrics
        self._traces = traces

    def committed(self, record: CommittedObject) -> None:
        """Count an object, and end its span."""
        self._metrics.committed(record)
        trace = self._traces.get(self._start.write_id)
        if trace is not None:
            trace.committed(record)

    async def publish(self, end: WriteEnd) -> None:
        """Count the Write, and end its span."""
        self._metrics.ended(end.status, (end.ended_at - self._start.started_at).total_seconds())
        trace = self._traces.pop(self._start.write_id, None)
        if trace is not None:
            trace.ended(end)


def _resource() -> Resource:
    """Return what this process is; OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES have the last word."""
    own = {
        "service.name": _NAME,
        "service.version": __version__,
        "service.instance.id": str(uuid.uuid4()),
        "cloudquery.plugin.path": _PATH,
    }
    return Resource.create().merge(Resource(own)).merge(OTELResourceDetector().detect())
