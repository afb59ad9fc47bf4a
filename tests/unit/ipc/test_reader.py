"""What payloads hold, as their headers say."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from cloudquery_s3.errors import DecodeError, PayloadError
from cloudquery_s3.ipc import IpcReader, decode, limits
from cloudquery_s3.ipc.flatbuffer import Table
from rows import batch, ipc, read_batches, schema

if TYPE_CHECKING:
    from collections.abc import Callable

MARK = b"\xff\xff\xff\xff"


def rows(payload: bytes | memoryview) -> list[dict[str, object]]:
    """All rows of a payload."""
    return [row for one in decode(read_batches(IpcReader(), payload)) for row in one.to_pylist()]


def stream(data: pa.RecordBatch, **options: object) -> bytes:
    """A stream written with these options."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, data.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_batch(data)
    return sink.getvalue().to_pybytes()


def without_continuation(payload: bytes) -> bytes:
    """The stream as Arrow before 0.15 wrote it: messages without their leading mark."""
    return payload.replace(MARK, b"")


def test_every_batch_of_a_payload_is_read() -> None:
    """A payload of several batches yields all of them, in order, those without rows too."""
    found = read_batches(IpcReader(), ipc(batch("t", [1, 2]), batch("t", []), batch("t", [3])))
    assert [one.rows for one in found] == [2, 0, 1]
    assert [row["n"] for one in decode(found) for row in one.to_pylist()] == [1, 2, 3]


def test_a_payload_of_a_schema_alone_has_no_batch() -> None:
    """MigrateTable's payload, sent as an Insert, is read as no batch at all."""
    assert read_batches(IpcReader(), ipc(schema("t"))) == []


def test_schema_is_read_with_its_metadata() -> None:
    """The schema of a payload is what was sent, metadata included."""
    sent = schema("a_table", n=pa.int64(), s=pa.string())
    assert IpcReader().read_schema(ipc(sent)).equals(sent, check_metadata=True)


def test_equal_schema_bytes_share_one_schema() -> None:
    """Batches whose schema bytes are equal have the same schema object, so that it can key a cache."""
    reader = IpcReader()
    first, second = (read_batches(reader, ipc(batch("t", [n])))[0] for n in (1, 2))
    [other] = read_batches(reader, ipc(batch("u", [3])))
    assert first.schema is second.schema
    assert other.schema is not first.schema
    assert reader.read_schema(ipc(schema("t"))) is first.schema


def test_a_forgotten_schema_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """More schemas than are remembered are still read rightly."""
    monkeypatch.setattr(limits, "KNOWN_SCHEMAS_BYTES", 2 * limits.KNOWN_SCHEMA_OBJECT_BYTES)
    reader = IpcReader()
    for table in ["a", "b", "c", "a", "b", "c"]:
        [one] = read_batches(reader, ipc(batch(table, [1])))
        assert one.schema.metadata[b"cq:table_name"] == table.encode()


@pytest.mark.parametrize(
    ("name", "payload"),
    [
        ("compressed", stream(batch("t", list(range(100))), compression="zstd")),
        ("old framing", without_continuation(ipc(batch("t", list(range(100)))))),
        ("metadata V4", stream(batch("t", list(range(100))), metadata_version=pa.ipc.MetadataVersion.V4)),
        ("legacy format", stream(batch("t", list(range(100))), use_legacy_format=True)),
        ("unaligned header", stream(batch("t", list(range(100))), use_legacy_format=True) + b"\0"),
        ("no end mark", ipc(batch("t", list(range(100))))[:-8]),
    ],
)
def test_unusual_streams_are_read(name: str, payload: bytes) -> None:
    """What is valid Arrow and not as Go writes it is read by Arrow's own reader."""
    assert [row["n"] for row in rows(payload)] == list(range(100)), name


