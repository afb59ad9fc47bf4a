"""Where an object goes: the `path` option as a template of keys. Pure: clock and file id are passed in."""

from __future__ import annotations

import re
from datetime import UTC
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias, cast

from cloudquery_s3.errors import TableError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

PLACEHOLDERS: Final[dict[str, str]] = {
    "{{TABLE}}": "name of the table",
    "{{TABLE_HYPHEN}}": "name of the table with `-` for every `_`",
    "{{FORMAT}}": "the format, with `.gz` when compressed: `json`, `csv.gz`, `parquet`",
    "{{UUID}}": "id of the object, random: every object gets its own",
    "{{YEAR}}": "year in which the object was begun (UTC), four digits",
    "{{MONTH}}": "its month, two digits",
    "{{DAY}}": "its day, two digits",
    "{{HOUR}}": "its hour, two digits, 00 to 23",
    "{{MINUTE}}": "its minute, two digits",
    "{{SYNC_ID}}": "id of the sync, which the CLI chooses",
}
"""What may stand in a path, and what takes its place. Source: docs/path.md."""

PartitionKind: TypeAlias = Literal["COLUMN", "DATE", "YEAR", "MONTH", "DAY", "HOUR"]

PARTITION_PLACEHOLDERS: Final[dict[PartitionKind, str]] = {
    "COLUMN": "the value of a column of text, whole numbers, booleans, dates, UUIDs or network addresses",
    "DATE": "the day of a date or timestamp (UTC): `2026-11-26`",
    "YEAR": "its year, four digits",
    "MONTH": "its month, two digits",
    "DAY": "its day, two digits",
    "HOUR": "its hour, two digits, 00 to 23; of a date 00",
}
"""What may stand in a path before a column's name, as in `{{COLUMN:region}}`: rows with other values get other keys."""

NULL_PARTITION: Final = "__HIVE_DEFAULT_PARTITION__"
"""What stands in a key for NULL, for an empty text, and for a column that a table does not have: Hive's name for it."""

MAX_KEY_BYTES: Final = 1024
"""The longest key that S3 accepts, as UTF-8."""

_KINDS: Final = "|".join(PARTITION_PLACEHOLDERS)
_PARTITION: Final = re.compile(rf"\{{\{{({_KINDS}):([^{{}}]+)\}}\}}")
PLACEHOLDER_PATTERN: Final = re.compile(
    "|".join([*map(re.escape, PLACEHOLDERS), rf"\{{\{{(?:{_KINDS}):[^{{}}]+\}}\}}"])
)
"""Finds every placeholder of a path."""

_ESCAPED_IN_VALUES: Final = re.compile("[\x00-\x1f\x7f\"#%'*/:=?\\\\{\\[\\]^]")
"""What Hive escapes in the values of partitions. Source: its `FileUtils`."""


class PartitionField(NamedTuple):
    """A part of a key that comes from a column.

    Attributes:
        kind: what is taken of the column.
        column: its name.
    """

    kind: PartitionKind
    column: str

    @property
    def name(self) -> str:
        """What it is called where values are listed: the column, or `DATE:` and the column."""
        return self.column if self.kind == "COLUMN" else f"{self.kind}:{self.column}"


def partition_fields(path: str) -> tuple[PartitionField, ...]:
    """Return the parts of a path that come from columns, each once, in the order of the path."""
    found = (PartitionField(cast("PartitionKind", kind), column) for kind, column in _PARTITION.findall(path))
    return tuple(dict.fromkeys(found))


def escaped_value(value: str | None) -> str:
    """Return a partition's value as it stands in a key: escaped as Hive does, so that its readers get it back.

    Source: Hive's `FileUtils.escapePathName`.
    """
    if not value:
        return NULL_PARTITION
    return _ESCAPED_IN_VALUES.sub(lambda match: f"%{ord(match[0]):02X}", value)


class PathTemplate:
    """A path with placeholders, from which every object's key is made.

    All occurrences are replaced in one pass, so a table called `{{UUID}}` is a table like any other. Names are
    case-sensitive; an unknown `{{X}}` stays as it is.

    A table's name is always part of one path segment: a key never leaves the template's prefix, and two tables never
    share a key where `{{TABLE}}` is in the path. To that end `%` and `/` in a name become `%25` and `%2F`, and a
    segment that would be `.` or `..` becomes `%2E` or `%2E%2E`. The values of columns are escaped as Hive does.

    Source: docs/path.md; docs/compatibility.md, "Spec, keys and protocol".
    """

    def __init__(self, path: str, *, format: str, sync_id: str) -> None:  # noqa: A002 - named as its placeholder is
        self.path = path
        """The path, as it was given."""
        self._segments = path.split("/")
        self._fixed = {"{{FORMAT}}": format, "{{SYNC_ID}}": within_a_segment(sync_id)}
        self.has_file_id = "{{UUID}}" in path
        """Whether two objects of one table get different keys: the path contains `{{UUID}}`."""
        self.partition_fields = partition_fields(path)
        """What of a key comes from columns."""

    def render(self, table: str, *, file_id: str, now: datetime, partition: Sequence[str | None] = ()) -> str:
        """Return the key of one object, with forward slashes, none of them first, last or doubled.

        Args:
            table: the table's name.
            file_id: what takes the place of every `{{UUID}}`.
            now: when the object was begun; aware of its time zone.
            partition: the values of `partition_fields`, None for NULL; those that are left out are NULL.

        Raises:
            TableError: the key would be empty or longer than S3 allows.
        """
        utc = now.astimezone(UTC)
        name = within_a_segment(table)
        values = self._fixed | {
            "{{TABLE}}": name,
            "{{TABLE_HYPHEN}}": name.replace("_", "-"),
            "{{UUID}}": file_id,
            "{{YEAR}}": f"{utc.year:04}",
            "{{MONTH}}": f"{utc.month:02}",
            "{{DAY}}": f"{utc.day:02}",
            "{{HOUR}}": f"{utc.hour:02}",
            "{{MINUTE}}": f"{utc.minute:02}",
        }
        for number, (kind, column) in enumerate(self.partition_fields):
            value = partition[number] if number < len(partition) else None
            values[f"{{{{{kind}:{column}}}}}"] = escaped_value(value)
        segments = (_render_segment(segment, values) for segment in self._segments)
        key = "/".join(segment for segment in segments if segment)
        if not key:
            raise TableError(table, "its object key is empty: write more into `path` than this table's name")
        size_bytes = len(key.encode())
        if size_bytes > MAX_KEY_BYTES:
            problem = f"its object key has {size_bytes} bytes where S3 allows {MAX_KEY_BYTES}"
            raise TableError(table, f"{problem}: shorten `path` or the table's name")
        return key


def literal_bytes(path: str) -> int:
    """Return how long a path is without its placeholders, as UTF-8: no key can be shorter."""
    return len(PLACEHOLDER_PATTERN.sub("", path).encode())


def within_a_segment(name: str) -> str:
    """Return a name as part of one path segment: `%` and `/` are percent-encoded."""
    return name.replace("%", "%25").replace("/", "%2F")


def _render_segment(template: str, values: Mapping[str, str]) -> str:
    segment = PLACEHOLDER_PATTERN.sub(lambda match: values[match[0]], template)
    return segment.replace(".", "%2E") if segment in {".", ".."} else segment
