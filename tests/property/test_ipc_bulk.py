"""Every fast way to read Arrow IPC gives what pyarrow's own reader gives."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import random_arrow
from cloudquery_s3.ipc import IpcReader, ReceivedBatch, decode
from cloudquery_s3.ipc.bulk import decode_in_bulk
from cloudquery_s3.ipc.received import EncodedMessage
from rows import ipc

SEEDS = st.integers(0, 2**32 - 1)
SIZES = st.lists(st.one_of(st.integers(1, 100), st.just(1)), min_size=1, max_size=60)


def pieces(schema: pa.Schema, sizes: list[int], seed: int) -> list[pa.RecordBatch]:
    """Random batches of these sizes."""
    random = np.random.default_rng(seed)
    return [random_arrow.batch(schema, size, random) for size in sizes]


def received(batches: list[pa.RecordBatch]) -> list[ReceivedBatch]:
    """The batches as received, each in a payload of its own."""
    reader = IpcReader()
    return [one for batch in batches for one in reader.read(ipc(batch))]


def same(one: list[pa.RecordBatch], other: list[pa.RecordBatch]) -> bool:
    """Tell whether both hold the same rows, however they are cut."""
    left, right = (pa.Table.from_batches(batches).combine_chunks() for batches in (one, other))
    return bool(left.equals(right, check_metadata=True))


@settings(max_examples=150, deadline=None)
@given(random_arrow.schemas(), SIZES, SEEDS)
def test_bulk_decoding_gives_what_arrows_reader_gives(schema: pa.Schema, sizes: list[int], seed: int) -> None:
    """Messages decoded at once hold the same rows as decoded one by one by Arrow, for every type and mix of sizes."""
    batches = pieces(schema, sizes, seed)
    messages = [one.message for one in received(batches)]
    assume(all(isinstance(message, EncodedMessage) for message in messages))  # a body of no bytes is not plain
    merged = decode_in_bulk(messages)
    merged.validate(full=True)
    expected = [pa.ipc.open_stream(ipc(batch)).read_next_batch() for batch in batches]
    assert same([merged], expected)


@settings(max_examples=100, deadline=None)
@given(random_arrow.schemas(), SIZES, SEEDS)
def test_decode_keeps_every_row_in_order(schema: pa.Schema, sizes: list[int], seed: int) -> None:
    """Whatever is merged, the rows come out as they came in."""
    batches = pieces(schema, sizes, seed)
    assert same(decode(received(batches)), batches)


@settings(max_examples=100, deadline=None)
@given(random_arrow.schemas(), SIZES, SEEDS, st.data())
def test_slices_are_the_rows_that_they_name(
    schema: pa.Schema, sizes: list[int], seed: int, data: st.DataObject
) -> None:
    """Batches cut anywhere, as rotation cuts them, decode to the same rows."""
    batches = pieces(schema, sizes, seed)
    cut: list[ReceivedBatch] = []
    for one in received(batches):
        at = data.draw(st.integers(0, one.rows))
        rest = one.slice(at, one.rows - at)
        again = data.draw(st.integers(0, rest.rows))
        cut += [one.slice(0, at), rest.slice(0, again), rest.slice(again, rest.rows - again)]
    assert same(decode(cut), batches)


@settings(max_examples=150, deadline=None)
@given(random_arrow.schemas(), st.integers(0, 100), SEEDS)
def test_size_is_that_of_the_decoded_buffers(schema: pa.Schema, rows: int, seed: int) -> None:
    """`arrow_bytes`, read from the header, is `get_total_buffer_size()` of the decoded batch."""
    payload = ipc(*pieces(schema, [rows], seed))
    [one] = IpcReader().read(payload)
    assert one.arrow_bytes == pa.ipc.open_stream(payload).read_next_batch().get_total_buffer_size()