def test_dictionaries_are_read() -> None:
    """Dictionary columns, whose values come in messages of their own, are read with every delta."""
    kind = pa.dictionary(pa.int32(), pa.string())
    one = pa.record_batch([pa.array(["a", "b"]).cast(kind)], names=["d"])
    two = pa.record_batch([pa.array(["a", "b", "c"]).cast(kind)], names=["d"])
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(emit_dictionary_deltas=True)
    with pa.ipc.new_stream(sink, one.schema, options=options) as writer:
        writer.write_batch(one)
        writer.write_batch(two)
    assert [row["d"] for row in rows(sink.getvalue().to_pybytes())] == ["a", "b", "a", "b", "c"]


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["a", "x" * 50], pa.string_view()),
        pa.array([[1], [2, 3]], pa.list_view(pa.int8())),
        pc.run_end_encode(pa.array([5, 5], pa.int8())),
    ],
    ids=lambda column: str(column.type),
)
def test_types_with_varying_buffers_are_read(column: pa.Array) -> None:
    """Types whose messages have no fixed set of buffers are read."""
    assert [row["v"] for row in rows(ipc(pa.record_batch([column], names=["v"])))] == column.to_pylist()


def big_endian(payload: bytes) -> bytes:
    """The stream with a schema that says its values are big-endian.

    pyarrow writes no such stream. The field is left out, as it is 0: let its place in the table be somewhere where the
    16-bit number 1 stands.
    """
    table = Table.root(payload, 8).table(2)
    one = next(at for at in range(table._at, len(payload), 2) if payload[at : at + 2] == b"\x01\x00")
    entry = table._fields_at + 4
    return payload[:entry] + (one - table._at).to_bytes(2, "little") + payload[entry + 2 :]


def test_big_endian_streams_are_read() -> None:
    """A stream of a big-endian writer is left to Arrow's own reader, which swaps the bytes."""
    assert rows(big_endian(ipc(batch("t", [1])))) == [{"n": 1 << 56}]


BROKEN: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("nothing", lambda _: b""),
    ("three bytes", lambda sound: sound[:3]),
    ("text", lambda _: b"INSERT INTO t VALUES (1, 2, 3)"),
    ("zeros", lambda _: b"\0" * 64),
    ("a schema cut short", lambda sound: sound[:40]),
    ("a header cut short", lambda sound: sound[: sound.index(MARK, 4) + 20]),
    ("a body cut short", lambda sound: sound[:-24]),
    ("a schema where a batch should be", lambda sound: sound[: sound.index(MARK, 4)] * 2),
    ("a huge header", lambda sound: MARK + (2**31 - 1).to_bytes(4, "little") + sound[8:]),
]


@pytest.mark.parametrize(("name", "breaks"), BROKEN)
def test_broken_payloads_are_refused_at_once(name: str, breaks: Callable[[bytes], bytes]) -> None:
    """A payload that is no Arrow stream is refused on receipt, with its size or the reason in the message."""
    payload = breaks(ipc(batch("t", list(range(100)))))
    reader = IpcReader()
    read_batches(reader, ipc(batch("t", [1])))
    with pytest.raises((DecodeError, PayloadError), match=r"payload|record batch|header"):
        read_batches(reader, payload)
    assert name
    assert read_batches(reader, ipc(batch("t", [1])))[0].rows == 1, "the reader is usable after that"


def test_a_broken_header_does_not_pass_for_no_rows() -> None:
    """A header that is broken such that it seems to announce no rows is refused, not skipped."""
    payload = ipc(batch("t", [1, 2, 3]))
    start = payload.index(MARK, 4)
    head = Table.root(payload[start:], 8).table(2)
    entry = start + head._fields_at + 4
    broken = payload[:entry] + (head._find(0) - head._at + 1).to_bytes(2, "little") + payload[entry + 2 :]
    with pytest.raises(PayloadError, match="table t: a payload"):
        read_batches(IpcReader(), broken)


def test_a_schema_name_that_is_not_utf8_is_refused() -> None:
    """A column name that Python cannot show is refused with the schema, and fails the table that the schema names."""
    payload = ipc(schema("t", abcdefgh=pa.int64())).replace(b"abcdefgh", b"abc\xff\xfefgh")
    with pytest.raises(PayloadError, match="table t: its schema"):
        IpcReader().read_schema(payload)


WEIGHTLESS = [pa.null(), pa.struct([]), pa.binary(0), pa.list_(pa.int8(), 0), pa.struct([("a", pa.null())])]


def weightless(kind: pa.DataType, rows: int) -> pa.Array:
    """So many rows of a type that takes no byte for any number of values."""
    if pa.types.is_null(kind):
        return pa.nulls(rows)
    children = [
        pa.nulls(rows if pa.types.is_struct(kind) else 0).cast(kind.field(i).type) for i in range(kind.num_fields)
    ]
    values = [pa.py_buffer(b"")] * (kind.num_buffers - 1)
    return pa.Array.from_buffers(kind, rows, [None, *values], children=children)


