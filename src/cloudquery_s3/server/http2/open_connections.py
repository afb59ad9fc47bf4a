"""What the connections of one server share: how many there may be, and how much each stream may send."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloudquery_s3.server.limits import Limits


class Counted(Protocol):
    """A connection, as far as its number of streams goes."""

    @property
    def stream_count(self) -> int: ...  # noqa: D102 - an attribute


_Connection = TypeVar("_Connection", bound=Counted)


class OpenConnections(set[_Connection]):
    """The open connections of a server.

    Attributes:
        limits: the server's.
    """

    def __init__(self, limits: Limits) -> None:
        super().__init__()
        self.limits = limits

    @property
    def full(self) -> bool:
        """Whether no more may be opened."""
        return len(self) >= self.limits.connections

    @property
    def window_bytes(self) -> int:
        """How many bytes may come of one stream before its exchange takes any: its share of all windows."""
        limits = self.limits
        share = limits.all_windows_bytes // max(1, sum(self._stream_counts()))
        return max(limits.least_window_bytes, min(limits.window_bytes, share))

    def _stream_counts(self) -> Iterator[int]:
        return (connection.stream_count for connection in self)
