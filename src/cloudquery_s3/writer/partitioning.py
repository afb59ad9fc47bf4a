"""Which partition each row belongs to, and the rows of each: values of columns that stand in keys."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cloudquery_s3.errors import TableError
from cloudquery_s3.table import extension_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cloudquery_s3.object_key import PartitionField, PartitionKind

Partition: TypeAlias = tuple[str | None, ...]
"""The value of each partition field, in the order of the path; None for NULL."""

_Codes: TypeAlias = npt.NDArray[np.int64]

_HOUR_S: Final = 3600
_DAY_S: Final = 24 * _HOUR_S
_PER_SECOND: Final = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}

_ADVICE: Final = "use a column of text, whole numbers, booleans, dates, UUIDs or network addresses"
_TIME_ADVICE: Final = "use a column of dates or timestamps"


class Partitioner:
    """Splits the rows of one table by the columns that its keys have. Safe to use from several threads."""

    def __init__(self, table: str, fields: Sequence[PartitionField]) -> None:
        self._table = table
        self._fields = fields

    def check(self, schema: pa.Schema) -> None:
        """Return if rows of this schema can be split.

        Raises:
            TableError: a column has a type whose values make no keys; names column and type.
        """
        for kind, column in self._fields:
            index = schema.get_field_index(column)
            if index >= 0:
                self._require(kind, schema.field(index))

    def split(self, batch: pa.RecordBatch) -> list[tuple[Partition, pa.RecordBatch]]:
        """Return the rows of each partition, in the order in which the partitions first come.

        Rows of a partition keep their order, and have memory of their own unless there is only one partition: then it
        is the very same batch.
        """
        columns = [_coded(kind, _column(batch, column), batch.num_rows) for kind, column in self._fields]
        combined: _Codes = np.zeros(batch.num_rows, np.int64)
        for codes, values in columns:
            combined = np.unique(combined * (len(values) + 1) + codes, return_inverse=True)[1]
        if not batch.num_rows or not combined.any():
            return [(self._values(columns, 0), batch)] if batch.num_rows else []
        order = np.argsort(combined, kind="stable")
        starts = np.flatnonzero(np.diff(combined[order], prepend=-1))
        groups = np.split(order, starts[1:])
        parts = zip(groups, _grouped(batch, order, groups), strict=True)
        return [
            (self._values(columns, int(rows[0])), part) for rows, part in sorted(parts, key=lambda one: int(one[0][0]))
        ]

    def _values(self, columns: list[tuple[_Codes, list[str | None]]], row: int) -> Partition:
        return tuple(values[codes[row]] for codes, values in columns)

    def _require(self, kind: PartitionKind, field: pa.Field) -> None:
        core = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        if kind != "COLUMN":
            if not (pa.types.is_date(core) or pa.types.is_timestamp(core)):
                problem = f"{{{{{kind}:{field.name}}}}} in 'path' has no value in a column of type {core}"
                raise TableError(self._table, f"{problem}: {_TIME_ADVICE}")
        elif _renderer(field) is None:
            named = extension_of(field) or core
            problem = f"{{{{COLUMN:{field.name}}}}} in 'path' cannot hold values of type {named}"
            raise TableError(self._table, f"{problem}: {_ADVICE}; of a timestamp use {{{{DATE:{field.name}}}}}")


def _grouped(batch: pa.RecordBatch, order: _Codes, groups: list[_Codes]) -> Iterator[pa.RecordBatch]:
    """Yield the rows of each group, each in memory of its own; `order` is all groups, one behind the other.

    One `take` of all rows and a copy of each group's cost less than a `take` for each group.
    """
    try:
        together = batch.take(pa.array(order))
    except pa.ArrowNotImplementedError:  # views and run ends: Arrow only joins them
        for rows in groups:
            runs = np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1)
            yield pa.concat_batches([batch.slice(int(run[0]), len(run)) for run in runs])
        return
    start = 0
    for rows in groups:
        yield pa.concat_batches([together.slice(start, len(rows))])
        start += len(rows)


def _column(batch: pa.RecordBatch, name: str) -> tuple[pa.Field, pa.Array] | None:
    index = batch.schema.get_field_index(name)
    if index < 0:
        return None
    field, array = batch.schema.field(index), batch.column(index)
    if pa.types.is_dictionary(array.type):
        return field.with_type(array.type.value_type), array.dictionary_decode()
    return field, array


def _coded(kind: PartitionKind, column: tuple[pa.Field, pa.Array] | None, rows: int) -> tuple[_Codes, list[str | None]]:
    """Return a code for each row, and the text of each code; values of one text have one code."""
    if column is None:
        return np.zeros(rows, np.int64), [None]
    field, array = column
    if kind == "COLUMN":
        render = _renderer(field)
        assert render is not None  # noqa: S101 -- `Partitioner.check` has refused the others
        encoded = pc.dictionary_encode(_storage(array))
    else:
        render = _TIME_TEXTS[kind]
        encoded = pc.dictionary_encode(_since_1970(array, _HOUR_S if kind == "HOUR" else _DAY_S))
    found: _Codes = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64) + 1
    texts = [None, *(render(value) or None for value in encoded.dictionary.to_pylist())]
    distinct = {text: code for code, text in enumerate(dict.fromkeys(texts))}
    codes = np.array([distinct[text] for text in texts], np.int64)
    return codes[found], list(distinct)


def _renderer(field: pa.Field) -> Callable[[Any], str] | None:
    """Return what makes text of a column's storage values, or None where they make no keys."""
    kind, extension = field.type, extension_of(field)
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if extension == "uuid":
        return lambda value: str(uuid.UUID(bytes=value))
    if extension == "inet" or (extension is None and _is_text(kind)):
        return lambda value: str(value, errors="replace")
    if extension is None:
        return next((render for test, render in _PLAIN_TEXTS if test(kind)), None)
    return None


