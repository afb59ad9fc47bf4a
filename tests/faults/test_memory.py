"""The memory budget, under the loads that would break it: many tables, a slow store, an object larger than it."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import threading
from collections import Counter
from typing import TYPE_CHECKING, Final

import pytest

import rows
from cloudquery_s3.formats import make_format
from cloudquery_s3.server.destination import Destination, write_context
from cloudquery_s3.stores.memory import MemoryStore
from cloudquery_s3.writer.budget import MemoryBudget
from faults.delivery import Way, text_batch
from s3_servers import real_server  # noqa: F401 -- a fixture
from specs import INVOCATION_ID, parsed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from s3_servers import S3Server

MIB: Final = 1 << 20


class Watched(MemoryBudget):
    """Notes the most that was ever counted.

    Attributes:
        peak_bytes: of rows that were received and not yet stored. What is being encoded counts twice in the budget, for
            the encoded copy, and once here.
    """

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(limit_bytes)
        self.peak_bytes = 0

    def count(self, held_bytes: int, encoding_bytes: int, uploading_bytes: int) -> None:
        super().count(held_bytes, encoding_bytes, uploading_bytes)
        self.peak_bytes = max(self.peak_bytes, self.held_bytes + self.encoding_bytes // 2 + self.uploading_bytes)


def into_memory(store: MemoryStore, budget: MemoryBudget, **options: Any) -> Destination:
    """A destination in memory, with this budget."""
    spec = parsed(**options)
    context = write_context(spec, store, file_format=make_format(spec), sync_id=INVOCATION_ID)
    return Destination(spec, store, dataclasses.replace(context, budget=budget), sync_id=INVOCATION_ID)


def numbers(store: MemoryStore) -> dict[str, list[int]]:
    """The `n` of all rows, sorted, by table."""
    found: dict[str, list[int]] = {}
    for key, data in store.objects.items():
        found.setdefault(key.split("/")[0], []).extend(json.loads(line)["n"] for line in data.splitlines())
    return {table: sorted(values) for table, values in found.items()}


def messages(tables: int, rounds: int, rows_each: int) -> Iterator[tuple[int, bytes]]:
    """Messages of all tables in turns, with their round."""
    for number in range(rounds):
        values = list(range(number * rows_each, (number + 1) * rows_each))
        for table in range(tables):
            yield number, rows.ipc(rows.batch(f"t{table}", values))


def test_500_tables_stay_inside() -> None:
    """500 tables open at once, several times the budget together, never count more than it, and every row arrives."""
    store, budget = MemoryStore(), Watched(1 * MIB)
    largest = 0

    async def scenario() -> None:
        nonlocal largest
        destination = into_memory(store, budget)
        stream = destination.open_stream(lambda: None)
        for _, payload in messages(tables=500, rounds=3, rows_each=400):
            largest = max(largest, len(payload))
            stream.insert(payload)
            if stream.full:
                await stream.make_room()
        await stream.finish()
        destination.end_stream(stream)
        destination.retire()

    asyncio.run(scenario())
    assert budget.peak_bytes <= budget.limit_bytes + largest
    assert numbers(store) == {f"t{table}": list(range(1200)) for table in range(500)}
    assert (budget.held_bytes, budget.encoding_bytes, budget.uploading_bytes) == (0, 0, 0)


def test_a_slow_store_holds_back_a_fast_source() -> None:
    """While the store takes nothing, the source gets rid of what the budget holds, encoded; then all rows arrive."""
    gate = threading.Event()
    store = MemoryStore(lambda operation, _key: None if operation != "PutObject" else _wait(gate))
    budget = Watched(1 * MIB)
    received: Counter[str] = Counter()

    async def scenario() -> None:
        destination = into_memory(store, budget, batch_size=1000)
        stream = destination.open_stream(lambda: None)

        async def send() -> None:
            for _, payload in messages(tables=5, rounds=40, rows_each=1000):
                stream.insert(payload)
                received["bytes"] += len(payload)
                if stream.full:
                    await stream.make_room()

        sending = asyncio.ensure_future(send())
        while not (stream.full and not budget.encoding_bytes):  # noqa: ASYNC110 -- worker threads will bring it there
            await asyncio.sleep(0.001)
        before = received["bytes"]
        for _ in range(100):
            await asyncio.sleep(0)
        assert received["bytes"] == before
        assert not sending.done()
        assert store.objects == {}
        gate.set()
        await sending
        await stream.finish()
        destination.end_stream(stream)
        destination.retire()

    asyncio.run(scenario())
    assert budget.peak_bytes <= budget.limit_bytes + 20_000
    assert numbers(store) == {f"t{table}": list(range(40_000)) for table in range(5)}


def _wait(gate: threading.Event) -> None:
    assert gate.wait(30)


@pytest.mark.server
@pytest.mark.parametrize("file_format", ["parquet", "json"])
def test_an_object_larger_than_the_budget(
    real_server: S3Server,  # noqa: F811 -- the fixture's name
    monkeypatch: pytest.MonkeyPatch,
    file_format: str,
) -> None:
    """A `no_rotate` table of three times the budget goes up in parts, inside the budget, as one whole object."""
    for name, value in real_server.environment().items():
        monkeypatch.setenv(name, value)
    bucket, budget = real_server.new_bucket(), Watched(24 * MIB)
    batches = [text_batch("one", start, 32, 64 << 10) for start in range(0, 36 * 32, 32)]  # 72 MiB
    way = Way(
        bucket=bucket,
        endpoint=real_server.endpoint,
        file_format=file_format,
        options={"no_rotate": True, "path": "{{TABLE}}", "test_write": False},
        budget=budget,
    )
    delivery = way.deliver(batches)
    assert delivery.error is None
    assert budget.peak_bytes <= budget.limit_bytes + 3 * MIB
    assert bucket.etags()["one"].rpartition("-")[2].isdigit()
    delivery.check(bucket)
