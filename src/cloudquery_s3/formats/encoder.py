"""What every file format offers to the writer: one `Encoder` per object, made by a `Format`."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from cloudquery_s3.committed import FileStatistics

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pyarrow as pa

    from cloudquery_s3.chunk import Chunk


_LONGEST: Final = 300

CountAltered: TypeAlias = "Callable[[str, int], None]"
"""Counts altered cells of one column: the reason, and how many."""


class Alterations:
    """How many cells of an object were not written as they came, by column and reason.

    An alteration is never a loss: the cell is there in another form (`JSON that does not parse is written as a
    string`). The writer warns of each column and reason once per table.
    """

    def __init__(self) -> None:
        self.cells: Counter[tuple[str, str]] = Counter()

    def add(self, column: str, reason: str, cells: int) -> None:
        """Count `cells` altered cells of a column; none is not counted."""
        if cells:
            self.cells[column, reason] += cells

    def of(self, column: str) -> CountAltered:
        """Return what counts the altered cells of one column."""
        return partial(self.add, column)


class UnwritableError(ValueError):
    """Rows cannot be written in a format; the message names column and type, never what a cell holds."""


class NullKeyError(ValueError):
    """A map has NULL for a key, which no map may: Arrow ends the process that builds one."""


class unwritable:  # noqa: N801 - used as a statement, like contextlib's
    """Turns whatever goes wrong into an UnwritableError about `what`; libraries' own texts may quote cells.

    A class, since a generator would cost more than some columns do.

    Raises:
        UnwritableError: it went wrong.
    """

    __slots__ = ("_what",)

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, UnwritableError):
            why = "a map in it has NULL for a key" if isinstance(error, NullKeyError) else type(error).__name__
            raise UnwritableError(f"{self._what[:_LONGEST]} cannot be written ({why})") from None


@dataclass(frozen=True, slots=True)
class EncodedFile:
    """A file that is whole now.

    Attributes:
        chunks: its last bytes, those that no `write` has returned.
        rows: how many it holds.
        statistics: of its columns, known without reading anything again.
    """

    chunks: list[Chunk]
    rows: int
    statistics: FileStatistics


class Tally:
    """Counts the rows of one text file, and the NULLs of each column."""

    def __init__(self) -> None:
        self._rows = 0
        self._nulls: Counter[str] = Counter()

    def add(self, names: Sequence[str], columns: Sequence[pa.Array], rows: int) -> None:
        """Count the rows of columns of core types (`normalise`): Arrow keeps the number of NULLs with each column."""
        self._rows += rows
        for name, column in zip(names, columns, strict=True):
            self._nulls[name] += column.null_count

    def file(self, chunks: list[Chunk]) -> EncodedFile:
        """Return the file that ends with these bytes."""
        return EncodedFile(chunks, self._rows, FileStatistics(null_counts=dict(self._nulls)))


class Encoder(Protocol):
    """One object's bytes, as a stream of chunks.

    `finish` and `discard` are different verbs: only `finish` makes the bytes a whole file. An encoder is used by one
    thread at a time and never again after `finish` or `discard`. All batches have the schema that the encoder was made
    for, except where the format's `fixed_schema` is false.
    """

    def write(self, batches: Sequence[pa.RecordBatch]) -> list[Chunk]:
        """Encode rows, in order, and return the bytes that are ready.

        Parquet makes one row group (or several, by `max_row_group_length`) of each call: hold rows, call once.

        Raises:
            UnwritableError: the rows cannot be written in this format; nothing may be done after that but `discard`.
        """

    def finish(self) -> EncodedFile:
        """Return the file's last bytes, and what is in the whole of it."""

    def discard(self) -> None:
        """Drop all state without making a file; harmless after `finish` and when repeated."""


class Format(Protocol):
    """A file format as the user configured it."""

    fixed_schema: bool
    """Whether one object can only hold rows of one schema (Parquet, CSV), or each row describes itself (JSON)."""

    content_type: str
    """The Content-Type of its objects. Source: docs/formats.md."""

    def encoder(self, schema: pa.Schema, alterations: Alterations) -> Encoder:
        """Return the encoder of one new object of a table with this schema."""
