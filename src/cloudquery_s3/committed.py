"""Where an object's commit becomes known, and who hears of it.

For the rest of the plugin an object exists from the moment that the store has acknowledged it: as one
`CommittedObject`, which `writer/` makes and hands to the `Publisher`s of its Write. Log lines, the report, the manifest
and the catalogues are readers of this record; none of them asks the store or the rows again.

A Write ends in two phases: first every object is acknowledged, then every publisher publishes, and only then is the
answer OK.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    import pyarrow as pa
    import pyarrow.parquet as pq

    from cloudquery_s3.errors import PluginError

_FINGERPRINT_DIGITS: Final = 16

WriteStatus: TypeAlias = Literal["complete", "failed", "interrupted"]
"""How a Write ended: every row is in a committed object; or not; or it was cancelled or closed before its end."""


class Checksum(NamedTuple):
    """The digest that was sent with an object, or with each of its parts.

    Attributes:
        algorithm: `CRC32` or `SHA256`.
        value: the digest in base64; of a multipart upload that of its parts' digests, followed by `-` and their number.
        scope: `FULL_OBJECT`, or `COMPOSITE` for a digest of digests.
    """

    algorithm: Literal["CRC32", "SHA256"]
    value: str
    scope: Literal["FULL_OBJECT", "COMPOSITE"]


class ColumnStatistics(NamedTuple):
    """What is known of one column of one object.

    Attributes:
        null_count: its NULLs, or None where the format does not tell.
        minimum: its smallest value as pyarrow reads it from a Parquet footer, or None where there is none.
        maximum: its largest value, likewise.
    """

    null_count: int | None
    minimum: Any = None
    maximum: Any = None


@dataclass(frozen=True, slots=True)
class FileStatistics:
    """What a file's encoder knows of its columns.

    Attributes:
        null_counts: NULLs by column, of text formats.
        footer: a Parquet file's own footer; no column of it is read before somebody asks.
    """

    null_counts: Mapping[str, int] = field(default_factory=dict)
    footer: pq.FileMetaData | None = None

    def columns(self) -> Mapping[str, ColumnStatistics]:
        """Return the statistics of each top-level column that is not nested, over all row groups."""
        if self.footer is None:
            return {name: ColumnStatistics(nulls) for name, nulls in self.null_counts.items()}
        groups = [self.footer.row_group(number) for number in range(self.footer.num_row_groups)]
        return {
            self.footer.schema.column(index).path: _over_all([group.column(index) for group in groups])
            for index in range(self.footer.num_columns)
            if self.footer.schema.column(index).max_repetition_level == 0
            and "." not in self.footer.schema.column(index).path
        }


def _over_all(chunks: Sequence[pq.ColumnChunkMetaData]) -> ColumnStatistics:
    """Return the statistics of all chunks of a column together.

    There are bounds only where each chunk has them that holds a value: one without may hold any.
    """
    known = [chunk.statistics for chunk in chunks]
    if not known or any(one is None or not one.has_null_count for one in known):
        return ColumnStatistics(None)
    nulls = sum(one.null_count for one in known)
    with_values = [one for one, chunk in zip(known, chunks, strict=True) if one.null_count < chunk.num_values]
    if not with_values or not all(one.has_min_max for one in with_values):
        return ColumnStatistics(nulls)
    return ColumnStatistics(nulls, min(one.min for one in with_values), max(one.max for one in with_values))


@dataclass(frozen=True, slots=True)
class Origin:
    """Where rows came from, as their own columns say.

    Attributes:
        sources: the distinct values of `_cq_source_name`.
        sync_times: those of `_cq_sync_time`, in UTC, ISO 8601 with microseconds and `Z`.
        sync_group_ids: those of `_cq_sync_group_id`.
    """

    sources: frozenset[str] = frozenset()
    sync_times: frozenset[str] = frozenset()
    sync_group_ids: frozenset[str] = frozenset()

    def __or__(self, other: Origin) -> Origin:
        return Origin(
            self.sources | other.sources,
            self.sync_times | other.sync_times,
            self.sync_group_ids | other.sync_group_ids,
        )


@dataclass(frozen=True)
class CommittedObject:
    """An object that the store has acknowledged.

    Attributes:
        table: the table that its rows are of.
        key: where it is.
        size_bytes: its size as stored.
        etag: the store's entity tag, without quotes; empty where the store names none.
        checksum: what was sent for the store to check the bytes against.
        rows: how many it holds.
        schema: of its rows, as they were received.
        partition: the value of each partition column in its key; None for NULL.
        opened_at: when its first row came.
        committed_at: when the store acknowledged it.
        statistics: of its columns.
        altered: cells that were not written as they came, by column and reason.
        retries: requests for it that were sent again.
        origin: where its rows came from.
        encode_s: seconds that a thread took to decode and encode its rows.
        upload_s: seconds that a thread took to upload it, the waits for the store included.
    """

    table: str
    key: str
    size_bytes: int
    etag: str
    checksum: Checksum | None
    rows: int
    schema: pa.Schema
    partition: Mapping[str, str | None]
    opened_at: datetime
    committed_at: datetime
    statistics: FileStatistics
    altered: Mapping[tuple[str, str], int]
    retries: int
    origin: Origin
    encode_s: float = 0.0
    upload_s: float = 0.0

    @cached_property
    def schema_id(self) -> str:
        """The schema's fingerprint; see `fingerprint`."""
        return fingerprint(self.schema)


