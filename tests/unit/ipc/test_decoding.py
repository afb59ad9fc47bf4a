"""Received batches, decoded to record batches that are worth encoding."""

from __future__ import annotations

import struct

import numpy as np
import pyarrow as pa
import pytest

from cloudquery_s3.errors import DecodeError, PayloadError
from cloudquery_s3.ipc import IpcReader, ReceivedBatch, c_data, decode
from cloudquery_s3.ipc.bulk import decode_in_bulk
from cloudquery_s3.ipc.fallback import FallBackToArrow
from rows import batch, ipc, read_batches


def receive(*batches: pa.RecordBatch) -> list[ReceivedBatch]:
    """Each batch as received in a payload of its own."""
    reader = IpcReader()
    return [one for data in batches for one in read_batches(reader, ipc(data))]


def numbers(records: list[pa.RecordBatch]) -> list[int]:
    """The column `n`."""
    return [n for record in records for n in record.column("n").to_pylist()]


@pytest.mark.parametrize(("messages", "rows"), [(1, 1), (10, 1), (3000, 1), (100, 50), (30, 1000), (3, 10_000)])
def test_small_messages_become_few_record_batches(messages: int, rows: int) -> None:
    """However small the messages are, the encoders see few record batches, with every row in order."""
    data = [batch("t", list(range(rows * i, rows * (i + 1)))) for i in range(messages)]
    records = decode(receive(*data))
    assert numbers(records) == list(range(messages * rows))
    assert len(records) <= 1 + messages * rows // 4000


def test_record_batches_of_one_object_are_of_a_size() -> None:
    """Rows that make more than one record batch are divided evenly: no small rest costs the calls of a large one."""
    records = decode(receive(*[batch("t", list(range(50 * i, 50 * (i + 1)))) for i in range(200)]))
    assert [record.num_rows for record in records] == [5000, 5000]
    assert numbers(records) == list(range(10_000))


@pytest.mark.parametrize(("front", "behind"), [(0, 0), (3, 0), (0, 7), (9, 9)])
def test_the_ends_of_an_object_are_cut(front: int, behind: int) -> None:
    """Rows that rotation has cut off, from the first batch in front and from the last behind, are not decoded along."""
    received = receive(*[batch("t", list(range(10 * i, 10 * (i + 1)))) for i in range(100)])
    received[0] = received[0].slice(front, 10 - front)
    received[-1] = received[-1].slice(0, 10 - behind)
    assert numbers(decode(received)) == list(range(front, 1000 - behind))


def test_neighbours_of_different_schemas_are_not_merged() -> None:
    """Where the columns change, a new record batch starts, and the order of the rows is kept."""
    records = decode(receive(batch("t", [1]), batch("t", [2]), batch("t", [3], s=["x"]), batch("t", [4])))
    assert [(numbers([record]), record.schema.names) for record in records] == [
        ([1, 2], ["n"]),
        ([3], ["n", "s"]),
        ([4], ["n"]),
    ]


def test_metadata_of_the_schema_stays() -> None:
    """Merged record batches keep the schema as it was sent: metadata and nullability."""
    one = pa.schema([pa.field("n", pa.int64(), nullable=False, metadata={"k": "v"})], metadata={"cq:table_name": "t"})
    data = pa.record_batch([pa.array([1], pa.int64())], schema=one)
    for count in (2, 50):
        [record] = decode(receive(*[data] * count))
        assert record.schema.equals(one, check_metadata=True)


def test_text_that_is_not_utf8_is_no_error() -> None:
    """Strings of any bytes are decoded as they are: the formats decide how to write them."""
    bad = pa.array([b"\xff\xfe", b"ok"]).view(pa.string())
    nested = pa.ListArray.from_arrays(pa.array([0, 1, 2], pa.int32()), bad)
    data = pa.record_batch([bad, nested], names=["s", "l"])
    for count in (1, 50):
        for record in decode(receive(*[data] * count)):
            assert record.column("s").view(pa.binary()).to_pylist() == [b"\xff\xfe", b"ok"] * count


