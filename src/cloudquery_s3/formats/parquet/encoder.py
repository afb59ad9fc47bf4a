"""Parquet files, as the reference's readers know them."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from cloudquery_s3.committed import FileStatistics
from cloudquery_s3.formats.columns.per_schema import PerSchema
from cloudquery_s3.formats.encoder import EncodedFile, unwritable
from cloudquery_s3.formats.parquet.bloom_filters import bloom_filter_options
from cloudquery_s3.formats.parquet.columns import FileColumns, TableColumns
from cloudquery_s3.formats.parquet.dictionaries import dictionary_columns
from cloudquery_s3.formats.parquet.types import TypeRules, has_uint32

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudquery_s3.chunk import Chunk
    from cloudquery_s3.formats.encoder import Alterations

Version: TypeAlias = Literal["v1.0", "v2.4", "v2.6", "v2Latest"]
Compression: TypeAlias = Literal["snappy", "zstd", "gzip", "lz4", "none"]

DEFAULT_ROW_GROUP_ROWS: Final = 128 * 1024 * 1024

_WRITER_VERSIONS: Final = {"v1.0": "1.0", "v2.4": "2.4", "v2.6": "2.6", "v2Latest": "2.6"}
_HELD_BYTES: Final = 16 * 1024 * 1024
_PAGE_BYTES: Final = 1024 * 1024
_MOST_ROWS_AT_ONCE: Final = 1024
_FOOTER_VERSION_2: Final = b"\x15\x04"
_FOOTER_VERSION_1: Final = b"\x15\x02"
_TAIL_BYTES: Final = 8


class Parquet:
    """Parquet with the reference's types, statistics, dictionaries and `cq:*` metadata.

    Each `write` of an encoder makes one row group, or with `group_bytes` as many of one size as have that much. Where
    `max_row_group_length` is below its default, groups have exactly that many rows, also over several writes, unless
    the rows that wait for more exceed 16 MiB.

    Args:
        version: decides what nanoseconds become (`v1.0`, `v2.4`: microseconds), and what the footer says.
        max_row_group_length: rows; 0 is no limit (the reference never ends there).
        portable: whether only types are used that every engine and catalogue reads.
        compression: of every column.
        compression_level: how hard it tries; None is the codec's default.
        bloom_filters: columns with Bloom filters, or only `auto`; see `bloom_filter_options`.
        group_bytes: Arrow bytes that a row group has at least where one `write` makes several; None for no such cut.
            It counts only where `max_row_group_length` is the default.

    Source: docs/formats.md, "What a column becomes" and "Parquet's key-value metadata".
    """

    fixed_schema = True
    content_type = "application/vnd.apache.parquet"

    def __init__(  # noqa: PLR0913 -- each is an option of the format
        self,
        version: Version = "v2Latest",
        max_row_group_length: int = DEFAULT_ROW_GROUP_ROWS,
        *,
        portable: bool = False,
        compression: Compression = "snappy",
        compression_level: int | None = None,
        bloom_filters: Sequence[str] = (),
        group_bytes: int | None = None,
    ) -> None:
        self._options = _WriterOptions(
            version, max_row_group_length, compression, compression_level, tuple(bloom_filters), group_bytes
        )
        rules = TypeRules(nanoseconds=_WRITER_VERSIONS[version] == "2.6", portable=portable)
        self._columns = PerSchema(partial(TableColumns, rules))

    def encoder(self, schema: pa.Schema, alterations: Alterations) -> ParquetEncoder:
        """Return the encoder of one new object."""
        return ParquetEncoder(self._columns(schema), self._options, alterations)


@dataclass(frozen=True, slots=True)
class _WriterOptions:
    version: Version
    group_rows: int
    compression: Compression
    compression_level: int | None
    bloom_filters: Sequence[str]
    group_bytes: int | None


class ParquetEncoder:
    """One Parquet object.

    The file's schema is fixed by the first `write` that has rows: see `FileColumns`. No bytes come out after `discard`,
    nor when an encoder is dropped.
    """

    def __init__(self, table: TableColumns, options: _WriterOptions, alterations: Alterations) -> None:
        self._columns = FileColumns(table, alterations)
        self._options = options
        self._metadata = table.metadata
        self._sink = _ChunkSink()
        self._footers: list[pq.FileMetaData] = []
        self._writer: pq.ParquetWriter | None = None
        self._held: pa.Table | None = None

    def write(self, batches: Sequence[pa.RecordBatch]) -> list[Chunk]:
        """Encode rows as one row group, or several by `max_row_group_length` or `group_bytes`; see `Encoder`.

        Raises:
            UnwritableError: a column's rows do not fit under the schema of the rows that are written already.
        """
        table = self._columns.table(batches, fixed=self._writer is not None)
        if table.num_rows:
            writer = self._opened(table)
            for group in self._groups(table):
                _write(writer, group)
        return self._sink.drain()

    def finish(self) -> EncodedFile:
        """Return the rows that waited for a full row group, the footer's bytes, and the footer as statistics."""
        writer = self._opened()
        if self._held is not None:
            _write(writer, self._held)
        chunks = self._sink.drain()
        writer.add_key_value_metadata(self._metadata)
        writer.close()
        end = self._sink.drain()
        self.discard()
        chunks += _as_version_1(end) if self._declared_version_1 else end
        footer = self._footers.pop()
        return EncodedFile(chunks, footer.num_rows, FileStatistics(footer=footer))

    def discard(self) -> None:
        """Drop all state; see `Encoder`."""
        self._sink.discard()
        self._held = None
        if self._writer is not None:
            with contextlib.suppress(pa.ArrowException, OSError):  # a writer that has failed may fail to close
                self._writer.close()  # into the sink, which keeps nothing now
            self._writer = None

    def _groups(self, table: pa.Table) -> list[pa.Table]:
        """Return the row groups that are ready, and hold the rest."""
        limit = self._options.group_rows
        if not limit:
            return [table]
        if limit >= DEFAULT_ROW_GROUP_ROWS:
            return _of_one_size(table, self._options.group_bytes)
        if self._held is not None:
            table = pa.concat_tables([self._held, table])
        full = table.num_rows // limit * limit
        rest = table.slice(full)
        holds = rest.num_rows > 0 and rest.nbytes <= _HELD_BYTES
        self._held = _copied(rest) if holds else None
        stop = full if holds else table.num_rows
        return [table.slice(start, min(limit, stop - start)) for start in range(0, stop, limit)]

    @property
    def _declared_version_1(self) -> bool:
        return self._options.version == "v1.0" and any(has_uint32(field) for field in self._columns.schema)

    def _opened(self, first: pa.Table | None = None) -> pq.ParquetWriter:
        if self._writer is None:
            # pyarrow's version 1.0 has no uint32; its 2.4 has, and without dictionaries differs in the footer alone
            plain = self._declared_version_1
            repeating = [] if first is None else dictionary_columns(first)
            more: dict[str, Any] = {}
            if first is not None and self._options.bloom_filters:
                more["bloom_filter_options"] = bloom_filter_options(first, self._options.bloom_filters, repeating)
            self._writer = pq.ParquetWriter(
                self._sink,
                self._columns.schema,
                version="2.4" if plain else _WRITER_VERSIONS[self._options.version],
                compression=self._options.compression,
                compression_level=self._options.compression_level,
                use_dictionary=[] if plain else repeating,
                store_schema=False,
                metadata_collector=self._footers,
                write_batch_size=_MOST_ROWS_AT_ONCE if first is None else rows_at_once(first),
                **more,
            )
        return self._writer


