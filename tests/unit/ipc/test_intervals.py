from __future__ import annotations

import gc
import struct

import pyarrow as pa
import pytest

from cloudquery_s3.ipc import c_data
from cloudquery_s3.ipc.intervals import has_hidden_intervals, shown_batch, shown_schema
from cloudquery_s3.table import extension_of

MONTHS = pa.array([1, None, -14], pa.int32())
DAY_TIMES = pa.array([5 | 7 << 32, None, struct.unpack("<q", struct.pack("<ii", -1, -2))[0]], pa.int64())
FORMATS = {b"months": b"tiM", b"day_times": b"tiD"}


def hidden(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return the batch with every field called `months` or `day_times` as the interval that pyarrow hides."""
    schema_capsule, array_capsule = batch.__arrow_c_array__()
    for field in c_data.fields_of(schema_capsule):
        if field.name in FORMATS:
            field.format = FORMATS[field.name]
    return pa.record_batch(c_data.Exported(schema_capsule, array_capsule))


def over_the_wire(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return the batch as a reader of its IPC stream gets it."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return pa.ipc.open_stream(sink.getvalue()).read_next_batch()


def nested_batch() -> pa.RecordBatch:
    """Return intervals-to-be inside structs, lists and maps."""
    leaves = [
        pa.field("months", pa.int32(), metadata={"cq:extension:unique": "false"}),
        pa.field("day_times", pa.int64(), nullable=False),
    ]
    struct_type = pa.struct(leaves)
    rows = [{"months": 2, "day_times": 3 | 4 << 32}, None]
    schema = pa.schema(
        [
            pa.field("plain", pa.string()),
            pa.field("inside", struct_type),
            pa.field("listed", pa.list_(struct_type)),
            pa.field("mapped", pa.map_(pa.string(), pa.list_(leaves[0]))),
        ],
        metadata={"cq:table_name": "t"},
    )
    columns = [["x", "y"], rows, [rows, None], [[("k", [7, None])], None]]
    return pa.record_batch([pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)], schema=schema)


@pytest.fixture
def batch() -> pa.RecordBatch:
    """Return a batch with both hidden types, as received."""
    return over_the_wire(hidden(pa.record_batch([MONTHS, DAY_TIMES], ["months", "day_times"])))


def test_intervals_are_hidden_from_python(batch: pa.RecordBatch) -> None:
    """Without a patch, pyarrow does not show these columns: the reason for this module."""
    with pytest.raises((KeyError, NotImplementedError, pa.ArrowNotImplementedError)):
        batch.to_pylist()


def test_hidden_intervals_are_found(batch: pa.RecordBatch) -> None:
    """A schema with hidden intervals is told from one without, also where they are nested."""
    assert has_hidden_intervals(batch.schema)
    assert has_hidden_intervals(hidden(nested_batch()).schema)
    assert not has_hidden_intervals(nested_batch().schema)
    assert not has_hidden_intervals(pa.schema([("x", pa.month_day_nano_interval())]))


def test_patched_columns_hold_the_values(batch: pa.RecordBatch) -> None:
    """Months become int32; days and milliseconds become int64, the days in the low half."""
    patched = shown_batch(batch)
    patched.validate(full=True)
    assert patched["months"].equals(MONTHS)
    assert patched["day_times"].equals(DAY_TIMES)


def test_patched_fields_are_marked(batch: pa.RecordBatch) -> None:
    """The formats learn from the mark what the integers mean."""
    schema = shown_schema(batch.schema)
    assert [extension_of(field) for field in schema] == ["interval_month", "interval_day_time"]
    assert schema.equals(shown_batch(batch).schema, check_metadata=True)


def test_nested_intervals_are_patched() -> None:
    """Inside structs, lists and maps too; metadata, nullability and the other columns stay."""
    original = nested_batch()
    patched = shown_batch(over_the_wire(hidden(original)))
    patched.validate(full=True)
    assert patched.to_pylist() == original.to_pylist()
    assert patched.schema.equals(original.schema, check_metadata=False)
    assert patched.schema.metadata == original.schema.metadata
    months = patched.schema.field("inside").type.field("months")
    assert extension_of(months) == "interval_month"
    assert months.metadata[b"cq:extension:unique"] == b"false"
    assert extension_of(patched.schema.field("mapped").type.item_type.value_field) == "interval_month"


def test_slices_are_patched(batch: pa.RecordBatch) -> None:
    """A batch that is a slice of a larger one keeps to its rows."""
    assert shown_batch(batch.slice(1, 2)).column(0).to_pylist() == [None, -14]


def test_dictionary_values_are_patched() -> None:
    """An interval may also be what a dictionary holds."""
    indices = pa.array([0, 1, 0], pa.int8())
    encoded = pa.record_batch([pa.DictionaryArray.from_arrays(indices, pa.array([1, 12], pa.int32()))], ["d"])
    schema_capsule, array_capsule = encoded.__arrow_c_array__()
    for field in c_data.fields_of(schema_capsule):
        field.format = b"tiM" if field.format == b"i" else field.format
    batch = pa.record_batch(c_data.Exported(schema_capsule, array_capsule))
    assert has_hidden_intervals(batch.schema)
    assert shown_batch(batch).column(0).dictionary_decode().to_pylist() == [1, 12, 1]


@pytest.mark.slow
def test_memory_is_released() -> None:
    """A patched batch frees what it holds when it goes, and not before."""
    gc.collect()
    before = pa.total_allocated_bytes()
    for _ in range(50):
        patched = shown_batch(over_the_wire(hidden(pa.record_batch([MONTHS, DAY_TIMES], ["months", "day_times"]))))
        gc.collect()
        assert patched["months"].to_pylist() == MONTHS.to_pylist()
        assert has_hidden_intervals(hidden(nested_batch()).schema)
    del patched
    gc.collect()
    assert pa.total_allocated_bytes() <= before


def test_a_failed_import_releases_too() -> None:
    """If pyarrow refuses the patched schema, nothing is freed twice."""
    gc.collect()
    before = pa.total_allocated_bytes()
    for _ in range(20):
        schema_capsule, array_capsule = nested_batch().__arrow_c_array__()
        for field in c_data.fields_of(schema_capsule):
            field.format = b"?" if field.name == b"plain" else field.format
        with pytest.raises(pa.ArrowInvalid):
            pa.record_batch(c_data.Exported(schema_capsule, array_capsule))
        del schema_capsule, array_capsule
    gc.collect()
    assert pa.total_allocated_bytes() <= before
