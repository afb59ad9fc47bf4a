"""Any table, written by us, read by pyarrow and by DuckDB.

What a reader must find is worked out cell by cell, in plain Python, from the type table in docs/formats.md: an oracle
that shares no code with the encoder.
"""

from __future__ import annotations

import base64
import json
import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudquery_s3.formats.columns.normalise import Normaliser
from cloudquery_s3.formats.encoder import Alterations
from cloudquery_s3.formats.parquet import Parquet
from cloudquery_s3.formats.parquet.columns import NullInRequiredColumnError
from random_arrow import batch as random_batch
from random_arrow import schemas

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
MARKS = {"uuid": pa.binary(16), "json": pa.binary(), "mac": pa.binary(), "interval_month": pa.int32()}
MOST_EXACT_DIGITS_IN_DUCKDB = 38
SETTINGS = settings(max_examples=60, deadline=None)


def marked(field: pa.Field, random: np.random.Generator) -> pa.Field:
    """Return the field with extension types and NOT NULL sprinkled over it."""
    kind = field.type
    if pa.types.is_map(kind):
        kind = pa.map_(kind.key_type, marked(kind.item_field, random))
    elif pa.types.is_struct(kind):
        kind = pa.struct([marked(child, random) for child in kind])
    elif pa.types.is_fixed_size_list(kind):
        kind = pa.list_(marked(kind.value_field, random), kind.list_size)
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
        child = marked(kind.value_field, random)
        kind = pa.list_(child) if pa.types.is_list(kind) else pa.large_list(child)
    names = [name for name, storage in MARKS.items() if storage == kind]
    mark = str(random.choice(names)) if names and random.random() < 0.7 else None
    nullable = pa.types.is_null(kind) or bool(random.random() < 0.7)
    return pa.field(field.name, kind, nullable, {"ARROW:extension:name": mark} if mark else None)


def exotic(array: pa.Array, random: np.random.Generator) -> pa.Array:
    """Return the same cells in rarer Arrow types, at any depth: dictionaries, run ends, views."""
    kind, choice = array.type, random.random()
    if pa.types.is_list(kind) and choice < 0.5:
        valid = array.is_valid()
        sizes = array.value_lengths().fill_null(0)
        starts = pa.array(np.frombuffer(array.buffers()[1], np.int32)[array.offset : array.offset + len(array)])
        view = pa.list_view(kind.value_field)
        buffers = [valid.buffers()[1], starts.buffers()[1], sizes.buffers()[1]]
        return pa.Array.from_buffers(view, len(array), buffers, children=[array.values])
    if pa.types.is_struct(kind) and kind.num_fields and choice < 0.7:
        children = [exotic(array.field(index), random) for index in range(kind.num_fields)]
        fields = [kind.field(index).with_type(child.type) for index, child in enumerate(children)]
        return pa.StructArray.from_arrays(children, fields=fields, mask=array.is_null())
    if pa.types.is_string(kind) and choice < 0.4:
        return array.cast(pa.string_view())
    if (pa.types.is_string(kind) or pa.types.is_binary(kind)) and choice < 0.7:
        return array.dictionary_encode()
    if pa.types.is_integer(kind) and choice < 0.3 and len(array):
        ends = pa.array(range(1, len(array) + 1), pa.int32())
        return pa.RunEndEncodedArray.from_arrays(ends, array)
    return array


def cells(array: pa.Array, leaf: Callable[[pa.Field, Any], Any], field: pa.Field) -> list[Any]:
    """Return an array cell by cell, nested ones as lists of lists, leaves as `leaf` has them."""
    kind = array.type
    valid = array.is_valid().to_pylist()
    found: list[Any]
    if pa.types.is_struct(kind):
        members = [cells(array.field(index), leaf, kind.field(index)) for index in range(kind.num_fields)]
        found = [leaf(field, [member[row] for member in members]) for row in range(len(array))]
    elif pa.types.is_map(kind):
        found = [entries(array, row, leaf) if ok else None for row, ok in enumerate(valid)]
    elif kind.num_fields:
        found = [cells(array[row].values, leaf, kind.value_field) if ok else None for row, ok in enumerate(valid)]
    else:
        found = [leaf(field, value) if value is not None else None for value in leaves(array)]
    return [value if ok else None for value, ok in zip(found, valid, strict=True)]


def entries(array: pa.Array, row: int, leaf: Callable[[pa.Field, Any], Any]) -> list[tuple[Any, Any]]:
    """Return one map as its pairs."""
    start, stop = np.frombuffer(array.buffers()[1], np.int32)[array.offset + row : array.offset + row + 2].tolist()
    keys, items = (side.slice(start, stop - start) for side in (array.keys, array.items))
    return list(zip(cells(keys, leaf, array.type.key_field), cells(items, leaf, array.type.item_field), strict=True))


def leaves(array: pa.Array) -> list[Any]:
    """Return raw values: integers for dates, times and durations."""
    kind = array.type
    if pa.types.is_temporal(kind) and not pa.types.is_interval(kind):
        array = array.view(pa.int32() if kind.bit_width == 32 else pa.int64())
    return array.to_pylist()