def fingerprint(schema: pa.Schema) -> str:
    """Return a schema's identity: 16 hexadecimal digits of the SHA-256 of its Arrow IPC bytes, metadata included."""
    return hashlib.sha256(schema.serialize()).hexdigest()[:_FINGERPRINT_DIGITS]


@dataclass(frozen=True, slots=True)
class DeleteStale:
    """A source's wish that its rows of earlier syncs be gone from a table.

    Attributes:
        table: the table's name.
        source: the value of `_cq_source_name` in the rows that are meant.
        sync_time: rows whose `_cq_sync_time` is earlier are stale; aware of its time zone.
    """

    table: str
    source: str
    sync_time: datetime


@dataclass(frozen=True, slots=True)
class Equality:
    """One condition of a DeleteRecord: a column equals a value.

    Attributes:
        column: the column's name.
        record: the value, as an Arrow IPC stream of one column and one row; it is a cell's value, so never shown.
    """

    column: str
    record: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Conditions:
    """Conditions that hold together.

    Attributes:
        any_of: whether one of them is enough; all have to hold otherwise.
        equalities: the conditions.
    """

    any_of: bool
    equalities: tuple[Equality, ...]


@dataclass(frozen=True, slots=True)
class DeleteRecord:
    """A source's wish that certain rows be gone from a table.

    Attributes:
        table: the table's name.
        where: the rows that are meant fulfil each of these; all rows where there are none.
        relations: tables below it whose rows go with their parents, each with the name of its parent table.
    """

    table: str
    where: tuple[Conditions, ...]
    relations: tuple[tuple[str, str], ...] = ()


Delete: TypeAlias = DeleteStale | DeleteRecord


@dataclass(frozen=True, slots=True)
class WriteStart:
    """One Write, as it begins.

    Attributes:
        write_id: a UUID of this Write alone.
        started_at: when it began.
    """

    write_id: str
    started_at: datetime


@dataclass(frozen=True, slots=True)
class WriteEnd:
    """How a Write ended, before anything of it is published.

    Attributes:
        status: whether every row that came is in a committed object.
        ended_at: when the last object was acknowledged or given up.
        error: what ended it early, for all tables, or None.
        failures: what stopped single tables, by table.
        schemas: every table that was named, by a migrate message or by rows, and its latest schema.
        deletes: which rows the client wants to be gone, in the order in which it said so.
    """

    status: WriteStatus
    ended_at: datetime
    error: PluginError | None
    failures: Mapping[str, Exception]
    schemas: Mapping[str, pa.Schema]
    deletes: Sequence[Delete] = ()


class Publisher(Protocol):
    """Who hears of one Write's objects, and makes them known when it ends. Called on the event loop."""

    def committed(self, record: CommittedObject) -> None:
        """Take note of an object. Must not wait, and must not raise."""

    async def publish(self, end: WriteEnd) -> None:
        """Make the Write known; called once, when its last object has been acknowledged or given up.

        Raises:
            PluginError: it could not; the Write fails with it, and says that its rows are in the bucket.
        """


PublisherFactory: TypeAlias = "Callable[[WriteStart], Publisher]"
"""Makes the publisher of one Write."""
