"""Parquet files, as the reference's readers know them."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from cloudquery_s3.committed import FileStatistics
from cloudquery_s3.formats.columns.normalise import Normaliser
from cloudquery_s3.formats.encoder import EncodedFile
from cloudquery_s3.formats.parquet.dictionaries import dictionary_columns
from cloudquery_s3.formats.parquet.metadata import key_value_metadata
from cloudquery_s3.formats.parquet.required import has_required, made_nullable, without_hidden_nulls
from cloudquery_s3.formats.parquet.types import has_uint32, parquet_column

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudquery_s3.chunk import Chunk
    from cloudquery_s3.formats.encoder import Alterations

Version: TypeAlias = Literal["v1.0", "v2.4", "v2.6", "v2Latest"]

DEFAULT_ROW_GROUP_ROWS: Final = 128 * 1024 * 1024

_WRITER_VERSIONS: Final = {"v1.0": "1.0", "v2.4": "2.4", "v2.6": "2.6", "v2Latest": "2.6"}
_MERGE_BELOW_ROWS: Final = 5_000
_HELD_BYTES: Final = 16 * 1024 * 1024
_PAGE_BYTES: Final = 1024 * 1024
_MOST_ROWS_AT_ONCE: Final = 1024
_FOOTER_VERSION_2: Final = b"\x15\x04"
_FOOTER_VERSION_1: Final = b"\x15\x02"
_TAIL_BYTES: Final = 8


class NullInRequiredColumnError(ValueError):
    """A NULL in a NOT NULL column whose file already says that there are none."""


class Parquet:
    """Snappy-compressed Parquet with the reference's types, statistics, dictionaries and `cq:*` metadata.

    Each `write` of an encoder makes one row group. Where `max_row_group_length` is below its default, groups have
    exactly that many rows, also over several writes, unless the rows that wait for more exceed 16 MiB.

    Args:
        version: decides what nanoseconds become (`v1.0`, `v2.4`: microseconds), and what the footer says.
        max_row_group_length: rows; 0 is no limit (the reference never ends there).

    Source: docs/formats.md, "What a column becomes" and "Parquet's key-value metadata".
    """

    fixed_schema = True
    content_type = "application/vnd.apache.parquet"

    def __init__(self, version: Version = "v2Latest", max_row_group_length: int = DEFAULT_ROW_GROUP_ROWS) -> None:
        self._version = version
        self._group_rows = max_row_group_length

    def encoder(self, schema: pa.Schema, alterations: Alterations) -> ParquetEncoder:
        """Return the encoder of one new object."""
        return ParquetEncoder(schema, alterations, self._version, self._group_rows)


class ParquetEncoder:
    """One Parquet object.

    The file's schema is fixed by the first `write`: a NULL in a NOT NULL column there makes the column optional, and
    counts as an alteration. No bytes come out after `discard`, nor when an encoder is dropped.
    """

    def __init__(self, schema: pa.Schema, alterations: Alterations, version: Version, group_rows: int) -> None:
        self._alterations = alterations
        self._version = version
        self._group_rows = group_rows
        self._metadata = key_value_metadata(schema)
        self._normalise = Normaliser(schema)
        nanoseconds = _WRITER_VERSIONS[version] == "2.6"
        columns = [parquet_column(field, alterations, nanoseconds=nanoseconds) for field in self._normalise.schema]
        self._converts = [column.convert for column in columns]
        self._fields = [column.field.remove_metadata() for column in columns]
        self._sink = _ChunkSink()
        self._footers: list[pq.FileMetaData] = []
        self._writer: pq.ParquetWriter | None = None
        self._held: pa.Table | None = None

    def write(self, batches: Sequence[pa.RecordBatch]) -> list[Chunk]:
        """Encode rows as one row group, or several by `max_row_group_length`; see `Encoder`.

        Raises:
            NullInRequiredColumnError: there is a NULL in a NOT NULL column, and earlier rows of this object are written
                under a schema that knows none.
            pyarrow.ArrowException: a value has no place in its Parquet type.
        """
        table = self._table(batches)
        if table.num_rows:
            writer = self._opened(table)
            for group in self._groups(table):
                writer.write_table(group, row_group_size=group.num_rows)
        return self._sink.drain()

    def finish(self) -> EncodedFile:
        """Return the rows that waited for a full row group, the footer's bytes, and the footer as statistics."""
        writer = self._opened()
        if self._held is not None:
            writer.write_table(self._held, row_group_size=self._held.num_rows)
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

    def _table(self, batches: Sequence[pa.RecordBatch]) -> pa.Table:
        table = pa.Table.from_batches([self._normalise(batch) for batch in batches], self._normalise.schema)
        if len(batches) > 1 and table.num_rows < _MERGE_BELOW_ROWS * len(batches):
            table = table.combine_chunks()
        columns = [self._column(index, column.chunks) for index, column in enumerate(table.columns)]
        return pa.Table.from_arrays(columns, schema=pa.schema(self._fields))

    def _column(self, index: int, chunks: list[pa.Array]) -> pa.ChunkedArray:
        convert = self._converts[index]
        if convert is not None:
            chunks = [convert(chunk) for chunk in chunks]
        if has_required(self._fields[index]):
            self._fields[index] = self._made_nullable(self._fields[index], chunks)
        field = self._fields[index]
        return pa.chunked_array([without_hidden_nulls(chunk, field) for chunk in chunks], field.type)

    def _made_nullable(self, field: pa.Field, chunks: list[pa.Array]) -> pa.Field:
        field, nulls = made_nullable(field, chunks)
        if nulls and self._writer is not None:
            raise NullInRequiredColumnError(
                f"column {field.name}: {nulls} NULLs in a NOT NULL column, and rows of this object are already written "
                f"as NOT NULL; the source must send a value, or declare the column nullable"
            )
        self._alterations.add(field.name, "NULL in a NOT NULL column: the file declares the column optional", nulls)
        return field

    def _groups(self, table: pa.Table) -> list[pa.Table]:
        """Return the row groups that are ready, and hold the rest."""
        limit = self._group_rows
        if not limit or limit >= DEFAULT_ROW_GROUP_ROWS:
            return [table]
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
        return self._version == "v1.0" and any(has_uint32(field) for field in self._fields)

    def _opened(self, first: pa.Table | None = None) -> pq.ParquetWriter:
        if self._writer is None:
            # pyarrow's version 1.0 has no uint32; its 2.4 has, and without dictionaries differs in the footer alone
            plain = self._declared_version_1
            self._writer = pq.ParquetWriter(
                self._sink,
                pa.schema(self._fields),
                version="2.4" if plain else _WRITER_VERSIONS[self._version],
                compression="snappy",
                use_dictionary=[] if plain or first is None else dictionary_columns(first),
                store_schema=False,
                metadata_collector=self._footers,
                write_batch_size=_MOST_ROWS_AT_ONCE if first is None else rows_at_once(first),
            )
        return self._writer


