"""What readers make of a path: names that they do not see, or that mislead them. Pure.

Nothing here stops a sync. A spec is judged once (`path_advice`), and again for each table when its columns are known
(`table_advice`). Source: docs/path.md, "What readers make of a path".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from cloudquery_s3.object_key import PARTITION_PLACEHOLDERS, PLACEHOLDER_PATTERN, PLACEHOLDERS, partition_fields
from cloudquery_s3.spec.decode import quoted, suggestion

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

COMMON_COLUMNS: Final = (
    *("_cq_id", "_cq_parent_id", "_cq_source_name", "_cq_sync_group_id", "_cq_sync_time"),
    *("account_id", "arn", "created_at", "date", "id", "name", "region", "status", "tags", "type", "updated_at"),
)
"""Columns that many of CloudQuery's tables have, for `check`, which sees no table."""

_ROW_ID: Final = "_cq_id"
"""The one column of which it is known, whatever the table, that it is another in every row."""

_IN_BRACES: Final = re.compile(r"\{\{[^{}]*\}\}")
_TABLE_NAME: Final = re.compile(r"\{\{TABLE(?:_HYPHEN)?\}\}")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_COMPRESSION: Final = {"gz": "gzip", "gzip": "gzip", "zst": "zstd", "zstd": "zstd"} | {
    name: name for name in ("bz2", "deflate", "lz4", "snappy", "xz", "zip")
}
"""What compresses a file, by the ending that readers go by."""

_FORMATS: Final = {"jsonl": "json", "ndjson": "json", "tsv": "csv"} | {
    name: name for name in ("avro", "csv", "json", "orc", "parquet", "xml")
}
"""What a file holds, by the ending that readers go by."""

_HIDDEN_FROM: Final = "Spark, Hive, Athena and Trino pass over such names"


def path_advice(path: str, *, file_format: str, appended: bool = False) -> Iterator[str]:
    """Yield what a user should know of a path, a line each that begins with `path:`.

    Args:
        path: the template, complete.
        file_format: what takes the place of `{{FORMAT}}`, such as `csv.gz`; empty where the format is not known.
        appended: whether the path's end is not the user's own but the older suffix.
    """
    yield from _unknown_placeholders(path)
    if _CONTROL.search(path):
        yield "path: contains a line end or another control character, which every key then has; write it on one line"
    for segment in path.split("/"):
        if segment.startswith(("_", ".")):
            yield f"path: the segment {quoted(segment)} begins with {segment[0]}: {_HIDDEN_FROM}; begin it otherwise"
    if file_format:
        yield from _ending(path, file_format, appended=appended)


def table_advice(path: str, table: str, columns: Iterable[str]) -> Iterator[str]:
    """Yield what a user should know of a path once a table's columns are known, a line each that begins with `path:`.

    A folder `name=value` is a column to Hive's readers: DuckDB, Spark, Polars, Trino and ClickHouse show the folder's
    value in place of the column's own, and pyarrow refuses the folder. A folder that holds the column's own value
    (`region={{COLUMN:region}}`) is right.
    """
    if table.startswith(("_", ".")) and any(_TABLE_NAME.match(segment) for segment in path.split("/")):
        why = f"begins with {table[0]}: {_HIDDEN_FROM}"
        yield f"path: the name of table {quoted(table)} {why}; write something before it in its segment"
    for segment, column in _clashes(path, columns):
        yield (
            f"path: the segment {quoted(segment)} has the name of column {quoted(column)} of table {quoted(table)}: "
            "many readers show the folder's value in place of the column's; rename the segment"
        )


def likely_clashes(path: str) -> Iterator[str]:
    """Yield the segments that have the name of a column of many tables, a line each that begins with `path:`."""
    for segment, column in _clashes(path, COMMON_COLUMNS):
        yield (
            f"path: the segment {quoted(segment)} has the name of a column that many tables have ({column}): many "
            "readers show the folder's value in place of the column's; rename the segment, such as date= to dt="
        )


def many_partitions(path: str) -> Iterator[str]:
    """Yield that a column of a path is another in every row, where that is known: a line that begins with `path:`."""
    for field in partition_fields(path):
        if field.kind == "COLUMN" and field.column == _ROW_ID:
            yield (
                f"path: column {quoted(field.column)} is another in every row: each row would have an object of its "
                "own, and more than 10,000 fail the table; partition by a column with few values"
            )


def _clashes(path: str, columns: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield the folders `name=value` of a path that hide a column, and the column; names differ in case at most."""
    by_name = {column.lower(): column for column in columns}
    for segment in path.split("/")[:-1]:
        name, equals, value = segment.partition("=")
        column = by_name.get(name.lower())
        if equals and column is not None and value != f"{{{{COLUMN:{column}}}}}":
            yield segment, column


def _unknown_placeholders(path: str) -> Iterator[str]:
    for name in _IN_BRACES.findall(path):
        if not PLACEHOLDER_PATTERN.fullmatch(name):
            known = [*PLACEHOLDERS, *(f"{{{{{kind}:column}}}}" for kind in PARTITION_PLACEHOLDERS)]
            yield f"path: {quoted(name)} is not a placeholder{suggestion(name, known)}; it stays as it is"


def _ending(path: str, file_format: str, *, appended: bool) -> Iterator[str]:
    """Yield where the end of a key says something else than the file is."""
    written = path.rpartition("/")[2].replace("{{FORMAT}}", file_format)
    *_, inner, outer = "", "", *_IN_BRACES.sub("", written).lower().split(".")
    wanted, _, suffix = file_format.partition(".")
    compression = _COMPRESSION.get(suffix, "")
    found = _COMPRESSION.get(outer, "")
    if compression and found != compression:
        yield _without_suffix(suffix, compression, appended=appended)
    elif found != compression:
        yield f"path: ends in .{outer}, but the objects are not compressed so: readers will not read them; remove it"
    extension = inner if found else outer
    if _FORMATS.get(extension, wanted) != wanted:
        yield f"path: ends in .{extension}, but the objects are {wanted}; end it in {{{{FORMAT}}}}"


def _without_suffix(suffix: str, compression: str, *, appended: bool) -> str:
    if appended:
        end = "{{TABLE}}.{{FORMAT}}"
        return f"path: the suffix that is appended has no .{suffix}; end the path in {end} to have one"
    return (
        f"path: keys do not end in .{suffix}, and Spark, DuckDB, Athena and others take a file for {compression} by "
        "its name; end the path in {{FORMAT}}"
    )
