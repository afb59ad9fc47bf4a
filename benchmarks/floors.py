"""The bare library calls that any plugin of this kind must make: the floor that its cost is compared with.

They check nothing, escape nothing and keep nothing of the reference's exact renderings: only time counts here.
"""

from __future__ import annotations

import binascii
import http.client
import urllib.parse
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pybase64
from zlib_ng import zlib_ng

from cloudquery_s3.formats.codecs.gzip import DEFAULT_LEVEL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from benchmarks.messages import Messages


class Chunks:
    """A file that is the list of what was written to it: no buffer grows."""

    def __init__(self) -> None:
        self.chunks: list[memoryview] = []
        self.closed = False
        self._size = 0

    def write(self, data: pa.Buffer | bytes) -> int:
        """Keep a chunk."""
        self.chunks.append(memoryview(data))
        self._size += self.chunks[-1].nbytes
        return self.chunks[-1].nbytes

    def tell(self) -> int:
        """Return the size."""
        return self._size

    def flush(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""

    def readable(self) -> bool:
        """Return that it is not."""
        return False

    def writable(self) -> bool:
        """Return that it is."""
        return True

    def seekable(self) -> bool:
        """Return that it is not."""
        return False


def parquet(batch: pa.RecordBatch) -> list[memoryview]:
    """`pyarrow.parquet.write_table` with its defaults: snappy, dictionaries, statistics."""
    sink = Chunks()
    pq.write_table(pa.Table.from_batches([batch]), pa.PythonFile(sink, mode="w"))
    return sink.chunks


def json(batch: pa.RecordBatch) -> list[memoryview]:
    """One `binary_join_element_wise` over all columns as text, names and punctuation between."""
    pieces: list[object] = []
    opening = "{"
    for field, column in zip(batch.schema, batch.columns, strict=True):
        text = _text(column)
        quote = '"' if _is_quoted(field) else ""
        pieces += [f'{opening}"{field.name}":{quote}', text]
        opening = f"{quote},"
    lines = pc.binary_join_element_wise(*pieces, "}\n", "", null_handling="replace", null_replacement="null")
    return [memoryview(lines.buffers()[2])]


def _is_quoted(field: pa.Field) -> bool:
    is_json = b"json" in (field.metadata or {}).values()
    is_number = pa.types.is_primitive(field.type) and not pa.types.is_temporal(field.type)
    return not (is_json or is_number or pa.types.is_nested(field.type))


def csv(batch: pa.RecordBatch) -> list[memoryview]:
    """`pyarrow.csv` on all columns as text."""
    sink = Chunks()
    texts = pa.RecordBatch.from_arrays([_text(column) for column in batch.columns], names=batch.schema.names)
    options = pa_csv.WriteOptions(batch_size=512)
    with pa_csv.CSVWriter(pa.PythonFile(sink, mode="w"), texts.schema, write_options=options) as writer:
        writer.write_batch(texts)
    return sink.chunks


def gzip(chunks: Iterable[memoryview]) -> list[memoryview]:
    """zlib-ng, at the level that the plugin uses by default."""
    deflater = zlib_ng.compressobj(DEFAULT_LEVEL, zlib_ng.DEFLATED, 31)
    return [memoryview(piece) for piece in [*(deflater.compress(chunk) for chunk in chunks), deflater.flush()] if piece]


ENCODERS: dict[str, Callable[[pa.RecordBatch], list[memoryview]]] = {
    "parquet": parquet,
    "json": json,
    "csv": csv,
    "json.gz": lambda batch: gzip(json(batch)),
    "csv.gz": lambda batch: gzip(csv(batch)),
}


def decode(messages: Messages) -> None:
    """`read_record_batch` on each message, its schema known."""
    schema = pa.ipc.read_schema(pa.py_buffer(messages.schemas[0]))
    for batch in messages.batches:
        pa.ipc.read_record_batch(pa.py_buffer(batch), schema)


def upload(address: str, objects: Iterable[list[memoryview]]) -> None:
    """`http.client` PUTs over one connection, unsigned."""
    url = urllib.parse.urlsplit(address)
    connection = http.client.HTTPConnection(url.hostname or "", url.port)
    for number, chunks in enumerate(objects):
        size = sum(chunk.nbytes for chunk in chunks)
        connection.request("PUT", f"/b/{number}", body=iter(chunks), headers={"Content-Length": str(size)})
        connection.getresponse().read()
    connection.close()


def _text(column: pa.Array) -> pa.Array:
    kind = column.type
    if pa.types.is_timestamp(kind):
        return column.cast(pa.timestamp(kind.unit)).cast(
            pa.string()
        )  # with a time zone the cast costs 25 times as much
    if pa.types.is_fixed_size_binary(kind):
        return _cut(binascii.hexlify(column.buffers()[1]), column, 2 * kind.byte_width)
    if pa.types.is_binary(kind):
        return column.cast(pa.string()) if _is_text(column) else _base64(column)
    if pa.types.is_list(kind):
        return pc.binary_join(column, ",")
    if pa.types.is_struct(kind):
        return pc.binary_join_element_wise(*[_text(child) for child in column.flatten()], ",", null_handling="replace")
    return column if pa.types.is_string(kind) else column.cast(pa.string())


def _is_text(column: pa.Array) -> bool:
    try:
        column.cast(pa.string())
    except pa.ArrowInvalid:
        return False
    return True


def _base64(column: pa.Array) -> pa.Array:
    present = column.drop_null()
    width = pc.max(pc.binary_length(present)).as_py()
    encoded = pybase64.b64encode(present.buffers()[2])
    return _cut(encoded.ljust(len(column) * width * 2), column, width)


def _cut(text: bytes, column: pa.Array, width: int) -> pa.Array:
    """Return equal pieces of a text, one for each value: right in size, which is what counts here."""
    offsets = pa.array(range(0, (len(column) + 1) * width, width), pa.int32()).buffers()[1]
    return pa.Array.from_buffers(pa.string(), len(column), [None, offsets, pa.py_buffer(text)])