def expected(field: pa.Field, value: Any) -> Any:
    """What the type table makes of one cell."""
    mark = (field.metadata or {}).get(b"ARROW:extension:name")
    if mark is not None:
        return MARKED[mark](value)
    kind = field.type
    if pa.types.is_struct(kind):
        return value or "{}"
    if pa.types.is_large_binary(kind):
        return base64.b64encode(value).decode()
    if pa.types.is_duration(kind):
        return f"{value}{kind.unit}"
    if kind == pa.month_day_nano_interval():
        return json.dumps(dict(zip(("months", "days", "nanoseconds"), value, strict=True)), separators=(",", ":"))
    return stored(field, value // 86_400_000 if pa.types.is_date64(kind) else value)


MARKED: dict[bytes, Callable[[Any], str]] = {
    b"uuid": lambda value: str(uuid.UUID(bytes=value)),
    b"mac": lambda value: ":".join(f"{octet:02x}" for octet in value) or "00:00:00:00:00:00",
    b"json": bytes.decode,
    b"interval_month": str,
}


def stored(field: pa.Field, value: Any) -> Any:
    """A cell as all readers agree on it, whatever unit they show it in."""
    kind = field.type
    if pa.types.is_time(kind) or pa.types.is_timestamp(kind):
        return value * NS[kind.unit]
    return value


def as_duckdb_has_it(value: Any) -> Any:
    """DuckDB has no decimals beyond 38 digits: it shows them as doubles."""
    if isinstance(value, (list, tuple)):
        return [as_duckdb_has_it(item) for item in value]
    return float(value) if isinstance(value, (Decimal, float)) else value


@st.composite
def batches(draw: st.DrawFn) -> list[pa.RecordBatch]:
    """Up to three batches of one schema, some of them slices, in core types."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    plain = draw(schemas())
    schema = pa.schema([marked(field, random) for field in plain], plain.metadata)
    found = []
    for _ in range(draw(st.integers(1, 3))):
        size, start = draw(st.integers(0, 12)), draw(st.integers(0, 5))
        found.append(random_batch(schema, size, random).slice(min(start, size)))
    return found


def encoded(given_batches: list[pa.RecordBatch], *, writes: bool = False) -> bytes | None:
    """Return an object, written by one call or by one a batch; None where a late NULL was refused."""
    encoder = Parquet().encoder(given_batches[0].schema, Alterations())
    try:
        calls = [[batch] for batch in given_batches] if writes else [given_batches]
        chunks = [chunk for call in calls for chunk in encoder.write(call)]
    except NullInRequiredColumnError:
        return None
    return b"".join([*chunks, *encoder.finish().chunks])


def rows_of(given_batches: list[pa.RecordBatch]) -> list[list[Any]]:
    """Return what a reader must find, column by column."""
    schema = given_batches[0].schema
    return [[c for b in given_batches for c in cells(b[i], expected, f)] for i, f in enumerate(schema)]


def rows_in(table: pa.Table) -> list[list[Any]]:
    """Return what a reader did find, column by column."""
    return [
        [cell for chunk in column.chunks for cell in cells(chunk, stored, field)]
        for field, column in zip(table.schema, table.columns, strict=True)
    ]


@SETTINGS
@given(batches())
def test_pyarrow_reads_what_was_sent(given_batches: list[pa.RecordBatch]) -> None:
    """Any rows of any schema, three levels deep, come back as the type table says; NULL is NULL everywhere."""
    octets = encoded(given_batches)
    assert octets is not None
    assert rows_in(pq.read_table(pa.BufferReader(octets))) == rows_of(given_batches)


@SETTINGS
@given(batches())
def test_duckdb_reads_what_was_sent(tmp_path_factory: Any, given_batches: list[pa.RecordBatch]) -> None:
    """So does an independent reader."""
    path: Path = tmp_path_factory.mktemp("parquet") / "object.parquet"
    path.write_bytes(encoded(given_batches) or b"")
    table = duckdb.read_parquet(str(path)).to_arrow_table()
    assert as_duckdb_has_it(rows_in(table)) == as_duckdb_has_it(rows_of(given_batches))


@SETTINGS
@given(batches())
def test_several_writes_read_the_same(given_batches: list[pa.RecordBatch]) -> None:
    """Rows written in several calls either come back all, or the call that brings the first NULL is refused."""
    octets = encoded(given_batches, writes=True)
    if octets is not None:
        assert rows_in(pq.read_table(pa.BufferReader(octets))) == rows_of(given_batches)


@SETTINGS
@given(batches(), st.integers(0, 2**32))
def test_rarer_types_read_the_same(given_batches: list[pa.RecordBatch], seed: int) -> None:
    """The same cells in dictionaries, run ends and views make the same rows."""
    batch = given_batches[0]
    columns = [exotic(column, np.random.default_rng(seed)) for column in batch.columns]
    fields = [field.with_type(column.type) for field, column in zip(batch.schema, columns, strict=True)]
    rare = pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields, batch.schema.metadata))
    Normaliser(rare.schema)(rare, Alterations()).validate(full=True)
    octets = encoded([rare])
    assert octets is not None
    assert rows_in(pq.read_table(pa.BufferReader(octets))) == rows_of([batch])
