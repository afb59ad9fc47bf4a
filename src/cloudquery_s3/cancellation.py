"""How everyone who works on one object learns that it has been given up."""

from __future__ import annotations

import threading
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import TYPE_CHECKING, Any

from cloudquery_s3.errors import ObjectCancelledError

if TYPE_CHECKING:
    from collections.abc import Iterable


class Cancellation:
    """One object's token: set once, by any thread, and never cleared.

    Whoever waits for the sake of the object waits here; whoever begins a request for it asks `check` first.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._set: Future[None] = Future()

    def cancel(self) -> None:
        """Give the object up; idempotent. Whoever waits returns at once."""
        with self._lock:
            if not self._set.done():
                self._set.set_result(None)

    @property
    def cancelled(self) -> bool:
        """Whether the object has been given up."""
        return self._set.done()

    def check(self) -> None:
        """Return while the object is wanted.

        Raises:
            ObjectCancelledError: it has been given up.
        """
        if self.cancelled:
            raise ObjectCancelledError

    def wait(self, seconds: float) -> bool:
        """Return True as soon as the object has been given up, or False after so many seconds."""
        return bool(wait([self._set], timeout=seconds).done)

    def wait_for_any(self, futures: Iterable[Future[Any]]) -> None:
        """Return when one of these futures is done.

        Raises:
            ObjectCancelledError: the object has been given up, be it before or meanwhile.
        """
        wait([self._set, *futures], return_when=FIRST_COMPLETED)
        self.check()
