"""How a long reading of a bucket tells where it is."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """What is told while work goes on; called on one thread."""

    def begin(self, what: str, total: int | None = None) -> None:
        """Say what is done now, and of how many steps, where that is known."""

    def advance(self, steps: int = 1) -> None:
        """Say that so many steps are done."""


class NoProgress:
    """Tells nobody."""

    def begin(self, what: str, total: int | None = None) -> None:
        """Do nothing."""

    def advance(self, steps: int = 1) -> None:
        """Do nothing."""
