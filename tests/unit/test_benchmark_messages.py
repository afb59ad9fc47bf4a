"""What the benchmarks send is what the CLI sends."""

from __future__ import annotations

import pyarrow as pa
import pytest
from benchmarks.assets import SCHEMA, TABLE, assets
from benchmarks.messages import split
from cloudquery.plugin_v3 import plugin_pb2


@pytest.mark.parametrize("size", [1, 7, 50])
def test_requests_are_write_requests(size: int) -> None:
    """Each message is an encoded Write.Request with an IPC stream of the rows that it names."""
    data = assets(100)
    messages = split(data, rows_per_message=size, rows=100)
    received = []
    for raw in messages.requests():
        payload = plugin_pb2.Write.Request.FromString(raw).insert.record
        [batch] = pa.ipc.open_stream(payload)
        assert batch.schema.equals(SCHEMA, check_metadata=True)
        received.append(batch)
    expected = data.slice(0, 100 // size * size)
    assert pa.Table.from_batches(received).combine_chunks() == pa.Table.from_batches([expected]).combine_chunks()


def test_tables_take_turns() -> None:
    """With several tables each gets the same batches in the same order, under its own name."""
    names = []
    for payload in split(assets(20), rows_per_message=10, rows=60, tables=3).payloads():
        stream = pa.ipc.open_stream(payload)
        names.append(
            (stream.schema.metadata[b"cq:table_name"].decode(), stream.read_next_batch().column("arn")[0].as_py())
        )
    first, second = names[0][1], names[3][1]
    assert names == [(f"{TABLE}_{table:03d}", row) for row in (first, second) for table in range(3)]


def test_the_table_is_as_described() -> None:
    """32 columns, three of JSON, about 1.9 kB a row; the same rows for the same seed."""
    data = assets(500)
    assert data.num_columns == 32
    assert sum(b"json" in (field.metadata or {}).values() for field in data.schema) == 3
    assert 1800 < data.nbytes / 500 < 2000
    assert assets(500).equals(data)
