"""Maps with NULL for a key, over which Arrow ends the process once it builds one."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

import rows
from cloudquery_s3.errors import PayloadError
from cloudquery_s3.ipc import IpcReader, decode

LIST, MAP = 12, 17
"""Ids of types in Arrow's schema messages: lists of entries and maps are laid out alike."""

RUNS = pa.RunEndEncodedArray.from_arrays(pa.array([1, 2, 3], pa.int32()), pa.array(["a", None, "b"]))
WITHOUT_KEY = {
    "plain": pa.array(["a", None, "b"]),
    "a dictionary's index": pa.DictionaryArray.from_arrays(pa.array([0, None, 1], pa.int32()), pa.array(["a", "b"])),
    "a dictionary's value": pa.DictionaryArray.from_arrays(pa.array([0, 1, 0], pa.int32()), pa.array(["a", None])),
    "a run": RUNS,
}
WITH_KEYS = [
    pa.DictionaryArray.from_arrays(pa.array([0, 2, 0], pa.int32()), pa.array(["a", None, "b"])),
    pa.RunEndEncodedArray.from_arrays(
        pa.array([2, 3, 4], pa.int32()), pa.array(["a", "b", None]), pa.run_end_encoded(pa.int32(), pa.string())
    ).slice(0, 3),
]


def payload(keys: pa.Array, *, entries_valid: bytes | None = None, inside: bool = False) -> bytes:
    """A message of three maps of one entry each; pyarrow makes none of such keys, so lists of entries are renamed."""
    entry = pa.struct([pa.field("key", keys.type, nullable=False), pa.field("value", pa.int32())])
    validity = None if entries_valid is None else pa.py_buffer(entries_valid)
    entries = pa.Array.from_buffers(entry, 3, [validity], children=[keys, pa.array([1, 2, 3], pa.int32())])
    kind = pa.list_(pa.field("entries", entry, nullable=False))
    lists = pa.Array.from_buffers(kind, 3, [None, pa.py_buffer(np.arange(4, dtype="<i4"))], children=[entries])
    column = pa.StructArray.from_arrays([lists], ["m"]) if inside else lists
    schema = pa.schema([pa.field("c", column.type)], metadata={"cq:table_name": "t"})
    data = rows.ipc(pa.RecordBatch.from_arrays([column], schema=schema))
    places = [at for at in range(len(schema.serialize())) if data[at] == LIST]
    renamed = [data[:at] + bytes([MAP]) + data[at + 1 :] for at in places]
    return next(one for one in renamed if is_of_maps(one))


def is_of_maps(data: bytes) -> bool:
    """Whether a message has a schema with a map."""
    try:
        return "map<" in str(pa.ipc.read_schema(pa.py_buffer(data)))
    except (pa.ArrowInvalid, OSError):
        return False


def decoded(data: bytes, messages: int) -> list[pa.RecordBatch]:
    """What many such messages hold, or one."""
    reader = IpcReader(memory_limit_bytes=2**26)
    return decode([one for _ in range(messages) for one in rows.read_batches(reader, data)])


@pytest.mark.parametrize("messages", [1, 50])
@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("keys", WITHOUT_KEY.values(), ids=WITHOUT_KEY)
def test_a_map_without_a_key_fails_its_table(keys: pa.Array, inside: bool, messages: int) -> None:
    """A key that is NULL, by itself or by what it refers to, is an error of its table, and never the process's end."""
    with pytest.raises(PayloadError, match=r"^table t: .*(keys array should have no nulls|map with NULL for a key)"):
        decoded(payload(keys, inside=inside), messages)


@pytest.mark.parametrize("messages", [1, 50])
def test_a_map_without_an_entry_fails_its_table(messages: int) -> None:
    """So is an entry that is NULL."""
    with pytest.raises(PayloadError, match="child array should have no nulls"):
        decoded(payload(pa.array(["a", "b", "c"]), entries_valid=b"\x05"), messages)


@pytest.mark.parametrize("messages", [1, 50])
@pytest.mark.parametrize("keys", WITH_KEYS, ids=["dictionary", "runs"])
def test_a_null_that_no_key_refers_to_is_none(keys: pa.Array, messages: int) -> None:
    """A dictionary or runs may hold a NULL that is no key."""
    assert sum(batch.num_rows for batch in decoded(payload(keys), messages)) == 3 * messages
