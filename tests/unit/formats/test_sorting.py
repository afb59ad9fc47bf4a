"""Rows sorted by columns, and Parquet's codecs and Bloom filters: what readers skip by."""

from __future__ import annotations

import io
import json
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudquery_s3.formats import make_format
from cloudquery_s3.formats.encoder import Alterations, Format, UnwritableError
from cloudquery_s3.formats.reading import read_rows
from cloudquery_s3.formats.sorting import sorted_rows
from cloudquery_s3.spec import Spec

if TYPE_CHECKING:
    from pathlib import Path


def spec(**options: Any) -> Spec:
    """Return a spec."""
    document = {"bucket": "b", "region": "r", "path": "{{TABLE}}/{{UUID}}.{{FORMAT}}", **options}
    return Spec.parse(json.dumps(document).encode(), invocation_id="")


def written(fmt: Format, *batches: pa.RecordBatch) -> bytes:
    """Write one object."""
    encoder = fmt.encoder(batches[0].schema, Alterations())
    return b"".join([*encoder.write(batches), *encoder.finish().chunks])


ROWS = st.lists(
    st.tuples(st.none() | st.integers(0, 3), st.none() | st.sampled_from(["a", "b", ""]), st.integers()), max_size=20
)


@given(ROWS, st.integers(0, 20), st.sampled_from([["a"], ["b", "a"], ["a", "missing", "b"], ["missing"]]))
def test_sorting_loses_nothing_and_keeps_equal_rows_in_order(
    rows: list[tuple[Any, ...]], cut: int, columns: list[str]
) -> None:
    """Any rows, however cut into batches: ascending, NULLs last, equal rows in the order in which they came."""
    schema = pa.schema([("a", pa.int64()), ("b", pa.string()), ("n", pa.int64())])
    numbered = [(*row[:2], number) for number, row in enumerate(rows)]
    batch = pa.record_batch(
        [pa.array([row[i] for row in numbered], schema.field(i).type) for i in range(3)], schema=schema
    )
    got = [tuple(row.values()) for row in sorted_rows([batch.slice(0, cut), batch.slice(cut)], columns).to_pylist()]
    keys = [schema.names.index(name) for name in columns if name in schema.names]
    empty: list[Any] = [0, ""]
    assert got == sorted(
        numbered, key=lambda row: [(row[key] is None, empty[key] if row[key] is None else row[key]) for key in keys]
    )


ORDERED = [
    pa.array([2.5, 1.5], pa.float16()),
    pa.array([True, False]),
    pa.array([b"b", b"a"], pa.binary(1)),
    pa.array(["b", "a"]).dictionary_encode(),
    pa.array(["b", "a"], pa.string_view()),
    pa.array([2, 1], pa.timestamp("ns", "UTC")),
    pa.array([2, 1], pa.duration("s")),
]


@pytest.mark.parametrize("column", ORDERED, ids=lambda column: str(column.type))
@pytest.mark.parametrize("options", [{"format": "json"}, {"format": "csv"}, {"format": "parquet"}], ids=str)
def test_every_format_is_sorted(column: pa.Array, options: dict[str, Any]) -> None:
    """`sort_by` sorts the rows of an object in any format, by columns of any type that has an order."""
    batch = pa.record_batch([column, pa.array([0, 1])], ["key", "n"])
    chosen = spec(**options, sort_by=["key"])
    data = written(make_format(chosen), batch.slice(0, 1), batch.slice(1))
    read = pa.Table.from_batches(list(read_rows(chosen, pa.schema([("n", pa.int64())]), io.BytesIO(data))))
    assert read.column("n").to_pylist() == [1, 0]


UNORDERED = [
    pa.field("tags", pa.binary(), metadata={"ARROW:extension:name": "json"}),
    pa.field("tags", pa.list_(pa.int64())),
    pa.field("tags", pa.struct([("a", pa.int64())])),
    pa.field("tags", pa.map_(pa.string(), pa.string())),
    pa.field("tags", pa.month_day_nano_interval()),
]


