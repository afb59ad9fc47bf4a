"""Payloads that are far larger than they look: known by their headers, refused or cut before they are written out."""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from cloudquery_s3.errors import PayloadError
from cloudquery_s3.ipc import IpcReader, UndecodedPayload, decode, limits
from rows import batch, ipc, read_batches

if TYPE_CHECKING:
    from collections.abc import Callable

MIB = 1 << 20
ZSTD = pa.ipc.IpcWriteOptions(compression=pa.Codec("zstd"))


def table(column: pa.Array) -> pa.RecordBatch:
    """The column `c` of table `t`."""
    return pa.record_batch([column], schema=pa.schema([("c", column.type)], metadata={"cq:table_name": "t"}))


def undecoded(payload: bytes, *, limit_bytes: int = 64 * MIB) -> UndecodedPayload:
    """The payload, which is left to a worker."""
    received = IpcReader(memory_limit_bytes=limit_bytes).read(payload)
    assert isinstance(received, UndecodedPayload)
    return received


def repeated_view(text: bytes, rows: int) -> pa.Array:
    """Views that all refer to the same text."""
    one = pa.array([text], pa.binary_view())
    views = pa.py_buffer(np.tile(np.frombuffer(one.buffers()[1], np.uint8)[:16], rows))
    return pa.Array.from_buffers(pa.string_view(), rows, [None, views, one.buffers()[2]])


def test_what_a_compressed_payload_takes_is_known_without_decompressing_it() -> None:
    """The headers of some kilobytes tell of 128 MiB, and nothing of that size is allocated to find it out."""
    payload = ipc(table(pa.array([b"x" * MIB] * 128, pa.large_binary())), options=ZSTD)
    assert len(payload) < 100_000
    before = pa.total_allocated_bytes()
    assert 128 * MIB < undecoded(payload, limit_bytes=200 * MIB).measure() < 129 * MIB
    with pytest.raises(PayloadError) as refused:
        undecoded(payload).measure()
    assert pa.total_allocated_bytes() - before < MIB
    message = str(refused.value)
    assert message.startswith(f"table t: a payload of {len(payload)} bytes takes 1342")
    assert "memory_budget is 67108864: raise 'memory_budget', or have the source send smaller batches" in message


def test_what_takes_no_more_than_it_came_with_is_never_refused() -> None:
    """A payload that does not grow is taken, whatever the limit: its memory is used already."""
    data = table(pa.array([b"x" * MIB] * 3))
    payload = ipc(data, options=pa.ipc.IpcWriteOptions(use_legacy_format=True))
    one = undecoded(payload, limit_bytes=1)
    assert one.measure() < 2 * len(payload)
    assert [part.rows for part in one.decode()] == [3]


MANY_TIMES: dict[str, Callable[[bytes, int], pa.Array]] = {
    "dictionary": lambda text, rows: pa.DictionaryArray.from_arrays(
        pa.array(np.zeros(rows, np.int8)), pa.array([text.decode()])
    ),
    "view": repeated_view,
    "list view": lambda text, rows: pa.ListViewArray.from_arrays(
        pa.array(np.zeros(rows, np.int32)), pa.array(np.ones(rows, np.int32)), pa.array([text])
    ),
    "run ends": lambda text, rows: pa.RunEndEncodedArray.from_arrays(pa.array([rows], pa.int32()), pa.array([text])),
    "dense union": lambda text, rows: pa.UnionArray.from_dense(
        pa.array(np.zeros(rows, np.int8)), pa.array(np.zeros(rows, np.int32)), [pa.array([text])]
    ),
    "nested": lambda text, rows: pa.StructArray.from_arrays(
        [
            pa.FixedSizeListArray.from_arrays(
                pa.array([text] * 2).dictionary_encode().take(pa.nulls(rows, pa.int8()).fill_null(0)), 1
            )
        ],
        ["a"],
    ),
}


@pytest.mark.parametrize("kind", MANY_TIMES)
def test_rows_that_grow_are_handed_on_in_small_batches(kind: str) -> None:
    """A text of 100 kB that 2,000 rows refer to counts 200 MB, in batches of 8 MiB at most, and is not written out."""
    payload = ipc(table(MANY_TIMES[kind](b"x" * 100_000, 2000)))
    assert len(payload) < MIB
    before = pa.total_allocated_bytes()
    one = undecoded(payload)
    assert one.measure() < MIB
    batches = one.decode()
    assert pa.total_allocated_bytes() - before < MIB
    assert sum(part.rows for part in batches) == 2000
    assert max(part.arrow_bytes for part in batches) <= limits.EXPANDED_BATCH_BYTES
    assert 200_000_000 <= sum(part.arrow_bytes for part in batches) < 201_000_000
    assert sum(part.held_bytes for part in batches) >= 200_000_000
    assert sum(record.num_rows for record in decode(batches)) == 2000


def test_rows_of_very_different_size_are_cut_where_they_are_large() -> None:
    """Batches are cut by what their own rows take, not by the average."""
    texts = pa.array(["y", "x" * 5_000_000])
    column = pa.DictionaryArray.from_arrays(pa.array([0] * 1000 + [1] * 4, pa.int8()), texts)
    batches = read_batches(IpcReader(), ipc(table(column)))
    assert max(part.arrow_bytes for part in batches) <= limits.EXPANDED_BATCH_BYTES
    assert [row["c"] for record in decode(batches) for row in record.to_pylist()] == column.to_pylist()


