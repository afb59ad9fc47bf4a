"""`format_spec.types: portable`: only types that every engine and catalogue reads."""

from __future__ import annotations

import io
from datetime import UTC, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudquery_s3.formats.encoder import Alterations
from cloudquery_s3.formats.parquet import Parquet
from cloudquery_s3.formats.parquet.type_table import type_table
from random_arrow import batch, schemas

PAGE = Path(__file__).parents[3] / "docs" / "formats.md"


def written(batch: pa.RecordBatch, **options: Any) -> tuple[bytes, Alterations]:
    """Write one object."""
    alterations = Alterations()
    encoder = Parquet(**{"portable": True} | options).encoder(batch.schema, alterations)
    return b"".join([*encoder.write([batch]), *encoder.finish().chunks]), alterations


CASES: list[tuple[pa.Array, pa.DataType, list[Any]]] = [
    (pa.array([-1, None], pa.int8()), pa.int32(), [-1, None]),
    (pa.array([65535], pa.uint16()), pa.int32(), [65535]),
    (pa.array([2**32 - 1], pa.uint32()), pa.int64(), [2**32 - 1]),
    (pa.array([2**64 - 1, None], pa.uint64()), pa.decimal128(20, 0), [Decimal(2**64 - 1), None]),
    (pa.array([1.5, None], pa.float16()), pa.float32(), [1.5, None]),
    (pa.array([Decimal("1.50")], pa.decimal256(50, 2)), pa.string(), ["1.5"]),
    (pa.array([Decimal("1.50")], pa.decimal256(20, 2)), pa.decimal128(20, 2), [Decimal("1.50")]),
    (pa.array([Decimal("1.50")], pa.decimal128(20, 2)), pa.decimal128(20, 2), [Decimal("1.50")]),
    (pa.array([time(1, 2, 3, 4000)], pa.time32("ms")), pa.string(), ["01:02:03.004"]),
    (pa.array([3_723_000_000_001, None], pa.int64()).view(pa.time64("ns")), pa.string(), ["01:02:03.000000001", None]),
    (pa.array([1, None], pa.timestamp("s", "UTC")), pa.timestamp("us", "UTC"), [datetime.fromtimestamp(1, UTC), None]),
    (pa.array([1], pa.timestamp("ms")), pa.timestamp("us"), [datetime(1970, 1, 1, 0, 0, 0, 1000)]),  # noqa: DTZ001 - none
    (pa.array([1001], pa.timestamp("ns")), pa.timestamp("us"), [datetime(1970, 1, 1, 0, 0, 0, 1)]),  # noqa: DTZ001 - none
    (pa.array([b"abcd", None], pa.binary(4)), pa.binary(), [b"abcd", None]),
    (pa.nulls(2), pa.string(), [None, None]),
]


@pytest.mark.parametrize(("column", "kind", "values"), CASES, ids=lambda value: str(getattr(value, "type", value))[:30])
def test_types(column: pa.Array, kind: pa.DataType, values: list[Any]) -> None:
    """Each type that some engine refuses becomes one that all read, also inside of lists and structs."""
    length = len(column)
    nested = pa.StructArray.from_arrays([pa.ListArray.from_arrays(range(length + 1), column)], ["m"])
    data, _ = written(pa.record_batch([column, nested], ["c", "n"]))
    table = pq.read_table(io.BytesIO(data))
    assert table.schema.field("c").type == kind
    assert table.column("c").to_pylist() == values
    assert table.schema.field("n").type.field("m").type.value_type == kind
    assert [row["m"] for row in table.column("n").to_pylist()] == [[value] for value in values]


def test_what_is_lost_is_counted() -> None:
    """Nanoseconds that are cut off are counted."""
    _, alterations = written(pa.record_batch([pa.array([1001, 2000], pa.timestamp("ns"))], ["c"]))
    assert alterations.cells == {("c", "nanoseconds are cut to microseconds"): 1}


def test_names_that_differ_in_case() -> None:
    """Columns and members whose names differ in case alone get a suffix, and their cells are counted."""
    inner = pa.StructArray.from_arrays([pa.array([1, 2]), pa.array([3, 4])], ["Key", "key"])
    tags = pa.record_batch([pa.array([1, 2]), pa.array([3, 4]), inner], ["Name", "name", "tags"])
    data, alterations = written(tags)
    assert pq.read_table(io.BytesIO(data)).to_pylist() == [
        {"Name": 1, "name_2": 3, "tags": {"Key": 1, "key_2": 3}},
        {"Name": 2, "name_2": 4, "tags": {"Key": 2, "key_2": 4}},
    ]
    reason = "a column of a name that is taken is written under another name"
    assert alterations.cells == {("name_2", reason): 2, ("tags", reason): 2}
    assert pq.read_schema(io.BytesIO(written(tags, portable=False)[0])).names == ["Name", "name", "tags"]


SAFE = {
    pa.bool_(), pa.int32(), pa.int64(), pa.float32(), pa.float64(), pa.string(), pa.binary(), pa.date32(),
}  # fmt: skip


def unsafe(kind: pa.DataType) -> list[pa.DataType]:
    """Return the types at the leaves of a type that some engine may refuse."""
    if pa.types.is_struct(kind):
        return [bad for field in kind for bad in unsafe(field.type)]
    if pa.types.is_map(kind):
        return [*unsafe(kind.key_type), *unsafe(kind.item_type)]
    if pa.types.is_list(kind):
        return unsafe(kind.value_type)
    fine = kind in SAFE or (pa.types.is_timestamp(kind) and kind.unit == "us") or pa.types.is_decimal128(kind)
    return [] if fine else [kind]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_every_table_has_portable_types(data: st.DataObject) -> None:
    """Whatever a table holds, its file has no type that some engine refuses, and DuckDB reads every row of it."""
    schema = data.draw(schemas())
    rows = data.draw(st.integers(0, 5))
    file, _ = written(batch(schema, rows, np.random.default_rng(data.draw(st.integers(0, 2**32)))))
    read = pq.ParquetFile(io.BytesIO(file))
    assert [unsafe(field.type) for field in read.schema_arrow] == [[]] * len(schema)
    assert read.metadata.num_rows == rows


def test_the_table_in_the_documentation_is_up_to_date() -> None:
    """docs/formats.md has the table that the conversions give: `python -m cloudquery_s3.formats.parquet.type_table`."""
    assert type_table() in PAGE.read_text(encoding="utf-8")


def test_duckdb_reads_it(tmp_path: Path) -> None:
    """A file of all the cases is read by DuckDB under the types that were announced."""
    columns = {f"c{index}": column.slice(0, 1) for index, (column, _, _) in enumerate(CASES)}
    file = tmp_path / "t.parquet"
    file.write_bytes(written(pa.record_batch(columns))[0])
    types = {str(kind) for kind in duckdb.read_parquet(str(file)).types}
    zoned = "TIMESTAMP WITH TIME ZONE"
    plain = {"INTEGER", "BIGINT", "DECIMAL(20,0)", "DECIMAL(20,2)", "FLOAT", "VARCHAR", "TIMESTAMP", "BLOB"}
    assert types == plain | {zoned}
