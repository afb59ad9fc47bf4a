from __future__ import annotations

import pyarrow as pa
import pytest

from cloudquery_s3.committed import Origin
from cloudquery_s3.writer.origin import is_shard, origin_of

MICROSECONDS = 1_767_323_045_123_456


def cli_rows(
    sources: list[str | None], times: list[int | None], unit: str = "us", tz: str | None = "UTC"
) -> pa.RecordBatch:
    """Rows with the CLI's columns."""
    return pa.record_batch(
        {"_cq_sync_time": pa.array(times, pa.timestamp(unit, tz)), "_cq_source_name": pa.array(sources, pa.string())}
    )


def test_sources_and_times_of_several_batches() -> None:
    """Each source, sync time and sync group is told once, over all batches; NULL is none."""
    grouped = pa.record_batch({"_cq_sync_group_id": ["g"]})
    batches = [cli_rows(["aws", None, "gcp"], [MICROSECONDS, None, MICROSECONDS]), cli_rows(["aws"], [1]), grouped]
    times = frozenset({"2026-01-02T03:04:05.123456Z", "1970-01-01T00:00:00.000001Z"})
    assert origin_of(batches) == Origin(frozenset({"aws", "gcp"}), times, frozenset({"g"}))


@pytest.mark.parametrize(("unit", "value"), [("s", 60), ("ms", 60_000), ("ns", 60_000_000_001)])
@pytest.mark.parametrize("tz", [None, "UTC"])
def test_sync_times_of_any_unit(unit: str, value: int, tz: str | None) -> None:
    """A sync time is told in microseconds, whatever unit the column has."""
    assert origin_of([cli_rows([None], [value], unit, tz)]).sync_times == {"1970-01-01T00:01:00.000000Z"}


def test_rows_without_these_columns_come_from_nowhere() -> None:
    """Rows without the CLI's columns, with columns of other types, or with odd bytes in them, are no error."""
    odd = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0"), pa.py_buffer(b"\xff")])
    others = pa.record_batch({"_cq_source_name": [1], "_cq_sync_time": ["x"]})
    assert origin_of([pa.record_batch({"n": [1]}), others]) == Origin()
    assert origin_of([pa.record_batch({"_cq_source_name": odd})]).sources == {"\ufffd"}


@pytest.mark.parametrize(
    ("source", "shard"),
    [("aws_1_4", True), ("aws_4_4", True), ("aws_5_4", False), ("aws_0_4", False), ("aws_1", False), ("aws", False)],
)
def test_names_of_shards(source: str, shard: bool) -> None:
    """A shard is called `<source>_<i>_<n>` with i from 1 to n."""
    assert is_shard(source) is shard
