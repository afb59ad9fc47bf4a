"""What is counted: one instrument a figure, named by OpenTelemetry's conventions. docs/telemetry.md lists them all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, get_args

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from cloudquery_s3.committed import WriteStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cloudquery_s3.committed import CommittedObject
    from cloudquery_s3.stores.sent_request import SentRequest
    from cloudquery_s3.telemetry.load import Load

TABLE: Final = "cloudquery.table"
STATUS: Final = "cloudquery.status"
STAGE: Final = "cloudquery.s3.stage"
STATE: Final = "cloudquery.s3.memory.state"
OPERATION: Final = "rpc.method"
HTTP_STATUS: Final = "http.response.status_code"

_STAGE_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_WRITE_SECONDS: Final = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0, 14400.0, 43200.0)


class Metrics:
    """The instruments. Attributes are bounded: a table's name is the finest, and above 2,000 tables the SDK adds up.

    Safe to use from several threads.
    """

    def __init__(self, meter: Meter, load: Callable[[], Load]) -> None:
        counter, histogram = meter.create_counter, meter.create_histogram
        self._rows = counter("cloudquery.s3.rows", "{row}", "Rows in acknowledged objects")
        self._objects = counter("cloudquery.s3.objects", "{object}", "Objects that the store has acknowledged")
        self._bytes = counter("cloudquery.s3.bytes", "By", "Size of acknowledged objects")
        self._altered = counter("cloudquery.s3.altered_cells", "{cell}", "Cells not written as they came")
        self._requests = counter("cloudquery.s3.requests", "{request}", "Requests to the store, each attempt")
        self._retries = counter("cloudquery.s3.retries", "{request}", "Requests that were sent again")
        self._writes = counter("cloudquery.s3.writes", "{write}", "Writes that have ended")
        self._encode_s = histogram(
            "cloudquery.s3.encode.duration",
            "s",
            "Time to decode and encode an object",
            explicit_bucket_boundaries_advisory=_STAGE_SECONDS,
        )
        self._upload_s = histogram(
            "cloudquery.s3.upload.duration",
            "s",
            "Time to upload an object",
            explicit_bucket_boundaries_advisory=_STAGE_SECONDS,
        )
        self._write_s = histogram(
            "cloudquery.s3.write.duration",
            "s",
            "Time from the beginning of a Write to its end",
            explicit_bucket_boundaries_advisory=_WRITE_SECONDS,
        )
        for status in get_args(WriteStatus):
            self._writes.add(0, {STATUS: status})  # so that the first of its kind is seen as an increase
        _observe(meter, load)

    def committed(self, record: CommittedObject) -> None:
        """Count an object."""
        table = {TABLE: record.table}
        self._rows.add(record.rows, table)
        self._objects.add(1, table)
        self._bytes.add(record.size_bytes, table)
        if record.altered:
            self._altered.add(sum(record.altered.values()), table)
        self._encode_s.record(record.encode_s)
        self._upload_s.record(record.upload_s)

    def requested(self, request: SentRequest) -> None:
        """Count a request; it has no status where no answer came."""
        operation = {OPERATION: request.operation}
        answer = {} if request.status is None else {HTTP_STATUS: request.status}
        self._requests.add(1, {**operation, **answer})
        if request.resends:
            self._retries.add(1, operation)

    def ended(self, status: WriteStatus, seconds: float) -> None:
        """Count a Write."""
        self._writes.add(1, {STATUS: status})
        self._write_s.record(max(0.0, seconds), {STATUS: status})


def _observe(meter: Meter, load: Callable[[], Load]) -> None:
    """Have the present state looked at whenever metrics are collected."""

    def running(_options: CallbackOptions) -> Iterable[Observation]:
        yield Observation(load().writes)

    def queued(_options: CallbackOptions) -> Iterable[Observation]:
        now = load()
        yield Observation(now.encode_queue, {STAGE: "encode"})
        yield Observation(now.upload_queue, {STAGE: "upload"})

    def used(_options: CallbackOptions) -> Iterable[Observation]:
        now = load()
        yield Observation(now.held_bytes, {STATE: "held"})
        yield Observation(now.encoding_bytes, {STATE: "encoding"})
        yield Observation(now.uploading_bytes, {STATE: "uploading"})

    def limit(_options: CallbackOptions) -> Iterable[Observation]:
        yield Observation(load().limit_bytes)

    gauge = meter.create_observable_up_down_counter
    gauge("cloudquery.s3.writes.running", [running], "{write}", "Writes that run")
    gauge("cloudquery.s3.queue.depth", [queued], "{task}", "Tasks that wait for a thread, by stage")
    gauge("cloudquery.s3.memory.usage", [used], "By", "What rows on their way take of the memory budget, by state")
    gauge("cloudquery.s3.memory.limit", [limit], "By", "The memory budget")