def test_a_row_that_does_not_fit_alone_is_refused() -> None:
    """One row that takes more than the budget once it is written out is refused, by table and size."""
    lists = pa.ListArray.from_arrays(pa.array([0, 100], pa.int32()), MANY_TIMES["dictionary"](b"x" * MIB, 100))
    one = undecoded(ipc(table(lists)))
    one.measure()
    with pytest.raises(PayloadError, match=r"table t: .* has a row of 1048\d+ bytes once it is written out"):
        one.decode()


def test_a_message_that_grows_without_end_is_refused() -> None:
    """What one message may grow to is bounded, however small its rows are."""
    one = undecoded(ipc(table(MANY_TIMES["dictionary"](b"x" * 100_000, 50_000))))
    one.measure()
    with pytest.raises(PayloadError, match=r"table t: a record batch of .* grows to more than 4294967296"):
        one.decode()


def test_every_delta_of_a_dictionary_counts_what_it_copies() -> None:
    """A delta makes a new dictionary of all values so far, so many small ones take much."""
    sink = pa.BufferOutputStream()
    kind = pa.dictionary(pa.int32(), pa.string())
    values = ["x" * MIB]
    options = pa.ipc.IpcWriteOptions(emit_dictionary_deltas=True)
    with pa.ipc.new_stream(sink, table(pa.array(values).cast(kind)).schema, options=options) as writer:
        for number in range(100):
            values = [*values, str(number)]
            writer.write_batch(table(pa.DictionaryArray.from_arrays(pa.array([0], pa.int32()), pa.array(values))))
    payload = sink.getvalue().to_pybytes()
    assert len(payload) < 2 * MIB
    with pytest.raises(PayloadError, match=r"takes 110\d+ bytes once it is decoded"):
        undecoded(payload).measure()


@pytest.mark.parametrize("first", ["plain", "dictionary"])
def test_buffers_that_share_their_bytes_count_each(first: str) -> None:
    """Columns that all refer to the same bytes of a message are as large as if each had its own."""
    zeros = pa.array(np.zeros(MIB, np.int8))
    column = pa.DictionaryArray.from_arrays(zeros, pa.array(["x"])) if first == "dictionary" else zeros
    columns = {"first": column, **{f"c{number}": zeros for number in range(100)}}
    payload = bytearray(ipc(pa.record_batch(columns, metadata={"cq:table_name": "t"}))[: -100 * MIB - 8])
    for number in range(1, 101):  # each buffer's offset and length
        at = payload.index(struct.pack("<qq", number * MIB, MIB))
        payload[at : at + 8] = bytes(8)
    one_for_all = payload.replace(struct.pack("<q", 101 * MIB), struct.pack("<q", MIB))
    with pytest.raises(PayloadError, match=r"takes 1\d{8} bytes|announces 1048576 rows in 1048576 bytes"):
        undecoded(bytes(one_for_all)).measure()


@pytest.mark.parametrize("lie", [2**62, 2**31, -2, -(2**63)])
def test_a_compressed_buffer_that_lies_about_its_size_is_refused(lie: int) -> None:
    """What a compressed buffer says of its size is no reason to allocate it, and not believed if it is negative."""
    payload = ipc(table(pa.array(range(10_000))), options=ZSTD)
    size = struct.pack("<q", 80_000)
    assert payload.count(size) == 1
    lying = payload.replace(size, struct.pack("<q", lie))
    with pytest.raises(PayloadError, match="table t: "):
        read_batches(IpcReader(memory_limit_bytes=64 * MIB), lying)


def test_a_payload_of_very_many_messages_is_left_to_a_worker() -> None:
    """The event loop looks at a bounded number of messages at a time; a worker reads the same rows from more."""
    batches = [batch("t", [number]) for number in range(limits.MESSAGES_ON_LOOP + 1)]
    assert isinstance(IpcReader().read(ipc(*batches[1:])), list)
    one = undecoded(ipc(*batches))
    one.measure()
    assert [row["n"] for record in decode(one.decode()) for row in record.to_pylist()] == list(range(len(batches)))


def test_small_objects_count_too() -> None:
    """Ten thousand batches of one row take more than their bytes: each is an object with arrays of its own."""
    payload = ipc(*[batch("t", [number]) for number in range(10_000)])
    assert undecoded(payload).measure() >= 10_000 * (8 + limits.BATCH_OBJECT_BYTES)


@pytest.mark.parametrize("rows", [2**31 - 1, 2**21])
def test_runs_without_bytes_are_bounded(rows: int) -> None:
    """A run-end encoding of some hundred bytes cannot announce a billion rows."""
    column = pc.run_end_encode(pa.array([1]))
    data = pa.Array.from_buffers(column.type, rows, [None], children=[pa.array([rows], pa.int32()), column.values])
    with pytest.raises(PayloadError, match=re.escape(f"announces {rows} values")):
        undecoded(ipc(table(data))).measure()
