"""How much memory rows may take on their way, over all tables and streams."""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

_IN_FLIGHT_SHARE: Final = 3


class Holder(Protocol):
    """Who holds rows of an open object."""

    def relieve(self) -> bool:
        """Send what is held on its way, so that it stops being held; return False if that would not pay."""


class MemoryBudget:
    """Counts the bytes of rows that are received and not yet in the bucket; lets a stream wait until there is room.

    Bytes are *held* (rows of an object that may still grow), *in flight* (handed to a worker, to be encoded and
    uploaded; counted twice, for the encoded copy) or *buffered* (encoded, and too few to be sent before more come). Two
    thirds of the limit are for what is held and buffered, one for what is in flight: a store that is slower than the
    source slows the source down, and does not fill the memory first.

    Lives on the event loop: not thread-safe.
    """

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.held_bytes = 0
        self.in_flight_bytes = 0
        self.buffered_bytes = 0
        self._held: dict[Holder, int] = {}
        self._landed = asyncio.Event()

    def hold(self, holder: Holder, size_bytes: int) -> None:
        """Count bytes that a holder took."""
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

    def land(self, size_bytes: int, *, newly_buffered_bytes: int) -> None:
        """Forget bytes in flight, and count those of them that wait in an upload (negative: that have left it)."""
        self.in_flight_bytes -= size_bytes
        self.buffered_bytes += newly_buffered_bytes
        self._landed.set()

    async def make_room(self, size_bytes: int) -> None:
        """Return when so many more bytes may be held.

        While too much is in flight, a landing is waited for; while open objects leave no room, the largest is sent on
        its way. The limit gives way where nothing can be sent: to bytes that alone are more than it, and to open
        objects of fixed keys that are each too small for a part of an upload.
        """
        in_flight_limit = self.limit_bytes // _IN_FLIGHT_SHARE
        open_limit = self.limit_bytes - in_flight_limit
        while True:
            if self.in_flight_bytes > in_flight_limit:
                self._landed.clear()
                await self._landed.wait()
            elif self.held_bytes + self.buffered_bytes + size_bytes <= open_limit or not self._relieve_largest():
                return

    def _relieve_largest(self) -> bool:
        return bool(self._held) and max(self._held, key=self._held.__getitem__).relieve()
