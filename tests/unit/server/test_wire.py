"""Write messages read by hand are what protobuf reads."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from cloudquery.plugin_v3 import plugin_pb2 as pb
from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cloudquery_s3.committed import Conditions, DeleteRecord, DeleteStale, Equality
from cloudquery_s3.errors import ProtocolError
from cloudquery_s3.server import wire

PAYLOADS = st.one_of(st.binary(max_size=300), st.integers(100, 40_000).map(bytes))

MESSAGES = st.one_of(
    PAYLOADS.map(lambda record: pb.Write.Request(insert=pb.Write.MessageInsert(record=record))),
    st.tuples(PAYLOADS, st.booleans()).map(
        lambda pair: pb.Write.Request(migrate_table=pb.Write.MessageMigrateTable(table=pair[0], migrate_force=pair[1]))
    ),
    st.text(max_size=20).map(lambda name: pb.Write.Request(delete=pb.Write.MessageDeleteStale(table_name=name))),
    st.text(max_size=20).map(
        lambda name: pb.Write.Request(delete_record=pb.Write.MessageDeleteRecord(table_name=name))
    ),
    st.integers(0, 2**64 - 1).map(lambda number: pb.Write.Request(flush=pb.Write.MessageFlush(id=number))),
).map(lambda message: message.SerializeToString())


def by_protobuf(raw: bytes) -> tuple[wire.Kind, bytes] | None:
    """What protobuf's own parser makes of a message; None where it refuses it, or knows no kind of it."""
    try:
        request = pb.Write.Request.FromString(raw)
        request.delete.sync_time.ToDatetime()
    except (DecodeError, ValueError, OverflowError):
        return None
    kinds = {
        "insert": (wire.Kind.INSERT, request.insert.record),
        "migrate_table": (wire.Kind.MIGRATE, request.migrate_table.table),
        "delete": (wire.Kind.DELETE, b""),
        "delete_record": (wire.Kind.DELETE, b""),
        "flush": (wire.Kind.FLUSH, b""),
    }
    return None if list(UnknownFieldSet(request)) else kinds.get(request.WhichOneof("message"))


def by_hand(raw: bytes | memoryview) -> tuple[wire.Kind, bytes] | None:
    """What this plugin makes of it."""
    try:
        message = wire.parse(raw)
    except ProtocolError:
        return None
    return message.kind, bytes(message.payload)


@settings(max_examples=300, deadline=None)
@given(MESSAGES)
def test_messages(raw: bytes) -> None:
    """Every message is read as protobuf reads it, be it bytes or, where it came in pieces, a view."""
    assert by_hand(raw) == by_protobuf(raw) == by_hand(memoryview(bytearray(raw)))


@settings(max_examples=300, deadline=None)
@given(MESSAGES, st.lists(st.tuples(st.integers(0, 2**16), st.binary(max_size=4), st.integers(0, 4)), max_size=3))
@example(bytes.fromhex("120a0a0848494a4b4c4d4e4f"), [])
@example(bytes.fromhex("12" + "ff" * 11), [])
@example(bytes.fromhex("12020a80"), [])
@example(bytes.fromhex("1282800000"), [])
@example(bytes.fromhex("12820000"), [])
@example(bytes.fromhex("12" + "848080808080808080" + "7f" + "0a024142"), [])
@example(bytes.fromhex("1204" + "0a82808080808080808080" + "00"), [])
def test_broken_messages(raw: bytes, splices: list[tuple[int, bytes, int]]) -> None:
    """Bytes changed, put in or cut out anywhere: read as protobuf reads them, or refused by both."""
    data = bytearray(raw)
    for at, new, removed in splices:
        start = min(at, 12) % (len(data) + 1) if at % 3 else at % (len(data) + 1)
        data[start : start + removed] = new
    assert by_hand(bytes(data)) == by_protobuf(bytes(data))


def test_rows_are_not_copied() -> None:
    """The payload of an Insert is a view into the message."""
    raw = pb.Write.Request(insert=pb.Write.MessageInsert(record=b"rows")).SerializeToString()
    payload = wire.parse(raw).payload
    assert isinstance(payload, memoryview)
    assert payload.obj is raw


def test_stale_rows() -> None:
    """A DeleteStale says its table, its source and, to the microsecond, the sync that stays."""
    moment = datetime(2026, 11, 26, 9, 8, 34, 503633, tzinfo=UTC)
    message = pb.Write.MessageDeleteStale(table_name="t", source_name="s")
    message.sync_time.FromDatetime(moment)
    assert wire.parse(pb.Write.Request(delete=message).SerializeToString()).delete == DeleteStale("t", "s", moment)


def test_record_to_delete() -> None:
    """A DeleteRecord says its table, its groups of conditions and the tables below it."""
    group = pb.PredicatesGroup(grouping_type=pb.PredicatesGroup.OR, predicates=[pb.Predicate(column="a", record=b"1")])
    relation = pb.TableRelation(table_name="child", parent_table="t")
    message = pb.Write.MessageDeleteRecord(table_name="t", where_clause=[group], table_relations=[relation])
    found = wire.parse(pb.Write.Request(delete_record=message).SerializeToString()).delete
    assert found == DeleteRecord("t", (Conditions(any_of=True, equalities=(Equality("a", b"1"),)),), (("child", "t"),))
    assert "b'1'" not in repr(found)


def test_stale_rows_of_no_moment() -> None:
    """A DeleteStale whose sync time is no moment is refused by name."""
    message = pb.Write.MessageDeleteStale(table_name="t")
    message.sync_time.seconds = 2**62
    with pytest.raises(ProtocolError, match="sync_time"):
        wire.parse(pb.Write.Request(delete=message).SerializeToString())


def test_refusal_says_what() -> None:
    """Bytes that are no message are a ProtocolError that says so."""
    with pytest.raises(ProtocolError, match=r"not a Write\.Request"):
        wire.parse(b"\x12\x05\x0a")


def field(number: int, content: bytes) -> bytes:
    """A length-delimited field as it stands on the wire."""
    return bytes([number << 3 | 2, len(content)]) + content


@pytest.mark.parametrize(
    "known", [b"", field(2, field(1, b"rows")), field(5, b"\x08\x01")], ids=["alone", "insert", "flush"]
)
def test_a_newer_kind_of_message(known: bytes) -> None:
    """A message of a kind that this plugin does not know may hold rows: it is refused, and the field's number said."""
    with pytest.raises(ProtocolError, match="unknown field 15, which may hold rows"):
        wire.parse(known + field(15, field(1, b"rows")))


def test_an_empty_message() -> None:
    """A message with none of its fields set is refused, and says which there are."""
    with pytest.raises(ProtocolError, match="none of its fields 1, 2, 3, 4, 5 is set"):
        wire.parse(b"")


def test_a_length_without_end() -> None:
    """A length that goes on for megabytes is refused after its tenth byte: the others are not even looked at."""

    class Counting(bytes):
        looked_at = 0

        def __getitem__(self, at: object) -> object:  # type: ignore[override] # only single bytes are asked for
            Counting.looked_at += 1
            return super().__getitem__(at)  # type: ignore[index] # likewise

    assert wire._enter(Counting(b"\x12" + b"\xff" * 5_000_000), 0, 0x12) == 0
    assert Counting.looked_at < 20
