"""What the connections of one server share: how many there may be, and how much each stream may send."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloudquery_s3.server.limits import Limits


class Shared(Protocol):
    """A connection, as far as it concerns the others."""

    @property
    def stream_count(self) -> int:
        """How many streams are open."""

    @property
    def expendable(self) -> int:
        """Whether it may be closed for another: 0 is no, 2 is rather than those of 1."""

    def make_room(self) -> None:
        """Close, since there are too many connections."""


_Connection = TypeVar("_Connection", bound=Shared)


class OpenConnections(Generic[_Connection]):
    """The open connections of a server.

    Attributes:
        limits: the server's.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._open: dict[_Connection, None] = {}

    def __iter__(self) -> Iterator[_Connection]:
        return iter(list(self._open))

    def __len__(self) -> int:
        return len(self._open)

    def __contains__(self, connection: _Connection) -> bool:
        return connection in self._open

    def add(self, connection: _Connection) -> bool:
        """Take a connection up; return whether there is room for it.

        Where there are too many, the oldest one goes on which nobody has introduced himself, or else that has no
        calls and nothing that lives as long as it does.
        """
        crowded = len(self._open) >= self.limits.connections
        self._open[connection] = None
        if not crowded:
            return True
        others = [one for one in self._open if one is not connection and one.expendable]
        if not others:
            return False
        max(others, key=lambda one: one.expendable).make_room()
        return True

    def discard(self, connection: _Connection) -> None:
        """Forget a connection that has ended."""
        self._open.pop(connection, None)

    @property
    def window_bytes(self) -> int:
        """How many bytes may come of one stream before its exchange takes any: its share of all windows."""
        limits = self.limits
        share = limits.all_windows_bytes // max(1, sum(connection.stream_count for connection in self._open))
        return max(limits.least_window_bytes, min(limits.window_bytes, share))
