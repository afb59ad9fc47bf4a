"""Objects that end by their size in the bucket, in every format and codec."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import random
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
import zstandard

import rows
import virtual_time
from cloudquery_s3.errors import WriteFailedError
from cloudquery_s3.formats import make_format
from cloudquery_s3.stores.memory import MemoryStore
from specs import parsed
from streams import content, stream, values

if TYPE_CHECKING:
    from cloudquery_s3.formats.encoder import Format

MIB: Final = 1 << 20
BUDGET: Final = 320 * MIB
ROWS_A_MESSAGE: Final = 4000

FORMATS: Final[dict[str, dict[str, Any]]] = {
    "parquet": {"format": "parquet"},
    "parquet.zstd": {"format": "parquet", "format_spec": {"compression": "zstd"}},
    "parquet.none": {"format": "parquet", "format_spec": {"compression": "none"}},
    "json": {"format": "json"},
    "csv": {"format": "csv"},
    "json.gz": {"format": "json", "compression": "gzip", "compression_level": 1},
    "json.zst": {"format": "json", "compression": "zstd"},
    "csv.gz": {"format": "csv", "compression": "gzip", "compression_level": 1},
    "csv.zst": {"format": "csv", "compression": "zstd"},
}
FAST: Final = [("parquet", 8), ("json", 8), ("csv.zst", 1)]


@cache
def messages(count: int) -> list[bytes]:
    """So many Inserts of 4,000 rows, 1.3 MiB each: a number, an id, a name of few, a sentence of some words."""
    dice = np.random.default_rng(7)
    words = np.array([f"{random.Random(n).getrandbits(40):x}" for n in range(5000)])  # noqa: S311 - the same rows always
    regions = np.array(["us-east-1", "eu-central-1", "ap-southeast-2"])
    made = []
    for number in range(count):
        sentences = dice.choice(words, (ROWS_A_MESSAGE, 24))
        made.append(
            rows.ipc(
                rows.batch(
                    "t",
                    list(range(number * ROWS_A_MESSAGE, (number + 1) * ROWS_A_MESSAGE)),
                    id=[dice.bytes(16).hex() for _ in range(ROWS_A_MESSAGE)],
                    region=dice.choice(regions, ROWS_A_MESSAGE).tolist(),
                    text=[" ".join(one) for one in sentences.tolist()],
                )
            )
        )
    return made


def numbers(data: bytes, form: str) -> list[int]:
    """The `n` of an object's rows."""
    if form.startswith("parquet"):
        return pq.read_table(pa.BufferReader(data), columns=["n"])["n"].to_pylist()
    if form.endswith(".gz"):
        data = gzip.decompress(data)
    elif form.endswith(".zst"):
        data = zstandard.ZstdDecompressor().decompressobj().decompress(data)
    if form.startswith("csv"):
        options = pa.csv.ConvertOptions(include_columns=["n"])
        return pa.csv.read_csv(io.BytesIO(data), convert_options=options)["n"].to_pylist()
    return [json.loads(line)["n"] for line in data.splitlines()]


def row_groups(data: bytes) -> list[int]:
    """The encoded bytes of each row group."""
    footer = pq.read_metadata(pa.BufferReader(data))
    return [
        sum(footer.row_group(group).column(column).total_compressed_size for column in range(footer.num_columns))
        for group in range(footer.num_row_groups)
    ]


def write(payloads: list[bytes], file_format: Format, **settings: Any) -> tuple[list[bytes], int]:
    """The objects in the order in which they were begun, and the most that the memory budget counted."""
    store = MemoryStore()
    most = 0

    async def scenario() -> None:
        nonlocal most
        with stream(store, file_format=file_format, **{"memory_budget": BUDGET} | settings) as writer:
            budget = writer._context.budget
            for payload in payloads:
                writer.insert(payload)
                most = max(most, budget.held_bytes + budget.encoding_bytes + budget.uploading_bytes)
                if writer.full:
                    await writer.make_room()
            await writer.finish()
            assert (budget.held_bytes, budget.encoding_bytes, budget.uploading_bytes) == (0, 0, 0)

    asyncio.run(scenario())
    assert store.open_keys == []
    ordered = sorted(store.objects, key=lambda key: int(key.rpartition("/")[2]))
    return [store.objects[key] for key in ordered], most


