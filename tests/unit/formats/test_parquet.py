from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cloudquery_s3.formats.encoder import Alterations
from cloudquery_s3.formats.parquet import Parquet
from cloudquery_s3.formats.parquet import encoder as parquet
from cloudquery_s3.formats.parquet.columns import NullInRequiredColumnError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudquery_s3.chunk import Chunk

SCHEMA = pa.schema(
    [pa.field("id", pa.int64(), nullable=False), pa.field("name", pa.string())], metadata={"cq:table_name": "t"}
)


def rows(count: int, start: int = 0) -> pa.RecordBatch:
    """Return numbered rows."""
    numbers = range(start, start + count)
    return pa.record_batch([list(numbers), [f"n{number}" for number in numbers]], schema=SCHEMA)


def read(chunks: Sequence[Chunk]) -> pq.ParquetFile:
    """Open an object."""
    return pq.ParquetFile(pa.BufferReader(b"".join(chunks)))


def encode(file_format: Parquet, *writes: Sequence[pa.RecordBatch], schema: pa.Schema = SCHEMA) -> pq.ParquetFile:
    """Write an object, one call for each of `writes`, and open it."""
    encoder = file_format.encoder(schema, Alterations())
    chunks = [chunk for batches in writes for chunk in encoder.write(batches)]
    return read([*chunks, *encoder.finish().chunks])


def group_sizes(file: pq.ParquetFile) -> list[int]:
    """Return the rows of each row group."""
    return [file.metadata.row_group(index).num_rows for index in range(file.num_row_groups)]


def test_rows_come_back() -> None:
    """What was written is what a reader gets, in order."""
    file = encode(Parquet(), [rows(3), rows(2, 3)], [rows(1, 5)])
    assert file.read().to_pylist() == rows(6).to_pylist()


def test_one_write_is_one_row_group() -> None:
    """However many batches it holds."""
    assert group_sizes(encode(Parquet(), [rows(3), rows(0), rows(2)], [rows(4)])) == [5, 4]


@pytest.mark.parametrize("batch_rows", [20, 7, 1])
def test_row_groups_are_filled(batch_rows: int) -> None:
    """20 rows under a limit of 3 make six full groups and one of 2, however the rows come."""
    batches = [rows(min(batch_rows, 20 - start), start) for start in range(0, 20, batch_rows)]
    file = encode(Parquet(max_row_group_length=3), batches)
    assert group_sizes(file) == [3, 3, 3, 3, 3, 3, 2]
    assert file.read().to_pylist() == rows(20).to_pylist()


def test_row_groups_are_filled_over_writes() -> None:
    """Rows that do not fill a group wait for the next write."""
    file = encode(Parquet(max_row_group_length=8), *([rows(5, start)] for start in range(0, 20, 5)))
    assert group_sizes(file) == [8, 8, 4]
    assert file.read().to_pylist() == rows(20).to_pylist()


def test_many_waiting_bytes_are_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """A row group is cut short rather than held without bound."""
    monkeypatch.setattr(parquet, "_HELD_BYTES", 10)
    assert group_sizes(encode(Parquet(max_row_group_length=8), [rows(5)], [rows(5, 5)])) == [5, 5]


def test_no_limit_means_one_group() -> None:
    """`max_row_group_length: 0` is no limit, where the reference hangs."""
    assert group_sizes(encode(Parquet(max_row_group_length=0), [rows(20)])) == [20]


def test_no_rows_make_no_row_group() -> None:
    """An empty object has its schema and its metadata, and no row groups, be it without a write or with none in it."""
    for writes in ([], [[]], [[rows(0)]]):
        file = encode(Parquet(), *writes)
        assert (file.num_row_groups, file.metadata.num_rows) == (0, 0)
        assert file.schema_arrow.equals(SCHEMA)
        assert file.metadata.metadata[b"cq:table_name"] == b"t"


