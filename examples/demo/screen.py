"""What the user sees while the sync runs: a table that fills, or plain lines where there is no terminal."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Self

from rich.filesize import decimal
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table

if TYPE_CHECKING:
    from types import TracebackType

    from rich.console import Console, RenderableType

    from examples.demo.sync import Progress


class Screen:
    """Shows a sync's progress from entering to leaving; `changed` takes the news."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._start = time.monotonic()
        self._progress: Progress | None = None
        self._told: set[str] = set()
        self._spinner = Spinner("dots", style="cyan")
        self._live = Live(console=console, get_renderable=self._picture, refresh_per_second=8, transient=False)

    def __enter__(self) -> Self:
        """Begin to show."""
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the last picture standing."""
        if self._console.is_terminal:
            self._live.stop()

    def changed(self, progress: Progress) -> None:
        """Take the news; without a terminal, tell of each table that the source has finished."""
        self._progress = progress
        if self._console.is_terminal:
            return
        for table in sorted(progress.listed - self._told):
            self._told.add(table)
            self._console.print(f"  {self._seconds():4.0f} s  {table}: {progress.sent[table]:,} rows sent")

    def _seconds(self) -> float:
        return time.monotonic() - self._start

    def _picture(self) -> RenderableType:
        grid = Table.grid(padding=(0, 2))
        grid.add_column(width=1)
        grid.add_column(min_width=32)
        grid.add_column(justify="right", min_width=12)
        grid.add_column(justify="right")
        progress = self._progress
        if progress is None or not progress.sent:
            grid.add_row(self._spinner, f"[dim]starting the CLI and its plugins, {self._seconds():.0f} s[/]")
            return grid
        for table, rows in progress.sent.items():
            mark = "[green]✓[/]" if table in progress.listed else self._spinner
            written = progress.objects[table]
            objects = f"{written} object{'s' * (written != 1)}" if written else ""
            grid.add_row(mark, table, f"{rows:,} rows" if rows or table in progress.listed else "", objects)
        grid.add_row(
            "",
            f"[dim]{self._seconds():.0f} s[/]",
            f"[bold]{progress.sent.total():,} rows[/]",
            f"{progress.objects.total()} objects, {decimal(progress.size_bytes)}",
        )
        return grid
