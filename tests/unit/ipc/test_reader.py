"""What payloads hold, as their headers say."""

from __future__ import annotations

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
    """A payload of several batches yields all of them, in order, those without rows too (contract H39)."""
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


def test_rows_without_bytes_are_bounded() -> None:
    """A message of some hundred bytes cannot announce a billion rows of nulls."""
    many = pa.record_batch([pa.nulls(2**30)], names=["nothing"])
    with pytest.raises(DecodeError, match="1073741824 values"):
        read_batches(IpcReader(), ipc(many))
    assert read_batches(IpcReader(), ipc(pa.record_batch([pa.nulls(1000)], names=["nothing"])))[0].rows == 1000


@pytest.mark.parametrize("shift", range(8))
def test_a_payload_may_start_at_any_address(shift: int) -> None:
    """A payload that is a part of a larger message, at whatever address, is read."""
    whole = b"\0" * shift + ipc(batch("t", list(range(1000))))
    assert [row["n"] for row in rows(memoryview(whole)[shift:])] == list(range(1000))
