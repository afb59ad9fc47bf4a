"""The instruments: what is counted is what was told, and attributes stay few."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from cloudquery_s3.stores.sent_request import SentRequest
from cloudquery_s3.telemetry.load import Load
from cloudquery_s3.telemetry.metrics import Metrics
from committed_records import record

MOST_POINTS = 2000

REQUESTS = st.builds(
    SentRequest,
    operation=st.sampled_from(["PutObject", "UploadPart"]),
    status=st.sampled_from([None, 200, 503]),
    seconds=st.floats(0, 10),
    resends=st.integers(0, 2),
)
OBJECTS = st.builds(
    record,
    table=st.sampled_from(["a", "b", "c"]),
    rows=st.integers(0, 10_000),
    size_bytes=st.integers(0, 1 << 40),
    altered=st.dictionaries(st.tuples(st.text(max_size=3), st.text(max_size=3)), st.integers(1, 99), max_size=3),
)


class Instruments:
    """The instruments of one process, and what an exporter reads of them."""

    def __init__(self, load: Load | None = None) -> None:
        self._reader = InMemoryMetricReader()
        self._provider = MeterProvider([self._reader])
        self.metrics = Metrics(self._provider.get_meter("test"), lambda: load or Load())

    def points(self) -> dict[str, dict[tuple[Any, ...], Any]]:
        """Each metric's values by the values of its attributes; a histogram's are counts."""
        data = self._reader.get_metrics_data()
        assert data is not None
        return {
            metric.name: {
                tuple(sorted(map(str, (point.attributes or {}).values()))): getattr(point, "value", None)
                or getattr(point, "count", 0)
                for point in metric.data.data_points
            }
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }


@given(st.lists(OBJECTS, min_size=1, max_size=20))
def test_objects_are_added_up(records: list[Any]) -> None:
    """Whatever objects come, each figure of a table is the sum over its objects."""
    instruments = Instruments()
    expected: dict[str, Counter[tuple[str]]] = {
        name: Counter() for name in ("rows", "objects", "bytes", "altered_cells")
    }
    for one in records:
        instruments.metrics.committed(one)
        amounts = (one.rows, 1, one.size_bytes, sum(one.altered.values()))
        for name, amount in zip(expected, amounts, strict=True):
            expected[name][one.table,] += amount
    points = instruments.points()
    for name, amounts in expected.items():
        assert Counter(points.get(f"cloudquery.s3.{name}", {})) == amounts, name
    assert points["cloudquery.s3.encode.duration"] == points["cloudquery.s3.upload.duration"] == {(): len(records)}


@given(st.lists(REQUESTS, max_size=20))
def test_requests_are_counted(requests: list[SentRequest]) -> None:
    """Each request counts once, by operation and status; those that were sent again count as retries, too."""
    instruments = Instruments()
    for request in requests:
        instruments.metrics.requested(request)
    points = instruments.points()
    by_status = Counter(
        tuple(sorted((one.operation, *([] if one.status is None else [str(one.status)])))) for one in requests
    )
    assert Counter(points.get("cloudquery.s3.requests", {})) == by_status
    retries = Counter((one.operation,) for one in requests if one.resends)
    assert Counter(points.get("cloudquery.s3.retries", {})) == retries


def test_many_tables() -> None:
    """However many tables there are, a metric has 2,000 points and one for the rest, and no row is left out."""
    instruments = Instruments()
    for number in range(MOST_POINTS + 500):
        instruments.metrics.committed(record(table=f"t{number}", rows=2))
    rows = instruments.points()["cloudquery.s3.rows"]
    assert len(rows) == MOST_POINTS + 1
    assert rows["True",] == 500 * 2, "otel.metric.overflow"
    assert sum(rows.values()) == (MOST_POINTS + 500) * 2


def test_every_ending_is_there_from_the_beginning() -> None:
    """Each status has a count of 0 before any Write ends, so that an alert sees the first failure as an increase."""
    points = Instruments().points()["cloudquery.s3.writes"]
    assert points == {("complete",): 0, ("failed",): 0, ("interrupted",): 0}


def test_the_present_state() -> None:
    """Queues, memory and Writes are what `load` says when they are looked at."""
    points = Instruments(Load(1, 2, 3, 4, 5, 6, 7)).points()
    assert points["cloudquery.s3.writes.running"] == {(): 1}
    assert points["cloudquery.s3.queue.depth"] == {("encode",): 2, ("upload",): 3}
    assert points["cloudquery.s3.memory.usage"] == {("held",): 4, ("encoding",): 5, ("uploading",): 6}
    assert points["cloudquery.s3.memory.limit"] == {(): 7}
