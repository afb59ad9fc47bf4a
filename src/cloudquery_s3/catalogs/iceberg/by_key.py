"""Rows replace older ones of the same primary key: files that hold such are written again without them.

What is compared are the keys alone: those of the new rows are held in memory, up to a bound, and those of the table are
read in pieces. A file is read whole only if it has a row that goes.
"""

from __future__ import annotations

import uuid
from itertools import count
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyiceberg.expressions import AlwaysTrue
from pyiceberg.io.pyarrow import ArrowScan, _dataframe_to_data_files
from pyiceberg.table import DataScan

from cloudquery_s3.errors import TableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pyiceberg.manifest import DataFile
    from pyiceberg.schema import Schema
    from pyiceberg.table import FileScanTask, Transaction

    from cloudquery_s3.catalogs.iceberg.commit import TableChange
    from cloudquery_s3.catalogs.iceberg.files import DataFiles, StoredFile

MOST_KEY_BYTES: Final = 256 << 20
"""The most bytes that the primary keys of a Write's new rows may take, as text, for one table."""

_PIECE_ROWS: Final = 1 << 20
"""How many keys of the table are compared at once."""

_BYTES: Final = pa.large_binary()
_SEPARATOR: Final = b"\x1f"
_ESCAPES: Final = ((b"\\", b"\\\\"), (_SEPARATOR, b"\\s"))
_NULL: Final = b"\\0"


def replace_by_key(
    transaction: Transaction,
    change: TableChange,
    files: Sequence[StoredFile],
    data_files: DataFiles,
    properties: Mapping[str, str],
) -> None:
    """Have new rows take the place of those in the table that have the same key; of new ones the last one stays.

    Raises:
        TableError: the keys take more memory than they may.
    """
    rewriting = _Rewriting(transaction, change)
    new = _NewKeys(rewriting, files)
    replaced = list(_replaced(rewriting, new.values))
    snapshots = transaction.update_snapshot(snapshot_properties=dict(properties))
    with snapshots.overwrite() if replaced else snapshots.merge_append() as producer:
        for old, kept in replaced:
            producer.delete_data_file(old)
            for data_file in kept:
                producer.append_data_file(data_file)
        for index, file in enumerate(files):
            dropped = new.dropped(index)
            if dropped is None:
                producer.append_data_file(data_files.of(file))
            else:
                for data_file in rewriting.written(rewriting.read_object(file), dropped):
                    producer.append_data_file(data_file)


class _Rewriting:
    """Reads and writes rows of one table, as its transaction has it."""

    def __init__(self, transaction: Transaction, change: TableChange) -> None:
        self.change = change
        self.metadata = transaction.table_metadata
        self.io = transaction._table.io  # noqa: SLF001 -- the table of a transaction has no public name
        self._write_id = uuid.uuid4()
        self._numbers = count()

    def read(self, task: FileScanTask, columns: Schema) -> pa.Table:
        """Return columns of a file of the table."""
        scan = ArrowScan(self.metadata, self.io, columns, AlwaysTrue())
        return scan.to_table(tasks=[task])

    def read_object(self, file: StoredFile, columns: list[str] | None = None) -> pa.Table:
        """Return columns of an object that is not yet in the table; all where none are named."""
        with self.io.new_input(file.url).open() as stream:
            return pq.read_table(pa.PythonFile(stream, "r"), columns=columns)

    def written(self, rows: pa.Table, dropped: pa.Array) -> list[DataFile]:
        """Write rows to new files, without those that are dropped."""
        kept = rows.filter(pc.invert(dropped))
        if not kept.num_rows:
            return []
        return list(
            _dataframe_to_data_files(
                table_metadata=self.metadata, df=kept, io=self.io, write_uuid=self._write_id, counter=self._numbers
            )
        )


class _NewKeys:
    """The keys of a Write's new rows."""

    def __init__(self, rewriting: _Rewriting, files: Sequence[StoredFile]) -> None:
        change = rewriting.change
        pieces = []
        size = 0
        for file in files:
            keys = _keys(rewriting.read_object(file, list(change.keys)), change.keys)
            size += keys.nbytes
            if size > MOST_KEY_BYTES:
                raise TableError(
                    change.table,
                    f"the primary keys of its new rows take more than {MOST_KEY_BYTES >> 20} MiB, so that they cannot "
                    "replace older rows: sync it in smaller parts, or set 'write_mode: append'",
                )
            pieces.append(keys)
        self.values: pa.Array = pa.concat_arrays(pieces)
        self._starts = [0]
        for piece in pieces:
            self._starts.append(self._starts[-1] + len(piece))
        self._stale = self._superseded()

    def dropped(self, index: int) -> pa.Array | None:
        """Return which rows of a file have a later one of their key; None where there are none."""
        if self._stale is None:
            return None
        start, end = self._starts[index], self._starts[index + 1]
        part = self._stale.slice(start, end - start)
        return part if pc.any(part).as_py() else None

    def _superseded(self) -> pa.Array | None:
        rows = pa.table({"key": self.values, "row": pa.array(range(len(self.values)), pa.int64())})
        last = rows.group_by("key").aggregate([("row", "max")])["row_max"]
        if len(last) == len(self.values):
            return None
        return pc.invert(pc.is_in(rows["row"].combine_chunks(), value_set=last.combine_chunks()))


def _replaced(rewriting: _Rewriting, new_keys: pa.Array) -> Iterator[tuple[DataFile, list[DataFile]]]:
    """Yield each file of the table that has a replaced row, and what is left of it."""
    columns = rewriting.metadata.schema().select(*rewriting.change.keys)
    pending: list[tuple[FileScanTask, pa.Array]] = []
    for task in DataScan(table_metadata=rewriting.metadata, io=rewriting.io).plan_files():
        pending.append((task, _keys(rewriting.read(task, columns), rewriting.change.keys)))
        if sum(len(keys) for _, keys in pending) >= _PIECE_ROWS:
            yield from _compared(rewriting, pending, new_keys)
            pending = []
    yield from _compared(rewriting, pending, new_keys)


def _compared(
    rewriting: _Rewriting, pending: list[tuple[FileScanTask, pa.Array]], new_keys: pa.Array
) -> Iterator[tuple[DataFile, list[DataFile]]]:
    if not pending:
        return
    found = pc.is_in(pa.concat_arrays([keys for _, keys in pending]), value_set=new_keys)
    start = 0
    for task, keys in pending:
        dropped = found.slice(start, len(keys))
        start += len(keys)
        if pc.any(dropped).as_py():
            yield task.file, rewriting.written(rewriting.read(task, rewriting.metadata.schema()), dropped)


def _keys(rows: pa.Table, names: Sequence[str]) -> pa.Array:
    """Return the key of each row as bytes: no two keys share them, since no part holds the separator."""
    parts = [_part(rows[name].combine_chunks()) for name in names]
    return parts[0] if len(parts) == 1 else pc.binary_join_element_wise(*parts, pa.scalar(_SEPARATOR, _BYTES))


def _part(values: pa.Array) -> pa.Array:
    is_bytes = pa.types.is_binary(values.type) or pa.types.is_large_binary(values.type)
    plain = values if is_bytes else values.cast(pa.large_string())
    escaped = plain.cast(_BYTES)
    for found, escape in _ESCAPES:
        escaped = pc.replace_substring(escaped, found, escape)
    return pc.fill_null(escaped, pa.scalar(_NULL, _BYTES))
