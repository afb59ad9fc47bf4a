"""What glibc does with memory that is freed. Elsewhere nothing happens."""

from __future__ import annotations

import asyncio
import ctypes
import os
import sys
from typing import Any, Final

_OPTIONS: Final = {
    -1: 1 << 30,  # M_TRIM_THRESHOLD: do not give back the top of the heap
    -3: 1 << 30,  # M_MMAP_THRESHOLD: no block is a mapping of its own
    -8: 4,  # M_ARENA_MAX: few arenas keep less than one a thread would, and encoders seldom wait for each other's
}


def keep_large_blocks() -> None:
    """Let glibc keep freed memory for the next message instead of giving it back page by page; Arrow uses it too.

    Halves the cost of receiving messages of megabytes (`docs/benchmarks.md`).
    """
    mallopt = _of_libc("mallopt")
    if mallopt is None:
        return
    for option, value in _OPTIONS.items():
        mallopt(option, value)
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")


def give_back() -> None:
    """Give back what is free now, in all arenas, page by page."""
    trim = _of_libc("malloc_trim")
    if trim is not None:
        trim(0)


def give_back_meanwhile() -> None:
    """Do so on a thread of the running event loop, and do not wait for it."""
    asyncio.get_running_loop().run_in_executor(None, give_back)


def _of_libc(name: str) -> Any:
    """Return a function of glibc, or None where there is no glibc."""
    if sys.platform != "linux":
        return None
    try:
        return getattr(ctypes.CDLL("libc.so.6"), name)
    except (OSError, AttributeError):
        return None
