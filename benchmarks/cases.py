"""What is measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

FORMATS: Final = ("parquet", "json", "csv", "json.gz", "csv.gz")
ROWS_PER_MESSAGE: Final = (1, 50, 1000, 10_000)
TABLES: Final = (1, 50)

_ROWS: Final = {1: 100_000, 50: 400_000, 1000: 1_000_000, 10_000: 1_000_000}
_QUICK_ROWS: Final = {1: 20_000, 50: 100_000, 1000: 200_000, 10_000: 200_000}


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


def rows_of(rows_per_message: int, *, quick: bool, most: int | None = None) -> int:
    """Return how many rows a run sends: enough for a second or two of work, but `most`, and a message at least."""
    rows = (_QUICK_ROWS if quick else _ROWS)[rows_per_message]
    return rows if most is None else max(rows_per_message, min(rows, most))


def cases(*, quick: bool, most: int | None = None) -> list[Case]:
    """Return every case; quickly, many tables only with the messages that Go's sources send."""
    return [
        Case(form, size, tables, rows_of(size, quick=quick, most=most))
        for size in ROWS_PER_MESSAGE
        for tables in TABLES
        for form in FORMATS
        if not quick or tables == 1 or size == 50  # noqa: PLR2004 - what Go's sources send
    ]
