"""Partition projection: which folders exist, as a table's properties, so that none has to be added.

Source: Athena's documentation, "Supported types for partition projection"; Trino's Hive connector reads the same
properties of a table in Glue.
"""

from __future__ import annotations

from datetime import date, datetime, time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cloudquery_s3.catalogs.layout import Layout, Partition

YEARS_AHEAD: Final = 20
"""How many years after the first one a projection of years covers."""

_JAVA: Final = (("yyyy", "%Y"), ("MM", "%m"), ("dd", "%d"), ("HH", "%H"), ("mm", "%M"), ("'", ""))


def projection_properties(layout: Layout, since: date) -> dict[str, str]:
    """Return the properties of a table; none where no folder can be projected."""
    levels = layout.projected
    if not levels:
        return {}
    properties = {"projection.enabled": "true"}
    for level in levels:
        of_level = f"projection.{level.name}"
        properties |= {f"{of_level}.{key}": value for key, value in _of_level(level, since).items()}
    return properties | {"storage.location.template": layout.projection_template}


def date_range(level: Partition, since: date) -> tuple[str, str]:
    """Return the first value and the last one of a date level, in its own format."""
    return _formatted(since, level.date_format), "NOW"


def integer_range(level: Partition, since: date) -> tuple[int, int]:
    """Return the first value and the last one of an integer level."""
    return level.bounds or (since.year, since.year + YEARS_AHEAD)


def digits(level: Partition) -> int:
    """Return how many digits an integer level is written with."""
    return 2 if level.bounds else 4


def _of_level(level: Partition, since: date) -> dict[str, str]:
    if level.kind == "date":
        first, last = date_range(level, since)
        unit = level.unit or "DAYS"
        ranges = {"type": "date", "format": level.date_format, "range": f"{first},{last}"}
        return ranges | {"interval": "1", "interval.unit": unit}
    low, high = integer_range(level, since)
    return {"type": "integer", "range": f"{low},{high}", "digits": str(digits(level))}


def _formatted(day: date, java_format: str) -> str:
    spelled = java_format.replace("%", "%%")
    for java, python in _JAVA:
        spelled = spelled.replace(java, python)
    return datetime.combine(day, time()).strftime(spelled)