def _storage(array: pa.Array) -> pa.Array:
    """Return texts as their bytes, which need not be UTF-8, and dates as days since 1970."""
    if _is_text(array.type):
        return array.cast(pa.large_binary() if pa.types.is_large_string(array.type) else pa.binary())
    return _since_1970(array, _DAY_S) if pa.types.is_date(array.type) else array


def _is_text(kind: pa.DataType) -> bool:
    return kind in {pa.string(), pa.large_string(), pa.string_view()}


def _since_1970(array: pa.Array, unit_s: int) -> pa.Array:
    """Return dates and timestamps (in UTC) as whole days or hours since 1970; int64, NULL where they are.

    Of a date with a time of day the day is taken as the file has it: milliseconds cut off toward 1970.
    """
    if pa.types.is_date32(array.type):
        return pc.multiply(array.view(pa.int32()).cast(pa.int64()), _DAY_S // unit_s)
    if pa.types.is_date64(array.type):
        return pc.multiply(pc.divide(array.view(pa.int64()), _DAY_S * 1000), _DAY_S // unit_s)
    per_second = _PER_SECOND[array.type.unit]
    ticks = array.view(pa.int64())
    whole = np.floor_divide(pc.fill_null(ticks, 0).to_numpy(zero_copy_only=False), unit_s * per_second)
    return pa.array(whole, mask=pc.is_null(ticks).to_numpy(zero_copy_only=False))


def _date_text(day: int) -> str:
    return str(np.datetime64(day, "D"))


def _year_text(day: int) -> str:
    return f"{np.datetime64(day, 'D').astype('datetime64[Y]').astype(int) + 1970:04}"


def _month_text(day: int) -> str:
    return f"{np.datetime64(day, 'D').astype('datetime64[M]').astype(int) % 12 + 1:02}"


def _day_text(day: int) -> str:
    date = np.datetime64(day, "D")
    return f"{(date - date.astype('datetime64[M]')).astype(int) + 1:02}"


def _hour_text(hour: int) -> str:
    return f"{hour % 24:02}"


_PLAIN_TEXTS: Final[tuple[tuple[Callable[[pa.DataType], bool], Callable[[Any], str]], ...]] = (
    (pa.types.is_boolean, lambda value: "true" if value else "false"),
    (pa.types.is_integer, str),
    (pa.types.is_date, _date_text),
)

_TIME_TEXTS: Final[dict[PartitionKind, Callable[[int], str]]] = {
    "DATE": _date_text,
    "YEAR": _year_text,
    "MONTH": _month_text,
    "DAY": _day_text,
    "HOUR": _hour_text,
}
