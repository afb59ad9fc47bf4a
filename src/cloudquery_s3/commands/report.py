"""What `check` prints: lines for people, one JSON document for programs, or a policy alone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import typer
from rich.console import Console
from rich.text import Text

from cloudquery_s3.commands.iam_policy import united

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudquery_s3.commands.iam_policy import Policies

_STYLES: Final = {"problem": "bold red", "warning": "yellow", "note": "cyan", "ok": "green"}


class Report:
    """Takes what was found, and counts it.

    Attributes:
        destinations: how many were checked.
        problems: how many things keep a sync from beginning.
        warnings: how many things its user should know.
    """

    def __init__(self) -> None:
        self.destinations = 0
        self.problems = 0
        self.warnings = 0

    def problem(self, where: str, what: str) -> None:
        """Take why a sync cannot begin."""
        self.problems += 1
        self.finding(where, "problem", what)

    def warning(self, where: str, what: str) -> None:
        """Take what its user should know."""
        self.warnings += 1
        self.finding(where, "warning", what)

    def note(self, where: str, what: str) -> None:
        """Take what was left out, and how to have it."""
        self.finding(where, "note", what)

    def good(self, where: str, what: str) -> None:
        """Take what went well."""
        self.finding(where, "ok", what)

    def finding(self, where: str, level: str, what: str) -> None:
        """Take one of these four."""
        raise NotImplementedError

    def keys(self, where: str, keys: Mapping[str, str]) -> None:
        """Take where objects would go."""

    def policies(self, where: str, wanted: Policies) -> None:
        """Take which permissions are wanted."""

    def end(self) -> None:
        """Take that there is no more."""


class TextReport(Report):
    """Prints findings as they come.

    Every finding is one line, `WHERE: problem: WHAT`, that `grep` finds. A key ends its line, whole, so that it can be
    copied. On a terminal the same has colours.
    """

    def __init__(self, *, to_stderr: bool = False) -> None:
        super().__init__()
        self._console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True, stderr=to_stderr)

    def finding(self, where: str, level: str, what: str) -> None:
        """Print it."""
        self._console.print(Text.assemble((f"{where}: ", "dim"), (level, _STYLES[level]), f": {what}"))

    def keys(self, where: str, keys: Mapping[str, str]) -> None:
        """Print where objects would go."""
        for what, key in keys.items():
            self._console.print(Text.assemble((f"{where}: ", "dim"), f"key of {what}: ", (key, "cyan")))

    def policies(self, where: str, wanted: Policies) -> None:
        """Print the IAM policies, ready to be copied."""
        whose = "the role" if wanted.assume else "the identity that writes"
        self._policy(where, f"needed, for {whose}", wanted.needed)
        self._policy(where, f"helpful, for {whose} (see the documentation, Authentication)", wanted.helpful)
        if wanted.assume:
            self._policy(where, "for the identity that assumes the role", wanted.assume)

    def end(self) -> None:
        """Print the counts."""
        style = _STYLES["problem" if self.problems else "ok"]
        counts = f"{counted(self.problems, 'problem')}, {counted(self.warnings, 'warning')}"
        self._console.print(Text(f"{counted(self.destinations, 'S3 destination')} checked: {counts}", style))

    def _policy(self, where: str, what: str, document: Mapping[str, Any]) -> None:
        self._console.print(Text.assemble((f"{where}: ", "dim"), f"IAM policy, {what}:"))
        if self._console.is_terminal:
            self._console.print_json(data=document)
        else:
            self._console.print(json.dumps(document, indent=2))


class JsonReport(Report):
    """Prints one JSON document at the end.

    It has `destinations`, `problems` and `warnings` as counts; `findings`, each with `where`, `level` (`problem`,
    `warning`, `ok`) and `message`; `keys` and `policies` of each destination without problems, by `where`.
    """

    def __init__(self) -> None:
        super().__init__()
        self._findings: list[dict[str, str]] = []
        self._keys: dict[str, Mapping[str, str]] = {}
        self._policies: dict[str, Mapping[str, Any]] = {}

    def finding(self, where: str, level: str, what: str) -> None:
        """Keep it."""
        self._findings.append({"where": where, "level": level, "message": what})

    def keys(self, where: str, keys: Mapping[str, str]) -> None:
        """Keep where objects would go."""
        self._keys[where] = keys

    def policies(self, where: str, wanted: Policies) -> None:
        """Keep the IAM policies."""
        self._policies[where] = {"needed": wanted.needed, "helpful": wanted.helpful, "assume": wanted.assume}

    def end(self) -> None:
        """Print all of it."""
        counts = {"destinations": self.destinations, "problems": self.problems, "warnings": self.warnings}
        lists = {"findings": self._findings, "keys": self._keys, "policies": self._policies}
        typer.echo(json.dumps({**counts, **lists}, indent=2))


class PolicyReport(TextReport):
    """Prints the one policy that all destinations together need, as JSON, and everything else to stderr.

    Where there are problems it prints no policy.
    """

    def __init__(self) -> None:
        super().__init__(to_stderr=True)
        self._needed: list[Mapping[str, Any]] = []

    def keys(self, where: str, keys: Mapping[str, str]) -> None:
        """Leave the keys out."""

    def policies(self, where: str, wanted: Policies) -> None:
        """Keep what is needed."""
        del where
        self._needed.append(wanted.needed)

    def end(self) -> None:
        """Print the policy."""
        if not self.problems:
            typer.echo(json.dumps(united(self._needed), indent=2))


def counted(number: int, what: str) -> str:
    """Return a number and what it counts, in the plural unless it is 1."""
    return f"{number} {what}{'' if number == 1 else 's'}"