def check(form: str, size: int, *, count: int) -> None:
    """Write so many messages, and hold the objects against `size`."""
    payloads = messages(count)
    objects, most = write(payloads, make_format(parsed(**FORMATS[form])), object_size=size)
    assert len(objects) > 1
    parts = [len(data) / size for data in objects]
    assert all(0.9 <= part <= 1.15 for part in parts[:-1]), parts
    assert parts[-1] <= 1.15
    found = [n for data in objects for n in numbers(data, form)]
    assert found == list(range(count * ROWS_A_MESSAGE)), "each row once, in order"
    assert most <= BUDGET + 2 * max(map(len, payloads))
    if form.startswith("parquet"):
        for data in objects[:-1]:
            groups = row_groups(data)
            assert len(groups) == 1 or min(groups) >= max(8 * MIB, size / 16)


@pytest.mark.parametrize(("form", "mib"), FAST)
def test_objects_have_their_size(form: str, mib: int) -> None:
    """All objects of a table but the last are within -10 % and +15 % of object_size, with every row once, in order."""
    check(form, mib * MIB, count=24)


@pytest.mark.slow
@pytest.mark.parametrize("mib", [1, 8, 16])
@pytest.mark.parametrize("form", FORMATS)
def test_objects_of_every_format_have_their_size(form: str, mib: int) -> None:
    """The same of 100 MiB and more, in every format and codec; a row group has 8 MiB, or is its object's only one."""
    check(form, mib * MIB, count=80)


@pytest.mark.slow
def test_large_objects_have_few_row_groups() -> None:
    """An object of 64 MiB has row groups of 8 MiB and more."""
    objects, _ = write(messages(100) * 2, make_format(parsed(**FORMATS["parquet.none"])), object_size=64 * MIB)
    assert len(objects) > 2
    assert all(0.9 <= len(data) / (64 * MIB) <= 1.15 for data in objects[:-1])
    assert all(min(row_groups(data)) >= 8 * MIB for data in objects[:-1])
    assert any(len(row_groups(data)) > 1 for data in objects)


def test_a_small_budget_is_kept() -> None:
    """Where memory ends first, pieces are smaller, objects are no larger than asked for, and every row is there."""
    budget = 24 * MIB
    payloads = messages(24)
    form = make_format(parsed(**FORMATS["json"]))
    objects, most = write(payloads, form, object_size=16 * MIB, memory_budget=budget)
    assert [n for data in objects for n in numbers(data, "json")] == list(range(24 * ROWS_A_MESSAGE))
    assert max(map(len, objects)) <= 1.15 * 16 * MIB
    assert most <= budget * 5 / 4 + 2 * max(map(len, payloads)), "a piece, counted twice, comes on top at most"


def test_each_partition_has_objects_of_the_size() -> None:
    """Partitions that are written side by side each have objects of the size, and rows in order."""
    store = MemoryStore()
    form = make_format(parsed(**FORMATS["json"]))

    async def scenario() -> None:
        with stream(store, file_format=form, object_size=MIB, path="{{COLUMN:region}}/{{UUID}}") as writer:
            for payload in messages(24):
                writer.insert(payload)
                if writer.full:
                    await writer.make_room()
            await writer.finish()

    asyncio.run(scenario())
    by_region: dict[str, list[bytes]] = {}
    for key in sorted(store.objects, key=lambda key: int(key.rpartition("/")[2])):
        by_region.setdefault(key.partition("/")[0], []).append(store.objects[key])
    assert len(by_region) == 3
    found: list[int] = []
    for objects in by_region.values():
        assert len(objects) > 3
        assert all(0.9 <= len(data) / MIB <= 1.15 for data in objects[:-1])
        part = [n for data in objects for n in numbers(data, "json")]
        assert part == sorted(part)
        found += part
    assert sorted(found) == list(range(24 * ROWS_A_MESSAGE))