@pytest.mark.parametrize("field", UNORDERED, ids=lambda field: str(field.type))
def test_a_column_without_order_is_refused_by_name(field: pa.Field) -> None:
    """A column that has no order fails its table, before any row, and the message names it."""
    with pytest.raises(UnwritableError, match="sort_by: column tags is of type"):
        make_format(spec(format="json", sort_by=["tags"])).encoder(pa.schema([field]), Alterations())


def test_rows_of_several_schemas_in_one_json_object() -> None:
    """Where an object of JSON lines holds rows of several schemas, the rows of each are sorted."""
    batches = [pa.record_batch({"a": [2, 1]}), pa.record_batch({"a": [4, 3], "b": [0, 0]})]
    lines = written(make_format(spec(format="json", sort_by=["a"])), *batches).splitlines()
    assert [json.loads(line)["a"] for line in lines] == [1, 2, 3, 4]


MANY = 20_000
TOTAL = MANY * (MANY - 1) // 2
TABLE = pa.record_batch(
    {
        "arn": [f"arn:aws:s3:::bucket-{number * 7919 % MANY:05}" for number in range(MANY)],
        "region": [f"region-{number % 5}" for number in range(MANY)],
        "n": pa.array(range(MANY)),
        "tags": [[number] for number in range(MANY)],
    }
)


def test_readers_skip_what_sorting_puts_apart(tmp_path: Path) -> None:
    """DuckDB and pyarrow see from the statistics of sorted row groups which of them a filter needs."""
    chosen = spec(format="parquet", sort_by=["region"], format_spec={"max_row_group_length": 4_000})
    file = tmp_path / "t.parquet"
    file.write_bytes(written(make_format(chosen), TABLE))
    metadata = pq.read_metadata(file)
    bounds = [metadata.row_group(group).column(1).statistics for group in range(metadata.num_row_groups)]
    assert [(one.min, one.max) for one in bounds] == [(f"region-{number}",) * 2 for number in range(5)]
    assert duckdb.read_parquet(str(file)).filter("region = 'region-3'").aggregate("count(*)").fetchall() == [(4_000,)]


def _bloom_filters(data: bytes) -> set[str]:
    metadata = pq.read_metadata(io.BytesIO(data))
    columns = [metadata.row_group(0).column(index) for index in range(metadata.num_columns)]
    return {column.path_in_schema for column in columns if column.bloom_filter_offset is not None}


@pytest.mark.parametrize(
    ("wanted", "columns"),
    [("auto", {"arn", "n"}), (["region", "missing", "tags"], {"region"}), (["arn"], {"arn"}), ([], set())],
    ids=["auto", "some that are missing", "one", "none"],
)
def test_bloom_filters(wanted: str | list[str], columns: set[str], tmp_path: Path) -> None:
    """`auto` gives a filter to columns of mostly distinct values, a list to those of its columns that a table has."""
    data = written(make_format(spec(format="parquet", format_spec={"bloom_filters": wanted})), TABLE)
    assert _bloom_filters(data) == columns
    plain = written(make_format(spec(format="parquet")), TABLE)
    assert len(data) < len(plain) * 1.25
    file = tmp_path / "t.parquet"
    file.write_bytes(data)
    found = duckdb.read_parquet(str(file)).filter("arn = 'arn:aws:s3:::bucket-00001'").fetchall()
    assert len(found) == 1
    missing = duckdb.read_parquet(str(file)).filter("arn = 'arn:aws:s3:::bucket-00001x'").fetchall()
    assert missing == []


def test_bloom_filters_of_a_table_without_rows() -> None:
    """An object without rows has no filter, and is whole."""
    data = written(make_format(spec(format="parquet", format_spec={"bloom_filters": "auto"})), TABLE.slice(0, 0))
    assert pq.read_metadata(io.BytesIO(data)).num_rows == 0


