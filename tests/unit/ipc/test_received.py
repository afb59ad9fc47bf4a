"""Rows that are still bytes: their sizes and their slices."""

from __future__ import annotations

import pyarrow as pa
import pytest

from cloudquery_s3.ipc import IpcReader, ReceivedBatch, decode
from rows import batch, ipc, read_batches


def receive(data: pa.RecordBatch) -> ReceivedBatch:
    """The batch as received."""
    [one] = read_batches(IpcReader(), ipc(data))
    return one


def test_size_is_the_sum_of_the_buffers() -> None:
    """The size of a batch is that of its buffers once decoded; what lies between them does not count."""
    data = batch("t", [1, 2, 3], s=["a", None, "ccc"])
    received = receive(data)
    # 3 int64 values, and 4 offsets, 4 bytes of text and a bitmap of 1 byte
    assert received.arrow_bytes == receive(data).decode().get_total_buffer_size() == 24 + 16 + 4 + 1


def test_a_slice_counts_the_average_row() -> None:
    """A slice's size is its rows times the whole's bytes per row, rounded down to a whole byte."""
    received = receive(batch("t", [1, 2, 3], s=["a", None, "ccc"]))
    assert received.slice(0, 2).arrow_bytes == 2 * (45 // 3)
    assert received.slice(0, 3).arrow_bytes == 45


def test_a_tiny_row_counts_one_byte() -> None:
    """Rows of less than a byte count one byte each when they are cut, never none."""
    data = pa.record_batch([pa.array([True] * 1000)], names=["b"])
    assert receive(data).arrow_bytes < 1000
    assert receive(data).slice(0, 10).arrow_bytes == 10


def test_slices_of_slices_are_of_the_whole() -> None:
    """A slice of a slice has the rows that it names and counts with the whole's average."""
    whole = receive(batch("t", list(range(100)), s=["x" * n for n in range(100)]))
    part = whole.slice(10, 50).slice(5, 3)
    assert [row["n"] for row in part.decode().to_pylist()] == [15, 16, 17]
    assert part.arrow_bytes == 3 * (whole.arrow_bytes // 100)
    assert part.schema is whole.schema


@pytest.mark.parametrize(("start", "rows"), [(-1, 1), (0, 4), (3, 1), (0, -1)])
def test_a_slice_outside_of_the_batch_is_refused(start: int, rows: int) -> None:
    """A slice cannot name rows that are not there."""
    with pytest.raises(ValueError, match="3 rows"):
        receive(batch("t", [1, 2, 3])).slice(start, rows)


def test_a_small_payload_does_not_hold_its_schema() -> None:
    """What a waiting row holds is its own message, not the schema that came with it."""
    table = pa.schema([(f"a_rather_long_column_name_{i}", pa.int64()) for i in range(50)])
    payload = ipc(pa.record_batch([pa.array([1], pa.int64()) for _ in table], schema=table))
    [one] = read_batches(IpcReader(), payload)
    assert one.held_bytes < len(payload)
    assert sum(one.slice(0, 1).held_bytes for _ in range(1)) == one.held_bytes


def test_a_large_payload_is_not_copied() -> None:
    """A large payload is held as it came, and counts whole."""
    payload = ipc(batch("t", list(range(100_000))))
    [one] = read_batches(IpcReader(), payload)
    assert len(payload) <= one.held_bytes < len(payload) + 1000


def test_the_parts_of_a_cut_batch_hold_what_the_whole_held() -> None:
    """Parts share the memory of the whole: together they count no more than it."""
    whole = receive(batch("t", list(range(1000))))
    parts = [whole.slice(start, 100) for start in range(0, 1000, 100)]
    assert whole.held_bytes - 10 <= sum(part.held_bytes for part in parts) <= whole.held_bytes


def test_a_batch_without_rows_decodes_to_nothing() -> None:
    """Batches without rows leave no trace."""
    assert decode([receive(batch("t", [])), receive(batch("t", [1])).slice(0, 0)]) == []