def with_offsets(*offsets: int) -> bytes:
    """A payload of one string column of two rows, its three offsets replaced."""
    payload = ipc(pa.record_batch([pa.array(["ab", "cd"])], names=["s"]))
    sound = b"".join(number.to_bytes(4, "little", signed=True) for number in (0, 2, 4))
    wrong = b"".join(number.to_bytes(4, "little", signed=True) for number in offsets)
    assert payload.count(sound) == 1
    return payload.replace(sound, wrong)


@pytest.mark.parametrize("offsets", [(0, 2, 2**30), (0, 9, 4), (0, -2, 4), (-4, 2, 4), (4, 2, 0)])
@pytest.mark.parametrize("others", [0, 50])
def test_offsets_that_lead_outside_are_refused(offsets: tuple[int, ...], others: int) -> None:
    """A value that lies outside of its buffer is refused before anything touches it, alone and among sound messages."""
    reader = IpcReader()
    sound = read_batches(reader, with_offsets(0, 2, 4)) * others
    with pytest.raises(DecodeError, match="column s of a record batch"):
        decode([*sound, *read_batches(reader, with_offsets(*offsets))])


def test_offsets_that_do_not_start_at_zero_are_read() -> None:
    """Legal and unusual layouts are not for the bulk decoder, and are read nevertheless."""
    reader = IpcReader()
    unusual = read_batches(reader, with_offsets(1, 2, 4))
    with pytest.raises(FallBackToArrow):
        decode_in_bulk([one.message for one in unusual * 50])
    assert [row["s"] for record in decode(unusual * 50) for row in record.to_pylist()] == ["b", "cd"] * 50


def test_a_wrong_row_count_is_refused() -> None:
    """A header that announces other rows than its columns hold is refused."""
    payload = ipc(batch("t", [1, 2, 3]))
    [one] = read_batches(IpcReader(), payload)
    head = payload[payload.index(b"\xff\xff\xff\xff", 4) :]
    at = one.message.layout._unpack(head)
    assert 3 in at
    changed = payload[: -len(head)] + head.replace((3).to_bytes(8, "little"), (2).to_bytes(8, "little"), 1)
    with pytest.raises(PayloadError, match="table t: "):
        decode(read_batches(IpcReader(), changed))


def with_hidden_months() -> bytes:
    """A payload with a month interval and a string column, and a dictionary, for which Arrow's reader decodes it."""
    words = pa.array(["x", "x"]).dictionary_encode()
    data = pa.record_batch([pa.array([1, 2], pa.int32()), pa.array(["ab", "cd"]), words], names=["m", "s", "d"])
    schema, arrays = data.__arrow_c_array__()
    next(field for field in c_data.fields_of(schema) if field.name == b"m").format = b"tiM"
    return ipc(pa.record_batch(c_data.Exported(schema, arrays)))


def test_retyped_intervals_do_not_hide_wrong_offsets() -> None:
    """Where Arrow's reader decodes and intervals are retyped, a value outside of its buffer is refused nevertheless."""
    sound = with_hidden_months()
    [record] = decode(read_batches(IpcReader(), sound))
    assert record.column("m").to_pylist() == [1, 2]
    wrong = sound.replace(struct.pack("<3i", 0, 2, 4), struct.pack("<3i", 0, 2, 2**30))
    assert wrong != sound
    with pytest.raises(DecodeError, match="larger than values"):
        read_batches(IpcReader(), wrong)


def test_dictionaries_are_not_merged() -> None:
    """Batches of dictionaries keep their values: pyarrow gives other ones where it merges those of float16."""
    data = [table_of_halves(number) for number in range(50)]
    records = decode(receive(*data))
    assert [row for record in records for row in record.to_pylist()] == [row for one in data for row in one.to_pylist()]


def table_of_halves(number: int) -> pa.RecordBatch:
    """Three halves in a dictionary."""
    halves = pa.array(np.array([number, number / 2, number], np.float16)).dictionary_encode()
    return pa.record_batch([halves], schema=pa.schema([("h", halves.type)], metadata={"cq:table_name": "t"}))
