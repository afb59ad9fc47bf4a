from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudquery_s3.publication.documents import Head
from cloudquery_s3.publication.expire import expiries
from cloudquery_s3.publication.syncs import WHOLE, grouped
from publication_syncs import head
from reader import moment


@pytest.mark.parametrize(
    ("heads", "status", "counted"),
    [
        ([head("s", 0)], "complete", 1),
        ([head("s", 0, "failed")], "failed", 0),
        ([head("s", 0, "interrupted")], "interrupted", 0),
        ([head("s", 0, "failed"), head("s", 1)], "complete", 1),
        ([head("s", 0), head("s", 1, "failed")], "failed", 1),
        ([head("s", 0, "failed", sources=""), head("s", 1)], "complete", 1),
        ([head("s", 0, "failed", sources="ab"), head("s", 1)], "failed", 1),
        ([head("s", 0, sources="a"), head("s", 1, sources="b")], "complete", 2),
        ([head("s", 0), head("s", 5)], "complete", 1),
        ([head("s", 0, part="0"), head("s", 0, part="1")], "parts", 2),
        ([head("s", 0, part="0"), head("s", 0, "failed", part="1")], "failed", 1),
        ([head("s", 0, "failed", part="0"), head("s", 5, part="1")], "failed", 1),
        ([head("s", 0), head("s", 0, kind="publication", of=[head("s", 0)])], "published", 1),
    ],
)
def test_status(heads: list[Head], status: str, counted: int) -> None:
    """A sync is what the last Write of each part and source made of it."""
    (sync,) = grouped(heads)
    assert (sync.status, len(sync.counted)) == (status, counted)


def test_parts_in_order() -> None:
    """Parts are listed by number, and names after numbers; a source's shards are the source."""
    (sync,) = grouped([head("s", 0, part=part) for part in ("10", "b", "9", "a")])
    assert sync.parts == ["9", "10", "a", "b"]
    (named,) = grouped([Head("k", "", head("s", 0, part="0").fields | {"sources": ["aws_1_4"]})])
    assert named.sources == {"aws"}
    (whole,) = grouped([Head("k", "", head("s", 0).fields | {"sources": ["aws_1_4"]})])
    assert whole.sources == {"aws_1_4"}


def gone(heads: list[Head], *, keep: int | None = None, before: int | None = None, told: Any = ()) -> dict[str, str]:
    """What expires, and why."""
    limit = None if before is None else moment(before)
    found = expiries(grouped(heads), keep=keep, before=limit, told=frozenset(told))
    return {expiry.sync.sync_id: expiry.reason for expiry in found}


def test_keep() -> None:
    """The newest whole syncs of each set of sources stay, and what is not whole goes once it is behind them."""
    heads = [head(f"a{n}", 10 * n) for n in range(4)] + [head("b0", 1, sources="b")]
    heads += [head("broken", 5, "failed"), head("running", 35, part="0"), head("latest-broken", 40, "failed")]
    assert gone(heads, keep=2) == {"a1": "old", "a0": "old", "broken": "incomplete"}
    assert gone(heads, keep=1) == {"a2": "old", "a1": "old", "a0": "old", "broken": "incomplete"}
    assert gone(heads, keep=9) == {"broken": "incomplete"}
    assert gone(heads, keep=2, told=["a0"]) == {"a1": "old", "broken": "incomplete"}


def test_older_than() -> None:
    """What ended before goes, but the newest whole sync of each set of sources."""
    heads = [head(f"a{n}", 10 * n) for n in range(3)] + [head("b0", 1, sources="b"), head("broken", 5, "failed")]
    assert gone(heads, before=1000) == {"a1": "old", "a0": "old", "broken": "incomplete"}
    assert gone(heads, before=8) == {"a0": "old", "broken": "incomplete"}
    assert gone(heads, before=0) == {}


def test_superseded() -> None:
    """Writes that do not count go from a sync that stays, once it is whole, and no others of it."""
    retried = [head("s", 0, "failed"), head("s", 5)]
    (expiry,) = expiries(grouped(retried), keep=1, before=None)
    assert (expiry.reason, expiry.documents) == ("superseded", retried[:1])
    assert gone([head("s", 0, "failed", part="0"), head("s", 5, part="0")], keep=1) == {}
    late = [head("s", 0), head("s", 0, kind="publication", of=[head("s", 0)]), head("s", 9)]
    (expiry,) = expiries(grouped(late), keep=1, before=None)
    assert expiry.documents == late[2:]


HEADS = st.lists(
    st.builds(
        head,
        st.sampled_from("pqrst"),
        st.integers(0, 20),
        st.sampled_from(["complete", "failed", "interrupted"]),
        part=st.sampled_from([None, "0", "1"]),
        sources=st.sampled_from(["", "a", "b", "ab"]),
    ),
    unique_by=lambda one: one.key,
    max_size=12,
)


@given(HEADS, st.integers(1, 3), st.integers(0, 25))
def test_what_always_stays(heads: list[Head], keep: int, before: int) -> None:
    """With either rule a whole sync of every set of sources stays, untouched, the newest one; nothing goes twice."""
    syncs = grouped(heads)
    newest = {sync.sources: sync for sync in reversed(syncs) if sync.status in WHOLE}
    for found in (
        expiries(syncs, keep=keep, before=None),
        expiries(syncs, keep=None, before=moment(before)),
    ):
        documents = [one.key for expiry in found for one in expiry.documents]
        assert len(documents) == len(set(documents))
        read = {one.key for sync in newest.values() for one in sync.counted}
        assert not read & set(documents)
