"""The worker threads. Arrow, gzip, hashing and sockets release the GIL, so they are real parallelism."""

from __future__ import annotations

import asyncio
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_Result = TypeVar("_Result")

_UPLOADS: Final = 8


def usable_cores() -> int:
    """Return how many cores this process may use (its affinity, where the system tells)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Lanes:
    """Runs work off the event loop: a few workers more than cores, since most of them wait for the store.

    `encode_slots` bounds how many of them may keep a core busy.
    """

    def __init__(self, *, encoders: int | None = None) -> None:
        cores = encoders or usable_cores()
        self.encode_slots = threading.BoundedSemaphore(cores)
        self._pool = ThreadPoolExecutor(cores + _UPLOADS, thread_name_prefix="lane")

    async def run(self, work: Callable[[], _Result]) -> _Result:
        """Run `work` on a worker; first come, first served."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def close(self) -> None:
        """Let running work end and start no more; does not wait."""
        self._pool.shutdown(wait=False, cancel_futures=True)
