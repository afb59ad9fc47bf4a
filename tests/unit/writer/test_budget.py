from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudquery_s3.writer.budget import MemoryBudget

if TYPE_CHECKING:
    from cloudquery_s3.writer.budget import Reservation

MIB: Final = 1 << 20


class Open:
    """An open object: holds bytes, and sends them to be encoded when it is evicted."""

    def __init__(self, budget: MemoryBudget, *, stuck: bool = False) -> None:
        self.account: Reservation = budget.reserve(self.evict)
        self.sent: list[int] = []
        self.stuck = stuck

    def evict(self) -> bool:
        if self.stuck:
            return False
        self.sent.append(self.account.held_bytes)
        self.account.set(held_bytes=0, encoding_bytes=2 * self.sent[-1], uploading_bytes=0)
        return True


def test_the_largest_open_object_makes_room() -> None:
    """When open objects fill their share, the one that holds most is sent on, and no other."""

    async def scenario() -> None:
        budget = MemoryBudget(300)
        small, large = Open(budget), Open(budget)
        small.account.hold(100)
        large.account.hold(100)
        assert not budget.full
        large.account.hold(1)
        assert budget.full
        waiting = asyncio.ensure_future(budget.make_room())
        await asyncio.sleep(0)
        large.account.close()
        await waiting
        assert (small.sent, large.sent) == ([], [101])

    asyncio.run(scenario())


def test_rows_that_wait_for_an_encoder_hold_back_the_stream() -> None:
    """While a third of the budget is being encoded nothing more is received; an encoder that ends lets it go on."""

    async def scenario() -> None:
        budget = MemoryBudget(300)
        account = Open(budget).account
        account.set(held_bytes=0, encoding_bytes=101, uploading_bytes=0)
        assert budget.full
        waiting = asyncio.ensure_future(budget.make_room())
        await asyncio.sleep(0)
        assert not waiting.done()
        account.set(held_bytes=0, encoding_bytes=0, uploading_bytes=50)
        await waiting

    asyncio.run(scenario())


def test_a_slow_store_may_take_all_that_is_free() -> None:
    """Encoded bytes may fill what rows leave of the budget; beyond that the stream waits for the store."""

    async def scenario() -> None:
        budget = MemoryBudget(300)
        rows, sent = Open(budget), Open(budget)
        rows.account.hold(50)
        sent.account.set(held_bytes=0, encoding_bytes=0, uploading_bytes=250)
        assert not budget.full
        rows.account.hold(1)
        assert budget.full
        waiting = asyncio.ensure_future(budget.make_room())
        await asyncio.sleep(0)
        assert not waiting.done()
        sent.account.close()
        await waiting
        assert rows.sent == []

    asyncio.run(scenario())


@pytest.mark.parametrize(("limit_mib", "encoding_mib"), [(96, 32), (192, 64), (320, 64), (1000, 200)])
def test_shares(limit_mib: int, encoding_mib: int) -> None:
    """A third of the budget may be encoded at once, of a larger one 64 MiB or a fifth; the rest may be held."""

    async def scenario() -> None:
        encoding, holding = MemoryBudget(limit_mib * MIB, cores=2), MemoryBudget(limit_mib * MIB, cores=2)
        Open(encoding).account.set(held_bytes=0, encoding_bytes=encoding_mib * MIB, uploading_bytes=0)
        rows = Open(holding).account
        rows.hold((limit_mib - encoding_mib) * MIB)
        assert not encoding.full
        assert not holding.full
        Open(encoding).account.set(held_bytes=0, encoding_bytes=1, uploading_bytes=0)
        rows.hold(1)
        assert encoding.full
        assert holding.full

    asyncio.run(scenario())


def test_more_cores_encode_more() -> None:
    """With more cores more rows may be encoded at once, up to a third of the budget."""
    budget = MemoryBudget(1200 * MIB, cores=10)
    Open(budget).account.set(held_bytes=0, encoding_bytes=320 * MIB, uploading_bytes=0)
    assert not budget.full


def test_destinations_share_the_largest_limit() -> None:
    """A budget that several destinations share has the largest limit of those that live; the last one's stays."""
    budget = MemoryBudget(100 * MIB)
    budget.join(300 * MIB)
    budget.join(200 * MIB)
    assert budget.limit_bytes == 300 * MIB
    Open(budget).account.hold(200 * MIB)
    assert not budget.full
    budget.leave(300 * MIB)
    assert budget.limit_bytes == 200 * MIB
    assert budget.full
    budget.leave(100 * MIB)
    budget.leave(200 * MIB)
    assert budget.limit_bytes == 200 * MIB


def test_what_cannot_be_sent_is_not_waited_for() -> None:
    """Where no open object can be sent on, the limit gives way instead of blocking the stream."""

    async def scenario() -> None:
        budget = MemoryBudget(300)
        Open(budget, stuck=True).account.hold(250)
        await asyncio.wait_for(budget.make_room(), 5)
        smaller = Open(budget)
        smaller.account.hold(10)
        waiting = asyncio.ensure_future(budget.make_room())
        await asyncio.sleep(0)
        assert smaller.sent == [10]
        smaller.account.close()
        await waiting

    asyncio.run(scenario())


def test_memory_is_given_back_while_much_waits_for_the_store() -> None:
    """While encoded bytes take more than half of the limit, freed memory is given back, once a second at most."""
    trims: list[float] = []
    clock = [0.0]
    budget = MemoryBudget(300, trim=lambda: trims.append(clock[0]), clock=lambda: clock[0])
    account = Open(budget).account
    for clock[0], encoding, uploading in ((0.0, 300, 150), (0.5, 0, 151), (1.4, 0, 200), (1.5, 0, 160), (2.5, 0, 150)):
        account.set(held_bytes=0, encoding_bytes=encoding, uploading_bytes=uploading)
    assert trims == [0.5, 1.5]


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 99), st.integers(0, 99), st.integers(0, 99))))
def test_closed_accounts_leave_nothing(changes: list[tuple[int, int, int, int]]) -> None:
    """Whatever objects take in whatever state, the budget is their sum, and empty once all are closed."""
    budget = MemoryBudget(300)
    accounts = [Open(budget).account for _ in range(5)]
    state = {}
    for number, held, encoding, uploading in changes:
        accounts[number].set(held_bytes=held, encoding_bytes=encoding, uploading_bytes=uploading)
        state[number] = (held, encoding, uploading)
    taken = (budget.held_bytes, budget.encoding_bytes, budget.uploading_bytes)
    assert taken == tuple(sum(column) for column in zip(*state.values(), strict=True)) or not state
    for account in accounts:
        account.close()
    assert (budget.held_bytes, budget.encoding_bytes, budget.uploading_bytes) == (0, 0, 0)
