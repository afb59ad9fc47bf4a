"""Where a table's objects are, as an engine sees it: a folder, and what the folders below it are named after. Pure.

Source: the placeholders of docs/path.md.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from cloudquery_s3.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cloudquery_s3.spec import Spec

PartitionKind: TypeAlias = Literal["date", "integer", "text"]
Unit: TypeAlias = Literal["YEARS", "MONTHS", "DAYS", "HOURS", "MINUTES"]

SYNC_TIME: Final = "_cq_sync_time"
SOURCE_NAME: Final = "_cq_source_name"

_PLACEHOLDER: Final = re.compile(r"\{\{([A-Z_]+)(?::([^{}]+))?\}\}")
_HIVE: Final = re.compile(r"([^={}/]+)=(.+)")
_OF_TABLE: Final = frozenset({"TABLE", "TABLE_HYPHEN"})
_UNITS: Final[dict[str, tuple[Unit, str]]] = {
    "YEAR": ("YEARS", "yyyy"),
    "MONTH": ("MONTHS", "MM"),
    "DAY": ("DAYS", "dd"),
    "HOUR": ("HOURS", "HH"),
    "MINUTE": ("MINUTES", "mm"),
}
_BOUNDS: Final = {"MONTH": (1, 12), "DAY": (1, 31), "HOUR": (0, 23), "MINUTE": (0, 59)}


@dataclass(frozen=True, slots=True)
class Partition:
    """A folder level that varies, as a column.

    Attributes:
        name: of the column.
        kind: what its values are.
        source: the column of the rows that the values come from; empty where they come from the clock or the sync.
        hive: whether the folders are called `name=value`.
        date_format: of a date, as Java writes it: `yyyy-MM-dd`.
        unit: of a date or an integer, the step from a value to the next.
        bounds: of an integer, its first and last value; None for a year, which has no last one.
    """

    name: str
    kind: PartitionKind
    source: str = ""
    hive: bool = True
    date_format: str = ""
    unit: Unit | None = None
    bounds: tuple[int, int] | None = None

    @property
    def projectable(self) -> bool:
        """Whether all values that can exist are known beforehand, so that no row could be missed.

        A date out of a column of the rows may be any date, or missing; `_cq_sync_time` never is.
        """
        return self.kind != "text" and self.source in {"", SYNC_TIME}


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a table's objects are.

    Attributes:
        location: `s3://bucket/folder/`: the longest folder that all of its objects lie in.
        own: whether nothing but this table lies in it.
        levels: the folders below it, outermost first; None for one that is no column.
        templates: the same folders as text, `${name}` in place of what varies.
        pattern: what the objects are called below `location`, `*` for what varies.
    """

    location: str
    own: bool
    levels: tuple[Partition | None, ...]
    templates: tuple[str, ...]
    pattern: str

    @property
    def projected(self) -> tuple[Partition, ...]:
        """The outermost levels whose values can be projected; engines read all that is below them."""
        return tuple(self._outermost())

    @property
    def projection_template(self) -> str:
        """Where a projected partition is: the location, with `${name}` for its values."""
        return self.location + "".join(f"{template}/" for template in self.templates[: len(self.projected)])

    @property
    def hive(self) -> tuple[Partition, ...]:
        """The levels that engines find by themselves; none where a folder is not called `name=value`."""
        found = tuple(level for level in self.levels if level is not None and level.hive)
        return found if len(found) == len(self.levels) else ()

    @property
    def glob(self) -> str:
        """The URL of all objects, `*` for what varies."""
        return self.location + self.pattern

    def _outermost(self) -> Iterator[Partition]:
        for level in self.levels:
            if level is None or not level.projectable:
                return
            yield level


