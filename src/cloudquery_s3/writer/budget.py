"""How much memory rows may take on their way, over all tables, streams and destinations of a process."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_IN_FLIGHT_PART: Final = 3
_ENOUGH_IN_FLIGHT_BYTES: Final = 64 << 20
_ENCODING_BYTES_EACH_CORE: Final = 32 << 20
_LEAST_IN_FLIGHT_PART: Final = 5
_BETWEEN_TRIMS_S: Final = 1


def usable_cores() -> int:
    """Return how many cores this process may use (its affinity, where the system tells)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class MemoryBudget:
    """Counts the bytes of rows that are received and not yet in the bucket; lets a stream wait until there is room.

    Each object has a `Reservation`, whose bytes are in one of three states:

    * *held*: rows of an object that may still grow, or encoded bytes that wait for more of them;
    * *encoding*: rows that an encoder has or is about to get, counted twice for their encoded copy;
    * *uploading*: encoded bytes that the store has not acknowledged.

    All three together stay below the limit. What is encoding has a limit of its own, as many rows as keep the cores
    busy, so that rows are not queued where they could still be held for a larger object. And held rows leave a part of
    the limit to the other two: beyond that the largest object is evicted, that is, ended or sent on in a piece. So a
    store that is slower than the source slows the source down, and does not fill the memory first.

    Lives on the event loop: not thread-safe.
    """

    def __init__(
        self,
        limit_bytes: int,
        *,
        cores: int | None = None,
        trim: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make a budget of which nothing is used.

        Args:
            limit_bytes: what its first destination asks for.
            cores: how many are to be kept busy; by default those that this process may use.
            trim: gives memory back that is freed and kept, and does not block. It is called while encoded bytes that
                wait for the store take more than half of the limit, once a second at most: the rows that they were made
                of were freed where the threads that encode cannot use it.
            clock: tells seconds.
        """
        self.limit_bytes = limit_bytes
        self._limits = [limit_bytes]
        self.held_bytes = 0
        self.encoding_bytes = 0
        self.uploading_bytes = 0
        self._cores = cores or usable_cores()
        self._share_out()
        self._reservations: set[Reservation] = set()
        self._freed = asyncio.Event()
        self._trim = trim
        self._clock = clock
        self._trimmed_at = float("-inf")

    def join(self, limit_bytes: int) -> None:
        """Let a further destination share the budget: the limit is the largest that one of them has asked for."""
        self._limits.append(limit_bytes)
        self._share_out()

    def leave(self, limit_bytes: int) -> None:
        """End a destination's part in the budget; the last one's limit stays."""
        self._limits.remove(limit_bytes)
        self._share_out()

    def _share_out(self) -> None:
        self.limit_bytes = max(self._limits, default=self.limit_bytes)
        third = self.limit_bytes // _IN_FLIGHT_PART
        enough = max(_ENOUGH_IN_FLIGHT_BYTES, self.limit_bytes // _LEAST_IN_FLIGHT_PART)
        self._encoding_limit = min(third, max(self._cores * _ENCODING_BYTES_EACH_CORE, enough))
        self._held_limit = self.limit_bytes - min(third, enough)

    def reserve(self, evict: Callable[[], bool]) -> Reservation:
        """Return the account of a new object, empty; `close` ends it.

        Args:
            evict: sends on what the object holds, so that it is no longer held; returns False if that would not pay.
        """
        reservation = Reservation(self, evict)
        self._reservations.add(reservation)
        return reservation

    @property
    def full(self) -> bool:
        """Whether nothing more should be received before `make_room` has returned."""
        held, encoding = self.held_bytes, self.encoding_bytes
        return (
            encoding > self._encoding_limit
            or held > self._held_limit
            or held + encoding + self.uploading_bytes > self.limit_bytes
        )

    @property
    def free_bytes(self) -> int:
        """What the limit leaves."""
        return self.limit_bytes - self.held_bytes - self.encoding_bytes - self.uploading_bytes

    async def make_room(self) -> None:
        """Return when more may be received.

        Where open objects hold too much, the largest is evicted; otherwise an encoder or the store is waited for. The
        limit gives way where nothing can be done: to open objects of fixed keys that are each too small for a part of
        an upload.
        """
        while self.full:
            much_encoding, much_held = self.encoding_bytes > self._encoding_limit, self.held_bytes > self._held_limit
            if much_held and not much_encoding and self._evict_one():
                continue
            if not self.encoding_bytes and not self.uploading_bytes:
                return
            self._freed.clear()
            await self._freed.wait()

    def _evict_one(self) -> bool:
        holding = (reservation for reservation in self._reservations if reservation.held_bytes)
        return any(one.evict() for one in sorted(holding, key=lambda one: one.held_bytes, reverse=True))

    def release(self, reservation: Reservation) -> None:
        """Forget an account that was closed."""
        self._reservations.discard(reservation)

    def count(self, held_bytes: int, encoding_bytes: int, uploading_bytes: int) -> None:
        """Add what a reservation has changed by."""
        self.held_bytes += held_bytes
        self.encoding_bytes += encoding_bytes
        self.uploading_bytes += uploading_bytes
        if encoding_bytes < 0 or uploading_bytes < 0:
            self._freed.set()
        if 2 * self.uploading_bytes > self.limit_bytes and self._clock() >= self._trimmed_at + _BETWEEN_TRIMS_S:
            self._trimmed_at = self._clock()
            self._trim()


class Reservation:
    """What one object takes of the budget, by state; see `MemoryBudget`.

    Attributes:
        evict: sends on what is held; returns False if that would not pay.
        held_bytes: bytes that are held.
    """

    __slots__ = ("_budget", "_encoding_bytes", "_uploading_bytes", "evict", "held_bytes")

    def __init__(self, budget: MemoryBudget, evict: Callable[[], bool]) -> None:
        self.evict = evict
        self.held_bytes = 0
        self._encoding_bytes = 0
        self._uploading_bytes = 0
        self._budget = budget

    def hold(self, size_bytes: int) -> None:
        """Hold so many bytes more."""
        self.held_bytes += size_bytes
        self._budget.held_bytes += size_bytes

    def set(self, *, held_bytes: int, encoding_bytes: int, uploading_bytes: int) -> None:
        """Replace what is counted in each state."""
        changes = (
            held_bytes - self.held_bytes,
            encoding_bytes - self._encoding_bytes,
            uploading_bytes - self._uploading_bytes,
        )
        self.held_bytes, self._encoding_bytes, self._uploading_bytes = held_bytes, encoding_bytes, uploading_bytes
        self._budget.count(*changes)

    def close(self) -> None:
        """Return everything."""
        self.set(held_bytes=0, encoding_bytes=0, uploading_bytes=0)
        self._budget.release(self)