def test_file_properties() -> None:
    """Snappy, data page 1, statistics, no Arrow schema inside, the root called `schema`."""
    file = encode(Parquet(), [rows(3)])
    column = file.metadata.row_group(0).column(0)
    assert column.compression == "SNAPPY"
    assert column.statistics.min == 0
    assert column.statistics.null_count == 0
    assert b"ARROW:schema" not in file.metadata.metadata
    assert str(file.schema).splitlines()[1] == "required group field_id=-1 schema {"


def test_field_ids_are_not_taken_over() -> None:
    """A source's own field ids do not survive, as in the reference."""
    schema = pa.schema([pa.field("id", pa.int64(), metadata={"PARQUET:field_id": "7"})])
    assert "field_id=-1 id" in str(encode(Parquet(), [pa.record_batch([[1]], schema=schema)], schema=schema).schema)


@pytest.mark.parametrize(
    ("version", "declared"), [("v1.0", "1.0"), ("v2.4", "2.6"), ("v2.6", "2.6"), ("v2Latest", "2.6")]
)
def test_file_version(version: parquet.Version, declared: str) -> None:
    """The footer says 1 for v1.0 and 2 for all others (which pyarrow shows as 2.6)."""
    assert encode(Parquet(version), [rows(1)]).metadata.format_version == declared


@pytest.mark.parametrize("version", ["v1.0", "v2.4", "v2.6", "v2Latest"])
def test_uint32_in_every_version(version: parquet.Version) -> None:
    """uint32 is an unsigned 32-bit column in every version, also inside a list; v1.0 still declares itself as such."""
    schema = pa.schema([("u", pa.uint32()), ("l", pa.list_(pa.uint32()))])
    batch = pa.record_batch([[2**32 - 1, None], [[0, 2**31], None]], schema=schema)
    file = encode(Parquet(version), [batch], schema=schema)
    assert file.schema_arrow.types == [pa.uint32(), pa.list_(pa.field("element", pa.uint32()))]
    assert file.read().to_pylist() == batch.to_pylist()
    assert file.metadata.format_version == ("1.0" if version == "v1.0" else "2.6")
    encodings = {file.metadata.row_group(0).column(index).encodings for index in range(2)}
    assert version != "v1.0" or encodings <= {("PLAIN", "RLE"), ("RLE", "PLAIN")}


def test_v1_has_only_encodings_of_v1() -> None:
    """A file that says v1.0 uses the dictionary encoding of v1.0."""
    schema = pa.schema([("s", pa.string())])
    file = encode(Parquet("v1.0"), [pa.record_batch([["a"] * 100], schema=schema)], schema=schema)
    assert "RLE_DICTIONARY" not in file.metadata.row_group(0).column(0).encodings


def test_dictionaries_where_values_repeat() -> None:
    """A column of few values has a dictionary, a column of ids none: at any depth."""
    schema = pa.schema(
        [
            ("few", pa.string()),
            ("many", pa.string()),
            ("nested", pa.struct([("few", pa.int64()), ("many", pa.list_(pa.int64()))])),
            ("mapped", pa.map_(pa.string(), pa.int64())),
            ("half", pa.float16()),
            ("nothing", pa.null()),
        ]
    )
    data = [
        {
            "few": f"{i % 3}",
            "many": f"{i}",
            "nested": {"few": i % 3, "many": [i]},
            "mapped": [(f"{i % 3}", i)],
            "half": 1.5,
            "nothing": None,
        }
        for i in range(2000)
    ]
    file = encode(Parquet(), [pa.RecordBatch.from_pylist(data, schema)], schema=schema)
    group = file.metadata.row_group(0)
    columns = [group.column(index) for index in range(group.num_columns)]
    assert {column.path_in_schema for column in columns if column.has_dictionary_page} >= {
        "few",
        "nested.few",
        "mapped.key_value.key",
        "half",
    }
    assert {column.path_in_schema for column in columns if not column.has_dictionary_page} >= {
        "many",
        "nested.many.list.element",
        "mapped.key_value.value",
    }
    assert file.read().to_pylist()[:5] == data[:5]


