"""Rows that were encoded and read back are the rows: any types, nested as deep as they like, in every format."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import specs
from cloudquery_s3.errors import StoreError
from cloudquery_s3.formats import make_format
from cloudquery_s3.formats.encoder import Alterations
from cloudquery_s3.formats.reading import UnreadableError, read_rows
from cloudquery_s3.formats.reading.blocks import blocks
from cloudquery_s3.formats.reading.json_values import elements, members
from cloudquery_s3.stores.memory import MemoryReader
from cloudquery_s3.stores.stored_file import StoredFile
from random_arrow import batch, schemas

if TYPE_CHECKING:
    from collections.abc import Iterator

SPECS = {
    name: specs.parsed(format=name.partition("-")[0], no_rotate=True, path="{{TABLE}}", **more)
    for name, more in {
        "csv": {},
        "csv-gzip": {"compression": "gzip", "format_spec": {"skip_header": True, "delimiter": "\t"}},
        "json": {},
        "json-gzip": {"compression": "gzip"},
        "json-zstd": {"compression": "zstd", "format_spec": {"json_columns": "string", "timestamp_separator": " "}},
        "csv-zstd": {"compression": "zstd", "format_spec": {"timestamp_separator": " "}},
        "parquet": {},
        "parquet-portable": {"format_spec": {"types": "portable", "compression": "zstd"}},
    }.items()
}


def written(name: str, rows: pa.RecordBatch) -> bytes:
    """An object of these rows."""
    encoder = make_format(SPECS[name]).encoder(rows.schema, Alterations())
    return b"".join(map(bytes, [*encoder.write([rows]), *encoder.finish().chunks]))


def read(name: str, schema: pa.Schema, data: bytes) -> Iterator[pa.RecordBatch]:
    """The rows of an object."""
    return read_rows(SPECS[name], schema, StoredFile(MemoryReader(data)))


@pytest.mark.parametrize("name", SPECS)
@settings(max_examples=40, deadline=None)
@given(schema=schemas(), seed=st.integers(0, 2**32 - 1), size=st.integers(1, 20))
def test_rows_come_back(name: str, schema: pa.Schema, seed: int, size: int) -> None:
    """What was written is what is read: values, order, nulls and schema, for every type without a dictionary."""
    assume(name != "parquet-portable" or "timestamp[ns" not in str(schema))  # it has no nanoseconds, and counts that
    rows = batch(schema, size, np.random.default_rng(seed))
    back = pa.Table.from_batches(list(read(name, schema, written(name, rows))))
    back.validate(full=True)
    assert back.schema.equals(schema, check_metadata=True)
    alone = name.startswith("csv") and len(schema) == 1  # NULL is two quotes there, as an empty text is
    for field in schema:
        one, other = back[field.name].combine_chunks(), rows[field.name]
        assert alone or one.equals(other), field


@pytest.mark.parametrize("name", SPECS)
@settings(max_examples=20, deadline=None)
@given(schema=schemas(), seed=st.integers(0, 2**32 - 1))
def test_broken_objects_are_refused(name: str, schema: pa.Schema, seed: int) -> None:
    """Whatever stands in an object, reading it gives rows of the schema or the one error that is meant for it."""
    random = np.random.default_rng(seed)
    data = bytearray(written(name, batch(schema, 5, random)))
    for _ in range(int(random.integers(1, 4))):
        at = int(random.integers(len(data))) if data else 0
        data[at : at + int(random.integers(0, 3))] = random.bytes(int(random.integers(0, 4)))
    try:
        for rows in read(name, schema, bytes(data)):
            assert rows.schema == schema
    except UnreadableError:
        pass


@pytest.mark.parametrize("cell", ['[{"key":null,"value":1}]', "[null]", '[{"value":1}]', '[{"key":"a"},{}]'])
@pytest.mark.parametrize("nested", [False, True])
def test_maps_without_keys_are_refused(cell: str, nested: bool) -> None:
    """An entry of a map that has no key is an error of the table: Arrow would end the process."""
    kind = pa.map_(pa.string(), pa.int64())
    schema = pa.schema([pa.field("m", pa.list_(kind) if nested else kind)])
    cell = f"[{cell}]" if nested else cell
    quoted = cell.replace('"', '""')
    for name, text in (("json", f'{{"m":{cell}}}\n'), ("csv", f'm\n"{quoted}"\n')):
        with pytest.raises(UnreadableError):
            list(read(name, schema, text.encode()))


@pytest.mark.parametrize("name", SPECS)
def test_exotic_types(name: str) -> None:
    """Dictionaries, views and run ends come back in their own types."""
    text = pa.array(["a", None, "", "a"])
    columns = {
        "dictionary": text.dictionary_encode(),
        "view": text.cast(pa.string_view()),
        "runs": pa.RunEndEncodedArray.from_arrays(pa.array([1, 4], pa.int32()), pa.array([1, None])),
        "list_view": pa.array([[1], None, [], [2, 3]], pa.list_view(pa.int64())),
        "small": pa.array(["1", None, "2.5", "3"]).cast(pa.decimal64(15, 2)),
    }
    rows = pa.record_batch(list(columns.values()), names=list(columns))
    (back,) = read(name, rows.schema, written(name, rows))
    assert back.schema == rows.schema
    assert back.to_pylist() == rows.to_pylist()


@pytest.mark.parametrize("name", SPECS)
def test_lists_of_nothing_but_null(name: str) -> None:
    """Lists of the null type come back with all their elements, also beside types that have to be cast."""
    kind = pa.struct([("text", pa.string_view()), ("none", pa.list_(pa.null()))])
    rows = pa.record_batch([pa.array([{"text": "a", "none": [None, None]}, None], kind)], names=["c"])
    (back,) = read(name, rows.schema, written(name, rows))
    assert back.to_pylist() == rows.to_pylist()


def test_unions_are_refused() -> None:
    """A union is written as text, and reading it back is refused with its column's name."""
    union = pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array([1])])
    with pytest.raises(UnreadableError, match="column u"):
        list(read("json", pa.schema([("u", union.type)]), b""))