@pytest.mark.parametrize("kind", WEIGHTLESS, ids=str)
def test_rows_without_bytes_are_bounded(kind: pa.DataType) -> None:
    """A message of some hundred bytes cannot announce a billion rows of nothing, nor many columns of many."""
    for columns, rows in ((1, 2**30), (100, 100_000)):
        wide = schema("t", **{f"c{number}": kind for number in range(columns)})
        many = pa.record_batch([weightless(kind, rows)] * columns, schema=wide)
        with pytest.raises(PayloadError, match=r"table t: .* announces \d+ values in"):
            read_batches(IpcReader(), ipc(many))
    few = pa.record_batch([weightless(kind, 1000)], schema=schema("t", nothing=kind))
    assert read_batches(IpcReader(), ipc(few))[0].rows == 1000


NINETEEN = [pa.array(range(19)), pa.array([True] * 19), pa.array([""] * 19), pa.array([[]] * 19, pa.list_(pa.int8()))]


@pytest.mark.parametrize("rows", [2**31 - 1, 2**40, 2**62, 400])
@pytest.mark.parametrize("column", NINETEEN, ids=lambda column: str(column.type))
def test_rows_for_which_there_is_no_room_are_refused_at_once(rows: int, column: pa.Array) -> None:
    """A header that announces more rows than its body can hold is refused on receipt, before anything is cut."""
    payload = ipc(pa.record_batch([column], schema=schema("t", c=column.type)))
    lying = payload.replace(struct.pack("<q", 19), struct.pack("<q", rows))
    with pytest.raises(PayloadError, match=r"table t: a record batch announces \d+ rows in"):
        IpcReader().read(lying)


def test_a_buffer_of_negative_length_is_refused() -> None:
    """A negative length is refused, also of a buffer that nobody would read: it counts for the size of an object."""
    payload = ipc(pa.record_batch([pa.array([1, 2, 3])], schema=schema("t", n=pa.int64())))
    bitmap = struct.pack("<qqqq", 0, 0, 0, 24)
    assert payload.count(bitmap) == 1
    with pytest.raises(PayloadError, match="table t: a record batch announces a buffer of negative length"):
        read_batches(IpcReader(), payload.replace(bitmap, struct.pack("<qqqq", 0, -(2**62), 0, 24)))


def test_a_schema_that_is_too_large_is_refused() -> None:
    """A schema of many megabytes would hold the event loop for seconds: it is refused, and fails its table."""
    wide = schema("t", **{f"a_column_{number}": pa.int8() for number in range(limits.SCHEMA_BYTES // 50)})
    with pytest.raises(PayloadError, match=r"table t: a payload announces a schema of \d+ bytes"):
        IpcReader().read_schema(ipc(wide))


def test_a_schema_that_pyarrow_does_not_know_fails_its_table() -> None:
    """A type of a newer Arrow cannot be read; the table is named all the same."""
    payload = bytearray(ipc(schema("t", n=pa.int64())))
    field = Table.root(bytes(payload), 8).table(2).tables(1)[0]
    payload[field._find(2)] = 99  # which type it is
    with pytest.raises(PayloadError, match="table t: a payload of"):
        IpcReader().read_schema(bytes(payload))


def test_remembered_schemas_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many schemas a stream brings, what is remembered of them keeps to its bound; the oldest goes first."""
    monkeypatch.setattr(limits, "KNOWN_SCHEMAS_BYTES", 1 << 20)
    reader = IpcReader()
    payloads = [ipc(schema(f"t{number}", **{f"column_{i}": pa.int8() for i in range(50)})) for number in range(200)]
    known = [reader.read_schema(payload) for payload in payloads]
    remembered = [len(prefix) for prefix in reader._schemas]
    assert 10 < len(remembered) < 200
    assert 4 * sum(remembered) <= limits.KNOWN_SCHEMAS_BYTES
    assert reader.read_schema(payloads[-2]) is known[-2]
    assert reader.read_schema(payloads[0]) is not known[0]


@pytest.mark.parametrize("shift", range(8))
def test_a_payload_may_start_at_any_address(shift: int) -> None:
    """A payload that is a part of a larger message, at whatever address, is read."""
    whole = b"\0" * shift + ipc(batch("t", list(range(1000))))
    assert [row["n"] for row in rows(memoryview(whole)[shift:])] == list(range(1000))
