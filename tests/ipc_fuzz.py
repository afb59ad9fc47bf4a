"""Broken Arrow IPC payloads, and what must be true of each. Run as a program: `python ipc_fuzz.py FIRST_SEED SEEDS`.

A program, because what it looks for would end the process: a number in the data that leads outside of it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cloudquery_s3.errors import DecodeError, PayloadError
from cloudquery_s3.formats.columns.normalise import Normaliser
from cloudquery_s3.formats.encoder import Alterations
from cloudquery_s3.ipc import IpcReader, decode
from cloudquery_s3.ipc.intervals import has_hidden_intervals, shown_batch, shown_schema
from cloudquery_s3.ipc.validation import (
    ARROW_ERRORS,
    columns_of_inner_lists,
    require_sound,
    require_sound_lists,
)
from random_arrow import LEAVES, batch
from rows import ipc, read_batches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MESSAGES = 45  # enough to be decoded in bulk
ALONE = 6
MOST_VALUES = 2**20
MEMORY_BYTES = 2**26
OURS = ("its schema asks for", "record batch announces", "announces a schema of", "once it is", "grows to more than")
"""What we refuse and Arrow's reader does not: it leaves out columns that a broken schema does not name, cuts off a
struct's endless members, does not look at a buffer that it does not need, and takes what memory it is told to take."""

EXTREMES = [0, 1, -1, 7, 2**31 - 1, -(2**31), 2**31, 2**32, 2**62, 2**63 - 1, -(2**63)]


def run(seed: int) -> None:
    """Break payloads: both readers refuse one, or both give the same rows; alone, and among sound ones.

    Raises:
        AssertionError: they do not.
    """
    random = np.random.default_rng(seed)
    schema = random_schema(random)
    write = WRITERS[int(random.integers(len(WRITERS)))]
    payloads = [write(batch(schema, int(random.integers(1, 9)), random)) for _ in range(MESSAGES)]
    for _ in range(ALONE):
        check([broken(payloads[0], random)], f"seed {seed}: alone")
    at = int(random.integers(MESSAGES))
    payloads[at] = broken(payloads[at], random)
    check(payloads, f"seed {seed}: among others")


def check(payloads: list[bytes], where: str) -> None:
    """Compare what both readers make of payloads."""
    reader = IpcReader(memory_limit_bytes=MEMORY_BYTES)
    try:
        actual = decode([one for payload in payloads for one in read_batches(reader, payload)])
    except (DecodeError, PayloadError) as error:
        ours = any(words in str(error) for words in OURS)
        assert ours or expected_of(payloads) is None, where
    else:
        expected = expected_of(payloads)
        assert expected is not None, where
        assert runs(actual) == runs(expected), where


def expected_of(payloads: list[bytes]) -> list[pa.RecordBatch] | None:
    """What Arrow's reader makes of payloads; None where it refuses one."""
    found = [records_by_arrow(payload) for payload in payloads]
    return None if None in found else [one for batches in found for one in batches or []]


def records_by_arrow(payload: bytes) -> list[pa.RecordBatch] | None:
    """What Arrow's reader makes of a payload; None where it, or a check of all its values, refuses it."""
    try:
        stream = pa.ipc.open_stream(payload)
        hidden = has_hidden_intervals(stream.schema)
        names(shown_schema(stream.schema) if hidden else stream.schema)
        found = [one for one in stream if one.num_rows]
        for one in found:
            one.validate()
        found = [shown_batch(one) if hidden else one for one in found]
        for one in found:
            require_sound(one)
            require_sound_lists(one, columns_of_inner_lists(one.schema))
    except (*ARROW_ERRORS, DecodeError):
        return None
    lengths = [one.num_rows for one in found] + [longest(column) for one in found for column in one.columns]
    return found if max(lengths, default=0) <= MOST_VALUES else None


def longest(array: pa.Array) -> int:
    """The number of values of an array or of a descendant: where they take no bytes there can be ever so many."""
    if pa.types.is_struct(array.type):
        children = [array.field(child) for child in range(array.type.num_fields)]
    else:
        children = [array.values] if array.type.num_fields else []
    return max(len(array), *map(longest, children), 0)


def names(fields: Iterable[pa.Field]) -> list[object]:
    """All names, at any depth; raises where one is not UTF-8."""
    return [(one.name, names(one.type.field(child) for child in range(one.type.num_fields))) for one in fields]