@pytest.mark.parametrize("codec", ["snappy", "zstd", "gzip", "lz4", "none"])
def test_codecs_of_parquet(codec: str, tmp_path: Path) -> None:
    """Every codec of `format_spec.compression` is in the file, and DuckDB and pyarrow read it."""
    data = written(make_format(spec(format="parquet", format_spec={"compression": codec})), TABLE)
    names = {"none": "UNCOMPRESSED", "lz4": "LZ4"}
    assert pq.read_metadata(io.BytesIO(data)).row_group(0).column(0).compression == names.get(codec, codec.upper())
    file = tmp_path / "t.parquet"
    file.write_bytes(data)
    assert duckdb.read_parquet(str(file)).aggregate("sum(n)").fetchall() == [(TOTAL,)]
    assert pq.read_table(file).num_rows == MANY


def test_the_level_makes_a_difference() -> None:
    """`compression_level` reaches Parquet's codec."""
    options = {"format": "parquet", "format_spec": {"compression": "zstd"}}
    low, high = (len(written(make_format(spec(**options, compression_level=level)), TABLE)) for level in (1, 19))
    assert low != high


@pytest.mark.parametrize("form", ["json", "csv"])
def test_zstd_is_read_by_others_and_back(form: str, tmp_path: Path) -> None:
    """An object under `compression: zstd` is read by DuckDB by its suffix, and by the protocol's Read."""
    chosen = spec(format=form, compression="zstd", compression_level=1)
    assert chosen.file_format == f"{form}.zst"
    fmt = make_format(chosen)
    assert fmt.content_type == "application/zstd"
    file = tmp_path / f"t.{chosen.file_format}"
    file.write_bytes(written(fmt, TABLE))
    rows = duckdb.read_json(str(file)) if form == "json" else duckdb.read_csv(str(file))
    assert rows.aggregate("sum(n)").fetchall() == [(TOTAL,)]
    assert pa.Table.from_batches(list(read_rows(chosen, TABLE.schema, io.BytesIO(file.read_bytes())))).equals(
        pa.Table.from_batches([TABLE])
    )


def groups_of(data: bytes) -> list[tuple[int, int]]:
    """The bounds of the column `n` in each row group."""
    footer = pq.read_metadata(pa.BufferReader(data))
    bounds = [footer.row_group(number).column(0).statistics for number in range(footer.num_row_groups)]
    return [(one.min, one.max) for one in bounds]


@pytest.mark.parametrize(
    ("rows", "options", "groups"),
    [
        (1, {"sort_by": ["n"]}, 1),
        (15 << 10, {"sort_by": ["n"]}, 1),
        (41 << 10, {"sort_by": ["n"]}, 5),
        (41 << 10, {}, 1),
        (41 << 10, {"sort_by": ["n"], "format_spec": {"max_row_group_length": 0}}, 1),
        (41 << 10, {"sort_by": ["n"], "format_spec": {"max_row_group_length": 4 << 10}}, 11),
    ],
)
def test_row_groups_of_sorted_rows(rows: int, options: dict[str, Any], groups: int) -> None:
    """Sorted rows of 1 KiB have a row group for every 8 MiB, none overlapping another; a limit of one's own counts."""
    numbers = pa.array(range(rows, 0, -1), pa.int64())
    filler = pa.array(["x" * 1012] * rows)  # and 4 bytes for where it ends
    found = groups_of(written(make_format(spec(format="parquet", **options)), batch_of(n=numbers, filler=filler)))
    assert len(found) == groups
    assert all(end < start for (_, end), (start, _) in pairwise(found))


def batch_of(**columns: pa.Array) -> pa.RecordBatch:
    """Rows of a table."""
    schema = pa.schema([(name, cells.type) for name, cells in columns.items()], metadata={"cq:table_name": "t"})
    return pa.record_batch(list(columns.values()), schema=schema)
