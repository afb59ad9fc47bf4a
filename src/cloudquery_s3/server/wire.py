"""Write.Request bytes to what they mean, without building protobuf objects for the rows.

Source: plugin v3's `Write.Request` is a oneof of five messages; field 1 of `migrate_table` and `insert` is the Arrow
IPC payload.
"""

from __future__ import annotations

from datetime import UTC
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from google.protobuf.message import DecodeError as ProtobufDecodeError
from google.protobuf.unknown_fields import UnknownFieldSet

from cloudquery_s3.committed import Conditions, DeleteRecord, DeleteStale, Equality
from cloudquery_s3.errors import ProtocolError
from cloudquery_s3.server.protocol import PLUGIN, PredicatesGroup, request

if TYPE_CHECKING:
    from cloudquery_s3.committed import Delete


class Kind(Enum):
    """What a message asks for."""

    INSERT = auto()
    MIGRATE = auto()
    DELETE = auto()
    FLUSH = auto()


class Message(NamedTuple):
    """A message of a Write stream.

    Attributes:
        kind: what it asks for.
        payload: Arrow IPC, empty for what carries none.
        delete: which rows have to go, for `DELETE` alone.
    """

    kind: Kind
    payload: bytes | memoryview
    delete: Delete | None = None


_WriteRequest: Final = request(PLUGIN, "Write")
_INSERT_TAG: Final = 0x12  # field 2, length-delimited
_RECORD_TAG: Final = 0x0A  # field 1, length-delimited
_MOST_VARINT_BYTES: Final = 10


def parse(raw: bytes | memoryview) -> Message:
    """Return what a Write.Request says. An Insert's payload is a view into `raw`: nothing is copied.

    Raises:
        ProtocolError: the bytes are no Write.Request, or one of a kind that this plugin does not know: it may hold
            rows.
    """
    return _parse_insert(raw) or _parse_any(raw)


def _parse_insert(raw: bytes | memoryview) -> Message | None:
    """The one shape that matters for speed: an Insert that holds a record and nothing else."""
    record_at = _enter(raw, 0, _INSERT_TAG)
    payload_at = _enter(raw, record_at, _RECORD_TAG) if record_at else 0
    return Message(Kind.INSERT, memoryview(raw)[payload_at:]) if payload_at else None


def _enter(raw: bytes | memoryview, at: int, tag: int) -> int:
    """Return where the content begins of the field at `at`, if it is `tag` and reaches to the end of `raw`; else 0."""
    size = len(raw)
    if at + 1 >= size or raw[at] != tag:
        return 0
    at += 1
    length = shift = 0
    for byte in raw[at : at + _MOST_VARINT_BYTES]:
        at += 1
        length |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 -- the varint's continuation bit
            return at if at + length == size else 0
        shift += 7
    return 0


def _parse_any(raw: bytes | memoryview) -> Message:
    try:
        message = _WriteRequest.FromString(raw)
    except ProtobufDecodeError as error:
        raise ProtocolError(f"a Write message is not a Write.Request: {error}") from error
    unknown = sorted({field.field_number for field in UnknownFieldSet(message)})
    if unknown:
        raise ProtocolError(
            f"a Write message has the unknown field {', '.join(map(str, unknown))}, which may hold rows: the client is "
            "newer than this plugin; update it"
        )
    match message.WhichOneof("message"):
        case "insert":
            return Message(Kind.INSERT, message.insert.record)
        case "migrate_table":
            return Message(Kind.MIGRATE, message.migrate_table.table)
        case "delete":
            return Message(Kind.DELETE, b"", _delete_stale(message.delete))
        case "delete_record":
            return Message(Kind.DELETE, b"", _delete_record(message.delete_record))
        case "flush":
            return Message(Kind.FLUSH, b"")
        case _:
            numbers = [str(field.number) for field in message.DESCRIPTOR.oneofs_by_name["message"].fields]
            raise ProtocolError(f"a Write message is empty: none of its fields {', '.join(numbers)} is set")


def _delete_stale(message: Any) -> DeleteStale:
    try:
        sync_time = message.sync_time.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise ProtocolError("a DeleteStale's sync_time is no moment between the years 1 and 9999") from error
    return DeleteStale(message.table_name, message.source_name, sync_time)


def _delete_record(message: Any) -> DeleteRecord:
    groups = (
        Conditions(
            any_of=group.grouping_type == PredicatesGroup.OR,
            equalities=tuple(Equality(predicate.column, predicate.record) for predicate in group.predicates),
        )
        for group in message.where_clause
    )
    relations = tuple((relation.table_name, relation.parent_table) for relation in message.table_relations)
    return DeleteRecord(message.table_name, tuple(groups), relations)
