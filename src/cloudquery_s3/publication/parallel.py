"""Many requests at the same time, with few of their answers in memory."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, TypeVar

from cloudquery_s3.scope import Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future

T = TypeVar("T")
R = TypeVar("R")

THREADS: Final = 32


def in_parallel(call: Callable[[T], R], items: Iterable[T], *, threads: int = THREADS) -> Iterator[R]:
    """Yield `call`'s results in the order of the items; no more than twice `threads` are begun and not yet taken.

    Raises:
        Exception: what the first failing call raises; calls that have begun are waited for.
    """
    running: deque[Future[R]] = deque()
    with Workers(threads, thread_name_prefix="bucket") as pool:
        try:
            for item in items:
                running.append(pool.submit(call, item))
                if len(running) >= 2 * threads:
                    yield running.popleft().result()
            while running:
                yield running.popleft().result()
        finally:
            for future in running:
                future.cancel()