@pytest.mark.parametrize("name", SPECS)
def test_tables_without_columns(name: str) -> None:
    """Rows without columns are counted."""
    rows = pa.RecordBatch.from_struct_array(pa.Array.from_buffers(pa.struct([]), 3, [None]))
    if name.startswith("parquet"):
        pytest.skip("Parquet has no rows without columns")
    assert sum(one.num_rows for one in read(name, rows.schema, written(name, rows))) == 3


def test_old_and_far_times() -> None:
    """Zones whose offset was not whole minutes, and years beyond four digits, lose nothing."""
    seconds = [-62_135_596_800, -5_000_000_000, 0, 253_402_300_800, -70_000_000_000, 900_000_000_000, None]
    rows = pa.record_batch(
        [pa.array(seconds, pa.timestamp("s", zone)) for zone in ("Europe/Amsterdam", "America/New_York", None)],
        names=["amsterdam", "new_york", "none"],
    )
    for name in SPECS:
        (back,) = read(name, rows.schema, written(name, rows))
        for column, expected in zip(back.columns, rows.columns, strict=True):
            assert column.view(pa.int64()).equals(expected.view(pa.int64())), name


def test_wide_parquet_rows_come_a_few_at_a_time() -> None:
    """Rows of a megabyte are decoded some at a time: a thousand of them would not fit into memory."""
    random = np.random.default_rng(1)
    rows = pa.record_batch([pa.array([random.bytes(500_000).hex() for _ in range(60)])], ["text"])
    back = list(read("parquet", rows.schema, written("parquet", rows)))
    assert max(batch.num_rows for batch in back) <= 16
    assert pa.Table.from_batches(back).combine_chunks().equals(pa.Table.from_batches([rows]))


class Failing(MemoryReader):
    """An object that cannot be read any more after so many requests."""

    requests = 0

    def __init__(self, data: bytes, most: int) -> None:
        super().__init__(data)
        self.most = most

    def read_at(self, offset: int, length: int) -> bytes:
        self.requests += 1
        if self.requests > self.most:
            raise StoreError("refused", operation="GetObject", key="key")
        return super().read_at(offset, length)


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("most", [0, 1, 2])
def test_a_store_that_fails_in_mid_object_is_not_a_broken_file(name: str, most: int) -> None:
    """What the store says comes through as it is, whatever reads the file."""
    random = np.random.default_rng(1)
    rows = pa.record_batch([pa.array([random.bytes(500_000).hex() for _ in range(40)])], ["text"])
    with pytest.raises(StoreError, match="GetObject key: refused"):
        list(read_rows(SPECS[name], rows.schema, StoredFile(Failing(written(name, rows), most))))


def test_half_surrogates() -> None:
    """JSON that escapes half of a surrogate pair, which our fast parser refuses, is taken apart all the same."""
    assert members(b'{"a":"\\ud800","b":[1,{"c":null}],"d":null}') == {
        "a": b'"\\ud800"',
        "b": b'[1,{"c":null}]',
        "d": None,
    }
    assert elements(b'["\\ud800",1e999,null,"a,b]"]') == [b'"\\ud800"', b"1e999", None, b'"a,b]"']
    for broken in (b'{"a":"\\ud800"', b'["\\ud800" x]', b"nonsense"):
        with pytest.raises(ValueError, match=r".*"):
            members(broken)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text('a"\n,', max_size=6), max_size=30), st.integers(1, 12))
def test_blocks_are_whole_rows(cells: list[str], size: int) -> None:
    """Blocks of a CSV file, however small, join to the file, and each ends outside of quotes."""
    file = "".join('"' + cell.replace('"', '""') + '"\n' for cell in cells).encode()
    parts = list(blocks(io.BytesIO(file), quotes=True, block_bytes=size))
    assert b"".join(parts) == file
    assert all(part.count(b'"') % 2 == 0 and part.endswith(b"\n") for part in parts)
