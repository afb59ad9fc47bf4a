"""For which sync the code that runs now works: what log lines, metrics and traces are joined by.

A scope is a context variable. A task takes over the scope of the code that has made it, a thread of `Workers` that of
the code that has given it its work; so whoever logs knows for whom, and no function passes it on.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")


class SeenSources:
    """The sources of a Write's rows, by table, as far as the rows have been read. Any thread may add and ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_table: dict[str, frozenset[str]] = {}

    def add(self, table: str, sources: frozenset[str]) -> None:
        """Take note of sources that rows of a table name."""
        with self._lock:
            self._by_table[table] = self._by_table.get(table, frozenset()) | sources

    def of(self, table: str) -> list[str]:
        """Return the sources of a table, in order."""
        with self._lock:
            return sorted(self._by_table.get(table, ()))


@dataclass(frozen=True, slots=True, eq=False)
class Scope:
    """What is worked for. Two scopes are never equal: that of an object is the object's own.

    Attributes:
        sync_id: the sync, by its invocation id, as manifests name it; empty outside of a sync.
        peer: the client's address, host:port; empty over a Unix socket.
        write_id: the Write, by its UUID; empty outside of one.
        table: the table of an object that is being written; empty elsewhere.
        opened_at: when that object's first row came.
        sources: where the Write's rows come from; None outside of one.
    """

    sync_id: str = ""
    peer: str = ""
    write_id: str = ""
    table: str = ""
    opened_at: datetime | None = None
    sources: SeenSources | None = None


_CURRENT: Final[ContextVar[Scope]] = ContextVar("scope", default=Scope())  # noqa: B039 - it is frozen


def current() -> Scope:
    """Return the scope of the code that calls."""
    return _CURRENT.get()


def enter(**known: Any) -> None:
    """Let the present scope have these attributes from now on, in this task and in all that it begins."""
    _CURRENT.set(replace(_CURRENT.get(), **known))


@contextmanager
def within(scope: Scope) -> Iterator[None]:
    """Let another scope hold inside the block."""
    token = _CURRENT.set(scope)
    try:
        yield
    finally:
        _CURRENT.reset(token)


class Workers(ThreadPoolExecutor):
    """Threads that work in the scope of whoever gives them work."""

    def submit(
        self, work: Callable[_Parameters, _Result], /, *args: _Parameters.args, **kwargs: _Parameters.kwargs
    ) -> Future[_Result]:
        """Have `work` called by a thread; see `concurrent.futures.Executor`."""
        return super().submit(copy_context().run, partial(work, *args, **kwargs))

    @property
    def waiting(self) -> int:
        """How much work no thread has begun yet."""
        return self._work_queue.qsize()
