"""How much memory rows may take on their way, over all tables and streams."""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

_IN_FLIGHT_PART: Final = 3
_ENOUGH_IN_FLIGHT_BYTES: Final = 64 << 20
_LEAST_IN_FLIGHT_PART: Final = 5


class Holder(Protocol):
    """Who holds bytes of an open object."""

    def relieve(self) -> bool:
        """Send what is held on its way, so that it stops being held; return False if that would not pay."""


class MemoryBudget:
    """Counts the bytes of rows that are received and not yet in the bucket; lets a stream wait until there is room.

    Bytes are *held* (rows of an object that may still grow, or encoded ones that wait for more of them) or *in flight*
    (handed to a worker; rows count twice, for their encoded copy). A third of the limit is for what is in flight, but
    no more than 64 MiB or a fifth of the limit, since that keeps all workers busy; the rest is for what is held. So a
    store that is slower than the source slows the source down, and does not fill the memory first.

    Lives on the event loop: not thread-safe.
    """

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.held_bytes = 0
        self.in_flight_bytes = 0
        enough = max(_ENOUGH_IN_FLIGHT_BYTES, limit_bytes // _LEAST_IN_FLIGHT_PART)
        self._in_flight_limit = min(limit_bytes // _IN_FLIGHT_PART, enough)
        self._held: dict[Holder, int] = {}
        self._landed = asyncio.Event()

    def hold(self, holder: Holder, size_bytes: int) -> None:
        """Count bytes that a holder took; negative for those that it let go."""
        self._held[holder] = self._held.get(holder, 0) + size_bytes
        self.held_bytes += size_bytes

    def release(self, holder: Holder) -> int:
        """Forget all that a holder holds; return how much it was."""
        size_bytes = self._held.pop(holder, 0)
        self.held_bytes -= size_bytes
        return size_bytes

    def launch(self, size_bytes: int) -> None:
        """Count bytes that are handed to a worker."""
        self.in_flight_bytes += size_bytes

    def land(self, size_bytes: int) -> None:
        """Forget bytes in flight: a worker is done with them."""
        self.in_flight_bytes -= size_bytes
        self._landed.set()

    @property
    def full(self) -> bool:
        """Whether nothing more should be received before `make_room` has returned."""
        return self._much_in_flight or self._much_held

    async def make_room(self) -> None:
        """Return when more may be received.

        While too much is in flight, a landing is waited for; while open objects take too much, the largest is sent on
        its way. The limit gives way where nothing can be sent: to open objects of fixed keys that are each too small
        for a part of an upload.
        """
        while True:
            if self._much_in_flight:
                self._landed.clear()
                await self._landed.wait()
            elif not self._much_held or not self._relieve_one():
                return

    @property
    def _much_in_flight(self) -> bool:
        return self.in_flight_bytes > self._in_flight_limit

    @property
    def _much_held(self) -> bool:
        return self.held_bytes > self.limit_bytes - self._in_flight_limit

    def _relieve_one(self) -> bool:
        return any(holder.relieve() for holder in sorted(self._held, key=self._held.__getitem__, reverse=True))
