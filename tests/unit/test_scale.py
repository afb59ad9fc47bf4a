"""The benchmark of scaling: the simulated store's limit, and what is worked out on paper."""

from __future__ import annotations

import pytest
from benchmarks.scale import paper_row
from benchmarks.scale_on_paper import PLANS, Plan
from benchmarks.throttled_store import Limit
from hypothesis import given
from hypothesis import strategies as st


@given(
    per_s=st.integers(1, 50),
    gaps=st.lists(st.floats(0, 2), max_size=200),
)
def test_no_second_has_more_than_the_limit_allows(per_s: int, gaps: list[float]) -> None:
    """In any stretch of time a prefix gets at most a second's burst and what came since; every write is counted."""
    limit, now, accepted = Limit(per_s), 0.0, []
    for gap in gaps:
        now += gap
        if limit.lets_through(b"/bucket/raw/table/key", now):
            accepted.append(now)
    for index, start in enumerate(accepted):
        for number, end in enumerate(accepted[index:], start=1):
            assert number <= per_s + (end - start) * per_s + 1e-6
    assert (limit.accepted, limit.accepted + limit.refused) == (len(accepted), len(gaps))


def test_prefixes_have_a_limit_each() -> None:
    """What one table uses up is not missing at another, and a query does not make another prefix."""
    limit = Limit(1)
    assert limit.lets_through(b"/bucket/raw/one/a?partNumber=1", 0)
    assert not limit.lets_through(b"/bucket/raw/one/b", 0)
    assert limit.lets_through(b"/bucket/raw/two/a", 0)


@given(
    shards=st.integers(1, 2_000),
    rows=st.integers(1, 10**10),
    tables=st.integers(1, 500),
    rows_per_object=st.integers(1, 10**6),
)
def test_a_plan_has_room_for_every_row(shards: int, rows: int, tables: int, rows_per_object: int) -> None:
    """The objects of a plan hold all rows, and without one of them for each table and shard they would not."""
    plan = Plan(shards, rows, tables, rows_per_object)
    assert plan.objects * rows_per_object >= rows * (1 - 1e-9)
    assert plan.objects <= rows / rows_per_object * (1 + 1e-9) + shards * tables
    assert plan.puts >= plan.objects + shards


@pytest.mark.parametrize("name", PLANS)
def test_what_the_page_says_of_the_plans(name: str) -> None:
    """The plans of docs/scaling.md are of 10^10 rows, and their cost and sizes are those that its text names."""
    plan = PLANS[name]
    assert plan.rows == 10**10
    assert 5 <= plan.put_dollars < 6.1
    assert paper_row(name, plan)[1] == f"{plan.objects:,}"
    if name == "defaults":
        assert 290 < plan.list_bytes / 2**20 < 310
        assert plan.publication_bytes < 2**20