def runs(batches: list[pa.RecordBatch]) -> list[pa.Table]:
    """The rows as bare bytes (a NaN is not equal to itself), one table for all neighbours of one schema."""
    tables: list[tuple[pa.Schema, list[pa.RecordBatch]]] = []
    for one in batches:
        if not tables or tables[-1][0] != one.schema:
            tables.append((one.schema, []))
        arrays = [column.view(as_bytes(column.type)) for column in Normaliser(one.schema)(one, Alterations()).columns]
        tables[-1][1].append(pa.record_batch(arrays, names=[str(number) for number in range(len(arrays))]))
    return [pa.Table.from_batches(found).combine_chunks() for _, found in tables]


def as_bytes(kind: pa.DataType) -> pa.DataType:
    """The type of the same memory layout that has bytes for every value."""
    types = pa.types
    if types.is_map(kind):
        return pa.map_(as_bytes(kind.key_type), as_bytes(kind.item_type))
    if types.is_large_list(kind):
        return pa.large_list(as_bytes(kind.value_type))
    if types.is_fixed_size_list(kind):
        return pa.list_(as_bytes(kind.value_type), kind.list_size)
    if types.is_list(kind) or types.is_struct(kind):
        children = [(str(number), as_bytes(kind.field(number).type)) for number in range(kind.num_fields)]
        return pa.struct(children) if types.is_struct(kind) else pa.list_(children[0][1])
    if types.is_string(kind) or types.is_large_string(kind):
        return pa.binary() if types.is_string(kind) else pa.large_binary()
    plain = types.is_boolean(kind) or types.is_null(kind) or types.is_binary(kind) or types.is_large_binary(kind)
    return kind if plain else pa.binary(kind.bit_width // 8)


def compressed(codec: str) -> Callable[[pa.RecordBatch], bytes]:
    """A writer of compressed bodies."""
    return lambda data: ipc(data, options=pa.ipc.IpcWriteOptions(compression=codec))


def encoded(change: Callable[[pa.Array], pa.Array]) -> Callable[[pa.RecordBatch], bytes]:
    """A writer of columns in another type, where Arrow can change them to it."""

    def write(data: pa.RecordBatch) -> bytes:
        columns = {}
        for field, column in zip(data.schema, data.columns, strict=True):
            try:
                columns[field.name] = change(column)
            except ARROW_ERRORS:
                columns[field.name] = column
        return ipc(pa.record_batch(columns, metadata=data.schema.metadata))

    return write


def viewed(column: pa.Array) -> pa.Array:
    """Text and bytes as views, some of them of the same bytes."""
    wide = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
    return column.cast(pa.string_view() if wide else pa.binary_view())


WRITERS: list[Callable[[pa.RecordBatch], bytes]] = [
    *[ipc] * 4,
    compressed("zstd"),
    compressed("lz4"),
    encoded(lambda column: column.dictionary_encode()),
    encoded(viewed),
    encoded(pc.run_end_encode),
]


def random_schema(random: np.random.Generator) -> pa.Schema:
    """Some columns, nested ones among them."""
    kinds: list[pa.DataType] = []
    for _ in range(int(random.integers(1, 6))):
        # no null type: pyarrow is of two minds about null counts of arrays that have none but nulls
        kind = LEAVES[int(random.integers(1, len(LEAVES)))]
        for _ in range(int(random.integers(0, 3))):
            nests = [
                pa.list_(kind),
                pa.large_list(kind),
                pa.list_(kind, 2),
                pa.map_(pa.string(), kind),
                pa.struct([("a", kind), ("b", pa.string())]),
            ]
            kind = nests[int(random.integers(len(nests)))]
        kinds.append(kind)
    return pa.schema([(f"c{i}", kind) for i, kind in enumerate(kinds)], metadata={"cq:table_name": "t"})


def broken(payload: bytes, random: np.random.Generator) -> bytes:
    """Change a payload in one to three places, mostly where its numbers stand."""
    data = bytearray(payload)
    for _ in range(int(random.integers(1, 4))):
        choice = random.random()
        at = int(random.integers(len(data)))
        if choice < 0.4:
            value = EXTREMES[int(random.integers(len(EXTREMES)))] + int(random.integers(-2, 3))
            width = int(random.choice([4, 8]))
            data[at & -width : (at & -width) + width] = (value % 2 ** (8 * width)).to_bytes(width, "little")
        elif choice < 0.7:
            data[at] = int(random.integers(256))
        elif choice < 0.85:
            data[at] ^= 1 << int(random.integers(8))
        elif choice < 0.95:
            del data[at:]
            data.extend(b"\0" * 8)
        else:
            data[at:at] = random.bytes(8)
    return bytes(data)


if __name__ == "__main__":
    first, count = int(sys.argv[1]), int(sys.argv[2])
    for number in range(first, first + count):
        print(number, flush=True)  # noqa: T201 - a program: the last line tells which seed it died of
        run(number)
