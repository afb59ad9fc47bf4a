"""Tables, batches and messages for tests."""

from __future__ import annotations

import pyarrow as pa

from cloudquery_s3.ipc import IpcReader, ReceivedBatch, UndecodedPayload


def schema(table: str, **columns: pa.DataType) -> pa.Schema:
    """A table's schema as CloudQuery sends it."""
    return pa.schema(list((columns or {"n": pa.int64()}).items()), metadata={"cq:table_name": table})


def batch(table: str, values: list[int], **more: list[object]) -> pa.RecordBatch:
    """Rows with an int64 column `n`, and others as given."""
    arrays = {"n": pa.array(values, pa.int64()), **{name: pa.array(cells) for name, cells in more.items()}}
    return pa.record_batch(
        list(arrays.values()), schema=schema(table, **{name: array.type for name, array in arrays.items()})
    )


def ipc(
    data: pa.RecordBatch | pa.Schema, *more: pa.RecordBatch, options: pa.ipc.IpcWriteOptions | None = None
) -> bytes:
    """An Arrow IPC stream of a schema alone, or of batches."""
    batches = [] if isinstance(data, pa.Schema) else [data, *more]
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, data if isinstance(data, pa.Schema) else data.schema, options=options) as writer:
        for one in batches:
            writer.write_batch(one)
    return sink.getvalue().to_pybytes()


def read_batches(reader: IpcReader, payload: bytes | memoryview) -> list[ReceivedBatch]:
    """The batches of a payload, also of one that is left to a worker."""
    received = reader.read(payload)
    if isinstance(received, UndecodedPayload):
        received.measure()
        return received.decode()
    return received
