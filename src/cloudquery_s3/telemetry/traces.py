"""Traces: a span for each Write, below it one for each object, below that one for each request of the object.

Which object a request is for is known by its scope. A span has neither keys of objects whose path has columns, which
hold cells, nor texts of errors.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context

from cloudquery_s3 import scope
from cloudquery_s3.errors import StoreError
from cloudquery_s3.telemetry.metrics import HTTP_STATUS, OPERATION, STATUS, TABLE

if TYPE_CHECKING:
    from datetime import datetime

    from opentelemetry.context import Context
    from opentelemetry.trace import Span, Tracer

    from cloudquery_s3.committed import CommittedObject, WriteEnd, WriteStart
    from cloudquery_s3.scope import Scope
    from cloudquery_s3.stores.sent_request import SentRequest

_LEAST_ERROR: Final = 400
_MOST_CODE_CHARACTERS: Final = 100
_NS: Final = 1_000_000_000


class WriteTrace:
    """The spans of one Write. Objects and requests are told of from several threads."""

    def __init__(self, tracer: Tracer, start: WriteStart, *, bucket: str) -> None:
        now = scope.current()
        attributes = {"cloudquery.sync_id": now.sync_id, "cloudquery.write_id": start.write_id, "aws.s3.bucket": bucket}
        if now.peer:
            attributes["client.address"] = now.peer
        self._tracer = tracer
        self._span = tracer.start_span(
            "Write", kind=SpanKind.SERVER, attributes=attributes, start_time=_ns(start.started_at)
        )
        self._lock = threading.Lock()
        self._objects: dict[Scope, Span] = {}
        self._counts = {"rows": 0, "objects": 0, "bytes": 0}

    def context(self, worker: Scope) -> Context:
        """Return what a request's span belongs to: the object that the scope is of, else the Write."""
        return set_span_in_context(self._object(worker) if worker.opened_at is not None else self._span)

    def committed(self, record: CommittedObject) -> None:
        """End the span of an object; called in its scope."""
        worker = scope.current()
        span = self._object(worker)
        self._objects.pop(worker, None)
        for name, value in (("rows", record.rows), ("objects", 1), ("bytes", record.size_bytes)):
            self._counts[name] += value
        span.set_attributes(
            {
                TABLE: record.table,
                "cloudquery.s3.rows": record.rows,
                "cloudquery.s3.bytes": record.size_bytes,
                "cloudquery.s3.altered_cells": sum(record.altered.values()),
                "cloudquery.s3.retries": record.retries,
                "cloudquery.s3.encode.duration": record.encode_s,
                "cloudquery.s3.upload.duration": record.upload_s,
            }
        )
        if not record.partition:
            span.set_attribute("aws.s3.key", record.key)
        span.end(_ns(record.committed_at))

    def ended(self, end: WriteEnd) -> None:
        """End the Write's span, and those of objects that are not in the bucket."""
        for span in self._objects.values():
            span.set_status(Status(StatusCode.ERROR))
            span.end()
        self._objects.clear()
        self._span.set_attribute(STATUS, end.status)
        for name, value in self._counts.items():
            self._span.set_attribute(f"cloudquery.s3.{name}", value)
        if end.status == "failed":
            self._span.set_status(Status(StatusCode.ERROR))
        if end.error is not None:
            self._span.set_attribute("error.type", _kind(end.error))
        for table, error in end.failures.items():
            self._span.add_event("table failed", {TABLE: table, "error.type": _kind(error)})
        self._span.end()

    def _object(self, worker: Scope) -> Span:
        with self._lock:
            if worker not in self._objects:
                self._objects[worker] = self._tracer.start_span(
                    "object",
                    set_span_in_context(self._span),
                    attributes={TABLE: worker.table},
                    start_time=_ns(worker.opened_at) if worker.opened_at is not None else None,
                )
            return self._objects[worker]


def trace_request(tracer: Tracer, request: SentRequest, parent: Context | None) -> None:
    """Make the span of a request that has just ended."""
    ended = time.time_ns()
    attributes: dict[str, str | int] = {"rpc.system": "aws-api", "rpc.service": "S3", OPERATION: request.operation}
    if request.status is not None:
        attributes[HTTP_STATUS] = request.status
    if request.resends:
        attributes["http.request.resend_count"] = request.resends
    began = ended - int(request.seconds * _NS)
    span = tracer.start_span(f"S3/{request.operation}", parent, SpanKind.CLIENT, attributes, start_time=began)
    if request.status is None or request.status >= _LEAST_ERROR:
        span.set_status(Status(StatusCode.ERROR))
    span.end(ended)


def _kind(error: Exception) -> str:
    """Return what kind of error it is, without its text: that is in the log."""
    code = error.code if isinstance(error, StoreError) else ""
    return code[:_MOST_CODE_CHARACTERS] or type(error).__name__


def _ns(when: datetime) -> int:
    return int(when.timestamp() * _NS)
