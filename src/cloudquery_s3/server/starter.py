"""The CLI that has started this process, and its end: killed, it leaves its plugins behind."""

from __future__ import annotations

import asyncio
import os
import select
import stat
import sys
from typing import Final

_POLL_S: Final = 1.0
_STDOUT: Final = 1


class Starter:
    """The process that has started this one.

    A CLI connects here itself, and reads this process's output through a pipe: when it is gone the first has lost its
    parent, and the second its reader. A script that starts a service does neither, and may end.
    """

    def __init__(self) -> None:
        self._process = os.getppid()
        self._is_client = False

    def connected(self, process: int | None) -> None:
        """Take note that a process has connected."""
        self._is_client = self._is_client or process == self._process == os.getppid()

    async def gone(self) -> None:
        """Return when it was a CLI, and is gone."""
        while not self._is_gone():  # noqa: ASYNC110 -- the kernel tells no event of it
            await asyncio.sleep(_POLL_S)

    def _is_gone(self) -> bool:
        return (self._is_client and os.getppid() != self._process) or _is_broken_pipe(_STDOUT)


def _is_broken_pipe(descriptor: int) -> bool:
    """Return whether a descriptor is a pipe that nobody reads any more."""
    if sys.platform == "win32" or not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
        return False
    poll = select.poll()
    poll.register(descriptor, 0)
    return any(events & select.POLLERR for _, events in poll.poll(0))
