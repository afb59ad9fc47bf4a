"""Objects back into rows: the inverse of the formats, for the protocol's Read.

What a format cannot tell apart comes back as what it looks like (`docs/errors.md`); all else as it was written.
"""

from __future__ import annotations

import functools
import io
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from cloudquery_s3.formats.codecs import BROKEN, opened
from cloudquery_s3.formats.columns.conversion import conversion_of
from cloudquery_s3.formats.columns.names import distinct
from cloudquery_s3.formats.columns.normalise import Normaliser
from cloudquery_s3.formats.json_lines import json_as_text
from cloudquery_s3.formats.reading.columns import UnreadableError, batch_of, described
from cloudquery_s3.formats.reading.csv_rows import csv_rows
from cloudquery_s3.formats.reading.json_rows import json_rows
from cloudquery_s3.formats.reading.parquet_rows import parquet_rows
from cloudquery_s3.spec import CsvSpec, ParquetSpec

__all__ = ["UnreadableError", "read_rows"]

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from io import RawIOBase

    from cloudquery_s3.spec import Spec

READ_AHEAD_BYTES: Final = 8 << 20
"""How much of a text file is fetched at a time."""

_BROKEN: Final[tuple[type[Exception], ...]] = (
    pa.ArrowException,
    ValueError,
    OSError,
    EOFError,
    RecursionError,
    *BROKEN,
)


def read_rows(spec: Spec, schema: pa.Schema, stored: RawIOBase) -> Iterator[pa.RecordBatch]:
    """Yield the rows of an object that was written by this spec, as batches of exactly this schema.

    Rows come in order, in batches made of about a megabyte of file or a thousand Parquet rows each. No more of the
    object is in memory than that, and some megabytes that are read ahead. Columns are found by their names (in CSV
    without a header: by their places). A column that the object does not have is NULL.

    Raises:
        UnreadableError: the object is no such file, or has other columns.
        Whatever reading `stored` raises.
    """
    if unions := [field.name for field in schema if _has_union(field.type)]:
        raise UnreadableError(f"column {unions[0]} is a union: it is written as text that does not tell its type")
    rows = _core_rows(spec, Normaliser(schema).schema, stored)
    while (batch := _next(rows)) is not None:
        columns = [
            described(field, functools.partial(_as_requested, column, field.type))
            for column, field in zip(batch.columns, schema, strict=True)
        ]
        yield batch_of(columns, schema, batch.num_rows)


def _next(rows: Iterator[pa.RecordBatch]) -> pa.RecordBatch | None:
    try:
        return next(rows, None)
    except UnreadableError:
        raise
    except _BROKEN as error:  # what it says may hold a cell's value
        raise UnreadableError(f"it is no whole file of the table's columns ({type(error).__name__})") from None


def _core_rows(spec: Spec, schema: pa.Schema, stored: RawIOBase) -> Iterator[pa.RecordBatch]:
    details = spec.format_spec
    if isinstance(details, ParquetSpec):
        names = distinct(schema.names, ignore_case=details.types == "portable")
        return parquet_rows(_named(schema, names), stored)
    file = opened(io.BufferedReader(stored, READ_AHEAD_BYTES), spec.compression)
    if isinstance(details, CsvSpec):
        return csv_rows(schema, file, delimiter=details.delimiter, has_header=not details.skip_header)
    if details.json_columns == "string":
        schema = pa.schema([conversion_of(field, json_as_text).field for field in schema])
    return json_rows(schema, file)


def _named(schema: pa.Schema, names: Sequence[str]) -> pa.Schema:
    return pa.schema([field.with_name(name) for field, name in zip(schema, names, strict=True)])


def _as_requested(array: pa.Array, kind: pa.DataType) -> pa.Array:
    """Return an array of a core type in the type that it is the core of."""
    if array.type == kind:
        return array
    if isinstance(kind, pa.BaseExtensionType):
        return pa.ExtensionArray.from_storage(kind, _as_requested(array, kind.storage_type))
    if pa.types.is_run_end_encoded(kind):
        return pa.RunEndEncodedArray.from_arrays(
            pa.array(range(1, len(array) + 1), kind.run_end_type), _as_requested(array, kind.value_type)
        )
    try:
        cast = array.cast(kind)
        cast.validate()  # Arrow's cast of lists of the null type gives them too few elements
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array(array.to_pylist(), kind)
    return cast


def _has_union(kind: pa.DataType) -> bool:
    if pa.types.is_union(kind):
        return True
    return any(_has_union(kind.field(index).type) for index in range(kind.num_fields))
