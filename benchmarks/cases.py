"""What is measured, and what it must not exceed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

FORMATS: Final = ("parquet", "json", "csv", "json.gz", "csv.gz")
ROWS_PER_MESSAGE: Final = (1, 50, 1000, 10_000)
TABLES: Final = (1, 50)

_ROWS: Final = {1: 100_000, 50: 400_000, 1000: 1_000_000, 10_000: 1_000_000}
_QUICK_ROWS: Final = {1: 20_000, 50: 100_000, 1000: 200_000, 10_000: 200_000}

_LARGE: Final = {"parquet": 6.0, "json": 7.5, "csv": 7.0, "json.gz": 11.0, "csv.gz": 11.0}
TARGETS: Final = {
    1: {"parquet": 60.0, "json": 60.0, "csv": 60.0, "json.gz": 65.0, "csv.gz": 65.0},
    50: {"parquet": 8.0, "json": 10.0, "csv": 9.0, "json.gz": 14.0, "csv.gz": 14.0},
    1000: _LARGE,
    10_000: _LARGE,
}
"""CPU-seconds per million rows of the plugin's process, by rows per message and format."""


@dataclass(frozen=True, slots=True)
class Case:
    """One run of the plugin.

    Attributes:
        form: a name of `FORMATS`.
        rows_per_message: how many rows each Insert brings.
        tables: how many tables take turns.
        rows: how many rows are sent in all.
    """

    form: str
    rows_per_message: int
    tables: int
    rows: int

    @property
    def target(self) -> float:
        """The CPU-seconds per million rows that it must not exceed."""
        return TARGETS[self.rows_per_message][self.form]


def rows_of(rows_per_message: int, *, quick: bool) -> int:
    """Return how many rows a run sends: enough for a second or two of work."""
    return (_QUICK_ROWS if quick else _ROWS)[rows_per_message]


def cases(*, quick: bool) -> list[Case]:
    """Return every case; quickly, many tables only with the messages that Go's sources send."""
    return [
        Case(form, size, tables, rows_of(size, quick=quick))
        for size in ROWS_PER_MESSAGE
        for tables in TABLES
        for form in FORMATS
        if not quick or tables == 1 or size == 50  # noqa: PLR2004 - what Go's sources send
    ]