def test_partitions_that_end_each_other_lose_nothing() -> None:
    """Where one object may be open at a time, and partitions take turns, each row is written once, in order."""
    store = MemoryStore()
    form = make_format(parsed(**FORMATS["json"]))

    async def scenario() -> None:
        options = {"path": "{{COLUMN:region}}/{{UUID}}", "max_open_partitions": 1}
        with stream(store, file_format=form, object_size=MIB, **options) as writer:
            for payload in messages(12):
                writer.insert(payload)
                writer.encode()
                await writer.make_room()
            await writer.finish()

    asyncio.run(scenario())
    keys = sorted(store.objects, key=lambda key: int(key.rpartition("/")[2]))
    found = {key: numbers(store.objects[key], "json") for key in keys}
    for region in {key.partition("/")[0] for key in keys}:
        part = [n for key in keys if key.startswith(f"{region}/") for n in found[key]]
        assert part == sorted(part)
    assert sorted(n for some in found.values() for n in some) == list(range(12 * ROWS_A_MESSAGE))
    assert max(map(len, store.objects.values())) <= 1.15 * MIB


def test_explicit_limits_count_beside_the_size() -> None:
    """A limit of rows ends an object that has not reached its size."""
    store = MemoryStore()

    async def scenario() -> None:
        with stream(store, object_size=MIB, max_rows=2) as writer:
            writer.insert(values("a", 1, 2, 3, 4, 5))
            await writer.finish()

    asyncio.run(scenario())
    assert content(store) == {"a/0": [1, 2], "a/1": [3, 4], "a/2": [5]}


def test_age_ends_an_object_of_rows_that_are_few() -> None:
    """An object that has far to go to its size ends when its first row is too old."""
    store = MemoryStore()

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, virtual_time.VirtualTimeLoop)
        with stream(store, object_size=MIB, timeout_s=30) as writer:
            writer.insert(values("a", 1))
            await loop.advance(31)
            writer.insert(values("a", 2))
            await writer.finish()

    virtual_time.run(scenario())
    assert content(store) == {"a/0": [1], "a/1": [2]}


def test_other_columns_begin_another_object() -> None:
    """Rows whose columns have changed wait behind those before, and go to objects of their own."""
    form = make_format(parsed(**FORMATS["parquet"]))
    before = messages(3)
    after = [rows.ipc(rows.batch("t", list(range(start, start + 500)))) for start in range(12_000, 14_000, 500)]
    objects, _ = write([*before, *after], form, object_size=MIB)
    tables = [pq.read_table(pa.BufferReader(data)) for data in objects]
    assert [n for table in tables for n in table["n"].to_pylist()] == list(range(14_000))
    assert [table.num_columns for table in tables[-1:]] == [1]
    assert {table.num_columns for table in tables[:-1]} == {4}


def test_rows_that_cannot_be_encoded_fail_their_table_in_the_trial() -> None:
    """A fault in a sample fails its table like any other, and nothing is left."""
    store = MemoryStore()
    form = make_format(parsed(format="json", sort_by=["s"]))
    nested = rows.schema("t", n=pa.int64(), s=pa.list_(pa.int64()))

    async def scenario() -> None:
        with stream(store, file_format=form, object_size=MIB) as writer:
            count = 100_000
            cells = [pa.array(range(count), pa.int64()), pa.array([[1]] * count, pa.list_(pa.int64()))]
            writer.insert(rows.ipc(pa.record_batch(cells, schema=nested)))
            with pytest.raises(WriteFailedError, match="sort_by"):
                await writer.finish()

    asyncio.run(scenario())
    assert store.objects == {}
    assert store.open_keys == []


def test_abort_in_the_middle_leaves_nothing_open() -> None:
    """A Write that is given up while a sample is encoded leaves nothing open."""
    store = MemoryStore()

    async def scenario() -> None:
        with stream(store, object_size=MIB) as writer:
            for payload in messages(3):
                writer.insert(payload)
            await writer.abort()
            budget = writer._context.budget
            assert (budget.held_bytes, budget.encoding_bytes, budget.uploading_bytes) == (0, 0, 0)

    asyncio.run(scenario())
    assert store.objects == {}
    assert store.open_keys == []
