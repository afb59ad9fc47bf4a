"""What a store tells of each request: enough to count and to time it, and nothing of what was sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable


class SentRequest(NamedTuple):
    """One request that has ended, well or not. Names neither a key nor what signed it.

    Attributes:
        operation: S3's name for it.
        status: the answer's HTTP status; None where no whole answer came.
        seconds: how long it took.
        resends: how often the same was sent before.
    """

    operation: str
    status: int | None
    seconds: float
    resends: int


RequestListener: TypeAlias = "Callable[[SentRequest], None]"
"""Hears of each request, on the thread that has sent it and in its scope. Must not wait, and must not raise."""


def ignore(_request: SentRequest) -> None:
    """Hear of nothing."""