class _ChunkSink:
    """A file for pyarrow that keeps what is written as chunks, until it is discarded: then it keeps nothing.

    pyarrow writes a footer whenever a writer is closed or collected; a discarded object must not get one.
    """

    closed = False

    def __init__(self) -> None:
        self._chunks: list[Chunk] = []
        self._open = True

    def write(self, data: Chunk) -> int:
        if self._open:
            self._chunks.append(data if isinstance(data, bytes) else bytes(data))
        return len(data)

    def flush(self) -> None:
        """Everything is in the chunks already."""

    def close(self) -> None:
        """The chunks outlive the file."""

    def drain(self) -> list[Chunk]:
        chunks, self._chunks = self._chunks, []
        return chunks

    def discard(self) -> None:
        self._open = False
        self._chunks = []


def rows_at_once(table: pa.Table) -> int:
    """Return how many rows pyarrow should add to a page before it looks at the page's size.

    Its own 1024 make pages of 64 MiB from cells of 64 KiB: several copies of them in memory, where the reference has
    pages of 1 MiB.
    """
    widest: int = max((column.nbytes for column in table.columns), default=0) // max(table.num_rows, 1)
    return max(1, min(_MOST_ROWS_AT_ONCE, _PAGE_BYTES // max(widest, 1)))


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
