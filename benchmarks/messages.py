"""Rows as CloudQuery's CLI sends them: Write requests, each with an IPC stream of a schema and one record batch."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from benchmarks.assets import TABLE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

END_OF_STREAM: Final = bytes.fromhex("ffffffff00000000")


@dataclass(frozen=True, slots=True)
class Messages:
    """Messages that take turns among tables.

    Attributes:
        schemas: one IPC schema message for each table.
        batches: IPC record batch messages; every table gets the same ones, in this order, again and again.
        count: how many messages there are in all.
    """

    schemas: list[bytes]
    batches: list[bytes]
    count: int

    def payloads(self) -> Iterator[bytes]:
        """Yield the IPC stream of each message."""
        for number in range(self.count):
            turn, table = divmod(number, len(self.schemas))
            yield self.schemas[table] + self.batches[turn % len(self.batches)] + END_OF_STREAM

    def requests(self) -> Iterator[bytes]:
        """Yield each message as an encoded Write.Request."""
        for payload in self.payloads():
            record = b"\x0a" + _varint(len(payload)) + payload  # field 1 of the Insert
            yield b"\x12" + _varint(len(record)) + record  # field 2 of the request

    def save(self, path: Path) -> None:
        """Write them to a file, for the client's process."""
        path.write_bytes(pickle.dumps((self.schemas, self.batches, self.count)))

    @classmethod
    def load(cls, path: Path) -> Messages:
        """Read what `save` wrote."""
        return cls(*pickle.loads(path.read_bytes()))  # noqa: S301 - our own file


def split(data: pa.RecordBatch, *, rows_per_message: int, rows: int, tables: int = 1) -> Messages:
    """Return messages that bring so many rows in all, of as many distinct rows as there are.

    Each batch is copied first: a slice would be sent with the values of its neighbours in lists.
    """
    distinct = min(data.num_rows, rows)
    starts = range(0, distinct - rows_per_message + 1, rows_per_message)
    batches = [data.take(pa.array(range(start, start + rows_per_message))).serialize().to_pybytes() for start in starts]
    schemas = [data.schema.with_metadata(_metadata(data.schema, number, tables)) for number in range(tables)]
    return Messages([schema.serialize().to_pybytes() for schema in schemas], batches, rows // rows_per_message)


def _metadata(schema: pa.Schema, number: int, tables: int) -> dict[bytes, bytes]:
    name = TABLE if tables == 1 else f"{TABLE}_{number:03d}"
    return {**schema.metadata, b"cq:table_name": name.encode()}


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:  # noqa: PLR2004 - seven bits a byte
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])
