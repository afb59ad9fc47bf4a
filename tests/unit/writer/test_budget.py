from __future__ import annotations

import asyncio

import pytest

from cloudquery_s3.writer.budget import MemoryBudget


class Table:
    """A holder that sends on what it holds."""

    def __init__(self, budget: MemoryBudget) -> None:
        self.budget = budget
        self.sent: list[int] = []

    def relieve(self) -> bool:
        self.sent.append(self.budget.release(self))
        self.budget.launch(self.sent[-1])
        return True


def test_the_largest_open_object_makes_room() -> None:
    """When open objects fill their share, the one that holds most is sent on, and no other."""

    async def scenario() -> None:
        budget = MemoryBudget(300)
        small, large = Table(budget), Table(budget)
        budget.hold(small, 100)
        budget.hold(large, 100)
        assert not budget.full
        budget.hold(large, 1)
        assert budget.full
        waiting = asyncio.ensure_future(budget.make_room())
        await asyncio.sleep(0)
        budget.land(101)
        await waiting
        assert (small.sent, large.sent) == ([], [101])

    asyncio.run(scenario())


def test_a_slow_store_makes_the_stream_wait() -> None:
    """While a third of the budget is in flight nothing more is received; a landing lets it go on."""

    async def scenario() -> None:
        budget = MemoryBudget(300)
        budget.launch(101)
        assert budget.full
        waiting = asyncio.ensure_future(budget.make_room())
        await asyncio.sleep(0)
        assert not waiting.done()
        budget.land(1)
        await waiting

    asyncio.run(scenario())


@pytest.mark.parametrize(("limit_mib", "in_flight_mib"), [(96, 32), (192, 64), (320, 64), (1000, 200)])
def test_shares(limit_mib: int, in_flight_mib: int) -> None:
    """A third of the budget may be in flight, of a larger one 64 MiB or a fifth, and all the rest may be held."""

    async def scenario() -> None:
        mib = 1 << 20
        flying, holding = MemoryBudget(limit_mib * mib), MemoryBudget(limit_mib * mib)
        flying.launch(in_flight_mib * mib)
        holding.hold(Table(holding), (limit_mib - in_flight_mib) * mib)
        assert not flying.full
        assert not holding.full
        flying.launch(1)
        holding.hold(Table(holding), 1)
        assert flying.full
        assert holding.full

    asyncio.run(scenario())


def test_what_is_released_is_free() -> None:
    """Bytes held, launched and landed leave the budget empty."""
    budget = MemoryBudget(300)
    table = Table(budget)
    budget.hold(table, 5)
    budget.hold(table, 7)
    table.relieve()
    budget.land(12)
    assert (budget.held_bytes, budget.in_flight_bytes) == (0, 0)


def test_what_cannot_be_sent_is_not_waited_for() -> None:
    """Where no open object can be sent on, the limit gives way instead of blocking the stream."""

    class Stuck:
        def relieve(self) -> bool:
            return False

    async def scenario() -> None:
        budget = MemoryBudget(300)
        budget.hold(Stuck(), 250)
        await asyncio.wait_for(budget.make_room(), 5)
        smaller = Table(budget)
        budget.hold(smaller, 10)
        waiting = asyncio.ensure_future(budget.make_room())
        await asyncio.sleep(0)
        assert smaller.sent == [10]
        await waiting

    asyncio.run(scenario())