def layout_of(spec: Spec, table: str, columns: Sequence[str]) -> Layout:
    """Return where a table's objects are by a spec.

    Args:
        spec: the spec.
        table: the table's name.
        columns: those of its rows, so that a level that needs a name of ours gets one that is free.

    Raises:
        SpecError: its objects cannot be told from those of other tables.
    """
    if not any(match[1] in _OF_TABLE for match in _PLACEHOLDER.finditer(spec.path)):
        raise SpecError("names no table: write {{TABLE}} in it", field="path")
    *folders, file_name = (_with_table(segment, spec, table) for segment in spec.path.split("/"))
    fixed = next((at for at, folder in enumerate(folders) if "{{" in folder), len(folders))
    own = any(match[1] in _OF_TABLE for match in _PLACEHOLDER.finditer("/".join(spec.path.split("/")[:fixed])))
    levels: list[Partition | None] = []
    templates: list[str] = []
    taken = {column.lower() for column in columns}
    for folder in folders[fixed:]:
        level = _level(folder, taken)
        taken |= {level.name.lower()} if level else set()
        levels.append(level)
        templates.append(_template(folder, level))
    location = "/".join((f"s3://{spec.bucket}", *folders[:fixed], ""))
    pattern = "/".join(_starred(segment) for segment in (*folders[fixed:], file_name))
    return Layout(location, own, tuple(levels), tuple(templates), pattern)


def _with_table(segment: str, spec: Spec, table: str) -> str:
    name = table.replace("%", "%25").replace("/", "%2F")
    known = {"{{TABLE}}": name, "{{TABLE_HYPHEN}}": name.replace("_", "-"), "{{FORMAT}}": spec.file_format}
    return _PLACEHOLDER.sub(lambda match: known.get(match[0], match[0]), segment)


def _level(folder: str, taken: set[str]) -> Partition | None:
    named = _HIVE.fullmatch(folder)
    level = _of_value(named[2] if named else folder)
    if level is None or (not named and level.kind == "text"):
        return None
    if named:
        return replace(level, name=named[1])
    name = level.name
    while name.lower() in taken:
        name += "_"
    return replace(level, name=name, hive=False)


def _of_value(value: str) -> Partition | None:
    """Return what a level is by its value; None where that is no single thing."""
    found = list(_PLACEHOLDER.finditer(value))
    names = [match[1] for match in found]
    sources = {match[2] or "" for match in found}
    if not found:
        return Partition("", "text")
    if len(sources) == 1 and all(name in _UNITS or name == "DATE" for name in names):
        return _of_time(value, names, sources.pop())
    if len(found) == 1 and found[0][0] == value and names[0] in {"COLUMN", "SYNC_ID"}:
        return Partition("", "text", source=found[0][2] or "")
    return None


def _of_time(value: str, names: list[str], source: str) -> Partition | None:
    if len(names) == 1 and names[0] != "DATE":
        unit = _UNITS[names[0]][0]
        whole = _PLACEHOLDER.fullmatch(value)
        name = names[0].lower()
        return Partition(name, "integer", source, unit=unit, bounds=_BOUNDS.get(names[0])) if whole else None
    parts = [part for name in names for part in (("YEAR", "MONTH", "DAY") if name == "DATE" else (name,))]
    if tuple(parts) != tuple(_UNITS)[: len(parts)]:
        return None  # a moment that does not begin with its year, or leaves something out
    return Partition("dt", "date", source, date_format=_date_format(value), unit=_UNITS[parts[-1]][0])


def _date_format(value: str) -> str:
    spelled = value.replace("{{DATE:", "{{YEAR}}-{{MONTH}}-{{DAY:")
    pieces: list[str] = []
    end = 0
    for match in _PLACEHOLDER.finditer(spelled):
        pieces += [_literal(spelled[end : match.start()]), _UNITS[match[1]][1]]
        end = match.end()
    return "".join((*pieces, _literal(spelled[end:])))


def _literal(text: str) -> str:
    return re.sub(r"[A-Za-z]+", lambda letters: f"'{letters[0]}'", text)


def _template(folder: str, level: Partition | None) -> str:
    if level is None:
        return _starred(folder)
    return f"{level.name}=${{{level.name}}}" if level.hive else f"${{{level.name}}}"


def _starred(segment: str) -> str:
    return re.sub(r"\*+", "*", _PLACEHOLDER.sub("*", segment))