def _write(writer: pq.ParquetWriter, group: pa.Table) -> None:
    with unwritable("rows"):
        writer.write_table(group, row_group_size=group.num_rows)


class _ChunkSink:
    """A file for pyarrow that keeps what is written as chunks, until it is discarded: then it keeps nothing.

    pyarrow writes a footer whenever a writer is closed or collected; a discarded object must not get one.
    """

    closed = False

    def __init__(self) -> None:
        self._chunks: list[Chunk] = []
        self._open = True

    def write(self, data: Chunk) -> int:
        """Keep a chunk; what the caller does with its memory afterwards makes no difference."""
        if self._open:
            self._chunks.append(data if isinstance(data, bytes) else bytes(data))
        return len(data)

    def flush(self) -> None:
        """Everything is in the chunks already."""

    def close(self) -> None:
        """The chunks outlive the file."""

    def drain(self) -> list[Chunk]:
        """Return what was written since the last time."""
        chunks, self._chunks = self._chunks, []
        return chunks

    def discard(self) -> None:
        """Keep nothing, now and from now on."""
        self._open = False
        self._chunks = []


def rows_at_once(table: pa.Table) -> int:
    """Return how many rows pyarrow should add to a page before it looks at the page's size.

    Its own 1024 make pages of 64 MiB from cells of 64 KiB: several copies of them in memory, where the reference has
    pages of 1 MiB.
    """
    widest: int = max((column.nbytes for column in table.columns), default=0) // max(table.num_rows, 1)
    return max(1, min(_MOST_ROWS_AT_ONCE, _PAGE_BYTES // max(widest, 1)))


def _of_one_size(table: pa.Table, least_bytes: int | None) -> list[pa.Table]:
    count = max(1, table.nbytes // least_bytes) if least_bytes else 1
    rows = -(-table.num_rows // count)
    return [table.slice(start, rows) for start in range(0, table.num_rows, rows)]


def _copied(table: pa.Table) -> pa.Table:
    """Return the rows in memory of their own, so that they do not keep alive the batches they are cut from."""
    return pa.Table.from_arrays([pa.concat_arrays(column.chunks) for column in table.columns], schema=table.schema)


def _as_version_1(chunks: list[Chunk]) -> list[Chunk]:
    """Return a file's end with `version` 1 in place of 2: the footer's first field, in Thrift's compact protocol."""
    end = bytearray(b"".join(chunks))
    footer = len(end) - _TAIL_BYTES - int.from_bytes(end[-_TAIL_BYTES:-4], "little")
    if end[footer : footer + 2] != _FOOTER_VERSION_2:
        raise pa.ArrowInvalid("the Parquet footer does not begin with its version: pyarrow has changed its layout")
    end[footer : footer + 2] = _FOOTER_VERSION_1
    return [bytes(end)]
