"""Every fast way to read Arrow IPC gives what pyarrow's own reader gives."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import random_arrow
from cloudquery_s3.formats.columns.normalise import Normaliser
from cloudquery_s3.formats.encoder import Alterations
from cloudquery_s3.ipc import IpcReader, ReceivedBatch, UndecodedPayload, decode
from cloudquery_s3.ipc.bulk import decode_in_bulk
from cloudquery_s3.ipc.expansion import cut
from cloudquery_s3.ipc.received import EncodedMessage
from rows import ipc, read_batches

SEEDS = st.integers(0, 2**32 - 1)
SIZES = st.lists(st.one_of(st.integers(1, 100), st.just(1)), min_size=1, max_size=60)


def batches_of(schema: pa.Schema, sizes: list[int], seed: int) -> list[pa.RecordBatch]:
    """Random batches of these sizes."""
    random = np.random.default_rng(seed)
    return [random_arrow.batch(schema, size, random) for size in sizes]


def received(batches: list[pa.RecordBatch]) -> list[ReceivedBatch]:
    """The batches as received, each in a payload of its own."""
    reader = IpcReader()
    return [one for batch in batches for one in read_batches(reader, ipc(batch))]


def same(one: list[pa.RecordBatch], other: list[pa.RecordBatch]) -> bool:
    """Tell whether both hold the same rows, however they are cut."""
    left, right = (pa.Table.from_batches(batches).combine_chunks() for batches in (one, other))
    return bool(left.equals(right, check_metadata=True))


@settings(max_examples=150, deadline=None)
@given(random_arrow.schemas(), SIZES, SEEDS)
def test_bulk_decoding_gives_what_arrows_reader_gives(schema: pa.Schema, sizes: list[int], seed: int) -> None:
    """Messages decoded at once hold the same rows as decoded one by one by Arrow, for every type and mix of sizes."""
    batches = batches_of(schema, sizes, seed)
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
    batches = batches_of(schema, sizes, seed)
    assert same(decode(received(batches)), batches)


@settings(max_examples=100, deadline=None)
@given(random_arrow.schemas(), SIZES, SEEDS, st.data())
def test_slices_are_the_rows_that_they_name(
    schema: pa.Schema, sizes: list[int], seed: int, data: st.DataObject
) -> None:
    """Batches cut anywhere, as rotation cuts them, decode to the same rows."""
    batches = batches_of(schema, sizes, seed)
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
    payload = ipc(*batches_of(schema, [rows], seed))
    [one] = read_batches(IpcReader(), payload)
    assert one.arrow_bytes == pa.ipc.open_stream(payload).read_next_batch().get_total_buffer_size()


@settings(max_examples=100, deadline=None)
@given(random_arrow.schemas(), st.integers(1, 100), SEEDS, st.sampled_from(["zstd", "lz4"]))
def test_a_compressed_batch_counts_what_it_is_decompressed_to(
    schema: pa.Schema, rows: int, seed: int, codec: str
) -> None:
    """A batch counts the same for rotation whether it comes compressed or not; its memory is known beforehand."""
    [data] = batches_of(schema, [rows], seed)
    payload = ipc(data, options=pa.ipc.IpcWriteOptions(compression=codec))
    whole = IpcReader().read(payload)
    assume(not isinstance(whole, list))
    assert isinstance(whole, UndecodedPayload)
    size = whole.measure()
    [one] = whole.decode()
    decoded = pa.ipc.open_stream(payload).read_next_batch()
    assert one.arrow_bytes == decoded.get_total_buffer_size() <= size
    assert same(decode([one]), [data])


def referring(values: pa.Array, rows: int, random: np.random.Generator) -> pa.Array:
    """Rows that refer to random values, in a type that the encoders write out."""
    places = random.integers(0, len(values), rows)
    match int(random.integers(5)):
        case 0:
            array = pa.DictionaryArray.from_arrays(pa.array(places, mask=random.random(rows) < 0.2), values)
        case 1:
            ends = np.unique(random.integers(1, rows + 1, len(values)))
            ends[-1] = rows
            array = pa.RunEndEncodedArray.from_arrays(pa.array(ends, pa.int32()), values[: len(ends)])
        case 2:
            sizes = random.integers(0, len(values) - places + 1)
            array = pa.ListViewArray.from_arrays(pa.array(places, pa.int32()), pa.array(sizes, pa.int32()), values)
        case 3:
            codes = pa.array(np.zeros(rows), pa.int8())
            array = pa.UnionArray.from_dense(codes, pa.array(places, pa.int32()), [values])
        case _:
            array = values.take(pa.array(places)).cast(pa.string_view())
    return array


@settings(max_examples=150, deadline=None)
@given(st.integers(2, 200), SEEDS, st.integers(0, 1), st.integers(200, 5000))
def test_what_rows_grow_to_is_known_before_they_are_written_out(rows: int, seed: int, nest: int, most: int) -> None:
    """What a batch counts is what it takes once it is written out, about; the parts it is cut into are all its rows."""
    random = np.random.default_rng(seed)
    values = pa.array([None if random.random() < 0.1 else "x" * int(random.integers(0, 300)) for _ in range(50)])
    column = referring(values, rows, random)
    for _ in range(nest):
        column = pa.DictionaryArray.from_arrays(
            pa.array(random.integers(0, rows, rows)), pa.StructArray.from_arrays([column], ["a"])
        )
    data = pa.record_batch([column], ["c"])
    found = list(cut(data, most))
    plain = [Normaliser(data.schema)(part, Alterations()) for part, _ in found]
    assert sum(part.num_rows for part in plain) == rows
    assert (
        pa.Table.from_batches(plain)
        .combine_chunks()
        .equals(pa.Table.from_batches([Normaliser(data.schema)(data, Alterations())]))
    )
    assert all(size <= most or part.num_rows == 1 for part, size in found)
    for part, (_, size) in zip(plain, found, strict=True):
        written_out = pa.concat_arrays(part.columns).nbytes
        assert written_out * 0.9 - 100 <= size <= written_out * 1.5 + 100 + 20 * part.num_rows