def test_discard_yields_no_bytes() -> None:
    """After `discard` nothing comes out of an encoder, not even a footer."""
    encoder = Parquet(max_row_group_length=2).encoder(SCHEMA, Alterations())
    encoder.write([rows(5)])
    gate = encoder._sink
    encoder.discard()
    encoder.discard()
    del encoder
    gc.collect()
    assert gate.drain() == []


def test_a_dropped_encoder_yields_no_footer() -> None:
    """An encoder that is collected without a verb has given out no whole file."""
    encoder = Parquet().encoder(SCHEMA, Alterations())
    chunks = encoder.write([rows(5)])
    del encoder
    gc.collect()
    assert b"".join(chunks)[-4:] != b"PAR1"


def test_discard_after_finish_is_harmless() -> None:
    """`discard` may follow `finish`."""
    encoder = Parquet().encoder(SCHEMA, Alterations())
    chunks = encoder.write([rows(1)]) + encoder.finish().chunks
    encoder.discard()
    assert read(chunks).metadata.num_rows == 1


def test_discard_after_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """An encoder whose `write` failed can be discarded."""

    def full(*_: object) -> int:
        raise OSError("no space left")

    encoder = Parquet().encoder(SCHEMA, Alterations())
    monkeypatch.setattr(encoder._sink, "write", full)
    with pytest.raises(OSError, match="no space left"):
        encoder.write([rows(1)])
    encoder.discard()


def test_null_in_required_column() -> None:
    """A NULL in a NOT NULL column makes the column optional and is counted; it is no zero."""
    alterations = Alterations()
    encoder = Parquet().encoder(SCHEMA, alterations)
    bad = pa.record_batch([pa.array([1, None]), ["a", "b"]], schema=SCHEMA)
    file = read(encoder.write([rows(1), bad]) + encoder.finish().chunks)
    assert file.read()["id"].to_pylist() == [0, 1, None]
    assert file.schema_arrow.field("id").nullable
    assert dict(alterations.cells) == {("id", "NULL in a NOT NULL column: the file declares the column optional"): 1}


def test_required_stays_required() -> None:
    """A NOT NULL column without NULLs is REQUIRED."""
    assert not encode(Parquet(), [rows(1)]).schema_arrow.field("id").nullable


def test_late_null_in_required_column() -> None:
    """Once rows are written as NOT NULL, a NULL is an error that names the column, and no zero."""
    encoder = Parquet().encoder(SCHEMA, Alterations())
    encoder.write([rows(1)])
    with pytest.raises(NullInRequiredColumnError, match="column id: 1 NULLs in a NOT NULL column"):
        encoder.write([pa.record_batch([pa.array([None], pa.int64()), ["b"]], schema=SCHEMA)])
    encoder.discard()


def test_key_value_metadata() -> None:
    """The table's `cq:*` entries are there, sorted, with the reference's values for what is absent; nothing else is."""
    schema = SCHEMA.with_metadata(
        {
            "cq:table_name": "t",
            "cq:table_sensitive_columns": '["a<b", "é"]',
            "cq:table_permissions_needed": "not json",
            "cq:extension:incremental": "true",
            "cq:table_paid": "false",
            "cq:table_depends_on": "parent",
            "other": "x",
        }
    )
    encoder = Parquet().encoder(schema, Alterations())
    octets = b"".join(encoder.finish().chunks)
    expected = {
        b"cq:extension:constraint_name": b"",
        b"cq:extension:incremental": b"true",
        b"cq:table_depends_on": b"parent",
        b"cq:table_description": b"",
        b"cq:table_name": b"t",
        b"cq:table_permissions_needed": b"null",
        b"cq:table_sensitive_columns": '["a\\u003cb","é"]'.encode(),
        b"cq:table_title": b"",
    }
    assert read([octets]).metadata.metadata == expected
    places = [octets.index(key) for key in expected]
    assert places == sorted(places)


def test_columns_of_one_name() -> None:
    """Two columns of one name are both written, under two names."""
    schema = pa.schema([("a", pa.int64()), ("a", pa.string())])
    file = encode(Parquet(), [pa.record_batch([[1], ["x"]], schema=schema)], schema=schema)
    assert file.read().to_pydict() == {"a": [1], "a_2": ["x"]}
