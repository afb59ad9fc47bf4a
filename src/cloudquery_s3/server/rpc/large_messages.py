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

    The message that began first always goes on, however much there is: so each comes to its end. What they take is the
    limit at most, one message, and the calls' windows.

    Lives on the event loop.
    """

    def __init__(self, limits: Limits) -> None:
        self.held_bytes = 0
        self._limit = limits.large_messages_bytes
        self._incomplete: dict[Receiver, None] = {}

    def received(self, receiver: Receiver, size_bytes: int, *, complete: bool) -> None:
        """Count bytes of the one large message that a call receives."""
        self.held_bytes += size_bytes
        if not complete:
            self._incomplete[receiver] = None
        elif self._incomplete.pop(receiver, True) is None:
            self._wake()

    def may_go_on(self, receiver: Receiver) -> bool:
        """Whether more of a call's message should come now; else `go_on` is called later."""
        return self.held_bytes < self._limit or next(iter(self._incomplete), None) is receiver

    def taken(self, size_bytes: int) -> None:
        """Forget bytes: somebody else counts them from now on, or they are gone."""
        self.held_bytes -= size_bytes
        self._wake()

    def dropped(self, receiver: Receiver, size_bytes: int) -> None:
        """Forget a call that has ended, and what has come of its messages."""
        self._incomplete.pop(receiver, None)
        self.taken(size_bytes)

    def _wake(self) -> None:
        for receiver in list(self._incomplete):
            if not self.may_go_on(receiver):
                return
            receiver.go_on()
