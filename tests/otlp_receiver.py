"""A collector in this process: takes OTLP over HTTP, and keeps what it is sent as OpenTelemetry's own messages."""

from __future__ import annotations

import gzip
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

KINDS: dict[str, Any] = {"/v1/traces": ExportTraceServiceRequest, "/v1/metrics": ExportMetricsServiceRequest}


class Received:
    """What a collector has been sent.

    Attributes:
        headers: of each request, in lower case.
        answer: the status of each answer.
    """

    def __init__(self, messages: Iterable[Any] = ()) -> None:
        self.headers: list[dict[str, str]] = []
        self.answer = 200
        self._messages = list(messages)

    def add(self, message: Any, headers: dict[str, str]) -> None:
        """Keep a message."""
        self.headers.append(headers)
        self._messages.append(message)

    @property
    def text(self) -> str:
        """All that was sent, as text: what must not be in it is not."""
        return "\n".join(map(str, tuple(self._messages)))

    def resources(self) -> list[dict[str, Any]]:
        """What the senders say that they are."""
        return [attributes(resource.resource) for resource in (*self._of("traces"), *self._of("metrics"))]

    def spans(self, name: str = "") -> list[Any]:
        """All spans, or those of a name."""
        found = [span for resource in self._of("traces") for spans in resource.scope_spans for span in spans.spans]
        return [span for span in found if name in {"", span.name}]

    def metrics(self) -> dict[str, Any]:
        """Each metric by name, as it was sent last."""
        return {
            metric.name: metric
            for resource in self._of("metrics")
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }

    def points(self, name: str) -> dict[tuple[tuple[str, Any], ...], Any]:
        """The data points of a metric by their attributes: a number, or a histogram's count."""
        metric = self.metrics().get(name)
        if metric is None:
            return {}
        if metric.WhichOneof("data") == "histogram":
            return {tuple(sorted(attributes(point).items())): point.count for point in metric.histogram.data_points}
        return {tuple(sorted(attributes(point).items())): point.as_int for point in metric.sum.data_points}

    def _of(self, signal: str) -> list[Any]:
        field = {"traces": "resource_spans", "metrics": "resource_metrics"}[signal]
        return [one for message in tuple(self._messages) for one in getattr(message, field, ())]


def attributes(of: Any) -> dict[str, Any]:
    """The attributes of a span, a data point or a resource."""
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in of.attributes}


def from_json(lines: Iterable[Any]) -> Received:
    """What a collector's file exporter has written: one JSON document a line."""
    kinds = {"resourceSpans": ExportTraceServiceRequest, "resourceMetrics": ExportMetricsServiceRequest}
    return Received(ParseDict(line, kinds[next(iter(line))](), ignore_unknown_fields=True) for line in lines)


@contextmanager
def otlp_receiver() -> Iterator[tuple[str, Received]]:
    """Listen on loopback; gives the address, host:port, and what comes."""
    received = Received()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            received.add(KINDS[self.path].FromString(body), {k.lower(): v for k, v in self.headers.items()})
            self.send_response(received.answer)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}", received
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
