"""How much of large messages may have come and wait, over all calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from cloudquery_s3.server.limits import Limits


class Receiver(Protocol):
    """A call that receives a large message."""

    def go_on(self) -> None:
        """Let the client send more of it."""


class LargeMessages:
    """Counts what has come of large messages and is not taken, and tells calls to wait when that is too much.

    Beyond the limit the message that began first goes on alone, until whole ones that nobody takes reach the limit by
    themselves: so each comes to its end, and all together are twice the limit at most, one message, and the calls'
    windows.

    Lives on the event loop.

    Attributes:
        held_bytes: what has come and is not taken.
    """

    def __init__(self, limits: Limits) -> None:
        self.held_bytes = 0
        self._limit = limits.large_messages_bytes
        self._incomplete: dict[Receiver, int] = {}
        self._incomplete_bytes = 0

    def received(self, receiver: Receiver, size_bytes: int, *, complete: bool) -> None:
        """Count bytes of the one large message that a call receives."""
        self.held_bytes += size_bytes
        if complete:
            self._forget(receiver)
            self._wake()
        else:
            self._incomplete[receiver] = self._incomplete.get(receiver, 0) + size_bytes
            self._incomplete_bytes += size_bytes

    def may_go_on(self, receiver: Receiver) -> bool:
        """Whether more of a call's message should come now; else `go_on` is called later."""
        if self.held_bytes < self._limit:
            return True
        self._incomplete.setdefault(receiver, 0)
        is_first = next(iter(self._incomplete), None) is receiver
        return is_first and self.held_bytes - self._incomplete_bytes < self._limit

    def taken(self, size_bytes: int) -> None:
        """Forget the bytes of a whole message: somebody else counts them from now on."""
        self.held_bytes -= size_bytes
        self._wake()

    def dropped(self, receiver: Receiver, size_bytes: int) -> None:
        """Forget a call that has ended, and what has come of its messages."""
        self._forget(receiver)
        self.taken(size_bytes)

    def _forget(self, receiver: Receiver) -> None:
        self._incomplete_bytes -= self._incomplete.pop(receiver, 0)

    def _wake(self) -> None:
        for receiver in list(self._incomplete):
            if not self.may_go_on(receiver):
                return
            receiver.go_on()
