"""What `check` prints: lines for a pipe, colours and tables for a terminal."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Mapping

_STYLES: Final = {"problem": "bold red", "warning": "yellow", "ok": "green"}


class Report:
    """Prints findings as they come, and counts them.

    Without a terminal every finding is one line, `WHERE: problem: WHAT`, that `grep` finds.
    """

    def __init__(self) -> None:
        self.problems = 0
        self.warnings = 0
        self._console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)

    def problem(self, where: str, what: str) -> None:
        """Print why a sync cannot begin."""
        self.problems += 1
        self._line(where, "problem", what)

    def warning(self, where: str, what: str) -> None:
        """Print what its user should know."""
        self.warnings += 1
        self._line(where, "warning", what)

    def good(self, where: str, what: str) -> None:
        """Print what went well."""
        self._line(where, "ok", what)

    def keys(self, where: str, keys: Mapping[str, str]) -> None:
        """Print where objects would go."""
        if not self._console.is_terminal:
            for what, key in keys.items():
                self._console.print(f"{where}: key of {what}: {key}")
            return
        table = Table(title=f"{where}: keys", title_justify="left")
        table.add_column("key of")
        table.add_column("would be", overflow="fold")
        for what, key in keys.items():
            table.add_row(Text(what), Text(key))
        self._console.print(table, soft_wrap=False)

    def policy(self, where: str, what: str, document: Mapping[str, Any]) -> None:
        """Print an IAM policy, ready to be copied."""
        self._console.print(Text.assemble((f"{where}: ", "dim"), f"IAM policy, {what}:"))
        if self._console.is_terminal:
            self._console.print_json(data=document)
        else:
            self._console.print(json.dumps(document, indent=2))

    def summary(self, specs: int) -> None:
        """Print the count."""
        style = _STYLES["problem" if self.problems else "ok"]
        counts = f"{_counted(self.problems, 'problem')}, {_counted(self.warnings, 'warning')}"
        self._console.print(Text(f"{_counted(specs, 'S3 destination')} checked: {counts}", style))

    def _line(self, where: str, level: str, what: str) -> None:
        self._console.print(Text.assemble((f"{where}: ", "dim"), (level, _STYLES[level]), f": {what}"))


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
