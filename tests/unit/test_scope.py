"""Scopes: whoever works for a sync knows for which, on whatever thread."""

from __future__ import annotations

import ast
import asyncio
import threading
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from cloudquery_s3 import scope
from cloudquery_s3.scope import Scope, SeenSources, Workers

SOURCES = Path(scope.__file__).parent


def test_a_task_takes_over_the_scope() -> None:
    """A task is in the scope of the code that has made it, and what it enters is its own."""

    async def run() -> tuple[str, str]:
        scope.enter(sync_id="one")

        async def other() -> str:
            before = scope.current().sync_id
            scope.enter(sync_id="two")
            return before

        taken = await asyncio.create_task(other())
        return taken, scope.current().sync_id

    assert asyncio.run(run()) == ("one", "one")


def test_a_worker_works_in_the_scope_of_its_work() -> None:
    """The same thread works for one scope after the other: that of the code that has given it the work."""
    with Workers(1) as workers:
        found = []
        for name in ("one", "two"):
            with scope.within(Scope(sync_id=name)):
                found.append(workers.submit(lambda: (scope.current().sync_id, threading.get_ident())).result())
        found.append(workers.submit(lambda: (scope.current().sync_id, threading.get_ident())).result())
    assert [name for name, _ in found] == ["one", "two", ""]
    assert len({thread for _, thread in found}) == 1


def test_work_that_waits_is_counted() -> None:
    """Work that no thread has begun is waiting; work that one has begun is not."""
    goes_on, has_begun = threading.Event(), threading.Event()

    def work() -> None:
        has_begun.set()
        goes_on.wait()

    with Workers(1) as workers:
        workers.submit(work)
        assert has_begun.wait(10)
        assert workers.waiting == 0
        workers.submit(work)
        assert workers.waiting == 1
        goes_on.set()


def test_scopes_of_two_objects_differ() -> None:
    """Two scopes of the same content are not the same: each object has one of its own."""
    assert Scope(table="t") != Scope(table="t")


@given(st.lists(st.tuples(st.sampled_from("tuv"), st.frozensets(st.text(max_size=2)))))
def test_sources_that_were_seen(seen: list[tuple[str, frozenset[str]]]) -> None:
    """A table's sources are all that its rows have named, once each and in order; no other table's."""
    sources = SeenSources()
    for table, names in seen:
        sources.add(table, names)
    for table in "tuvw":
        assert sources.of(table) == sorted({name for one, names in seen if one == table for name in names})


def test_all_threads_are_workers() -> None:
    """No module starts a pool whose threads would not know for which sync they work."""
    others = [
        path
        for path in SOURCES.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("ThreadPoolExecutor")
    ]
    assert others == []
