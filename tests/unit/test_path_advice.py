"""What is said of a path that works, and that readers will stumble over."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudquery_s3.spec.path_advice import COMMON_COLUMNS, likely_clashes, path_advice, table_advice
from specs import parsed


def said(path: str, file_format: str = "json") -> list[str]:
    """What is said of a path, without the option's name."""
    return [line.removeprefix("path: ") for line in path_advice(path, file_format=file_format)]


@pytest.mark.parametrize(
    ("path", "file_format"),
    [
        ("{{TABLE}}/{{UUID}}.{{FORMAT}}", "csv.gz"),
        ("{{TABLE}}/{{UUID}}.csv.gz", "csv.gz"),
        ("{{TABLE}}/{{UUID}}.GZ", "csv.gz"),
        ("{{FORMAT}}/{{TABLE}}/{{UUID}}", "json"),
        ("{{TABLE}}/{{UUID}}.ndjson", "json"),
        ("{{TABLE}}/{{UUID}}.gz.parquet", "parquet"),
        ("{{TABLE}}/v1.2/{{UUID}}", "parquet"),
        ("{{TABLE}}/{{UUID}}.json.zst", "json.zst"),
        ("a_b/{{TABLE}}/x.y_z", "json"),
        ("{{TABLE}}/a.csv/{{UUID}}", "parquet"),
    ],
)
def test_nothing_to_say(path: str, file_format: str) -> None:
    """A path whose end tells what the objects are, or nothing, is good."""
    assert said(path, file_format) == []


@pytest.mark.parametrize(
    ("path", "file_format", "beginning"),
    [
        ("{{TABLE}}/{{UUID}}.csv", "csv.gz", "keys do not end in .gz"),
        ("{{TABLE}}/{{UUID}}", "json.gz", "keys do not end in .gz"),
        ("{{FORMAT}}/{{UUID}}", "json.gz", "keys do not end in .gz"),
        ("{{TABLE}}/{{UUID}}.{{FORMAT}}.{{UUID}}", "json.gz", "keys do not end in .gz"),
        ("{{TABLE}}/{{UUID}}.json", "json.zst", "keys do not end in .zst"),
        ("{{TABLE}}/{{UUID}}.json.gz", "json.zst", "keys do not end in .zst"),
        ("{{TABLE}}/{{UUID}}.json.gz", "json", "ends in .gz, but the objects are not compressed so"),
        ("{{TABLE}}/{{UUID}}.parquet.gz", "parquet", "ends in .gz, but the objects are not compressed so"),
        ("{{TABLE}}/{{UUID}}.{{FORMAT}}.bz2", "csv", "ends in .bz2"),
        ("{{TABLE}}/{{UUID}}.parquet", "json", "ends in .parquet, but the objects are json"),
        ("{{TABLE}}/{{UUID}}.CSV", "parquet", "ends in .csv, but the objects are parquet"),
        ("{{TABLE}}/{{UUID}}.csv.gz", "json.gz", "ends in .csv, but the objects are json"),
        ("{{TABLE}}/{{UUID}}.avro", "parquet", "ends in .avro"),
        ("lake/{{TABLE}}/_{{UUID}}.json", "json", 'the segment "_{{UUID}}.json" begins with _'),
        ("_lake/{{TABLE}}/{{UUID}}", "json", "the segment _lake begins with _"),
        ("{{TABLE}}/.new/{{UUID}}", "json", 'the segment ".new" begins with .'),
        ("{{TABLE}}/{{UUID}}\n", "json", "contains a line end"),
        ("{{TABLE}}/{{UIID}}", "json", '"{{UIID}}" is not a placeholder; did you mean {{UUID}}?'),
    ],
)
def test_one_thing_to_say(path: str, file_format: str, beginning: str) -> None:
    """What readers do not see, or take for something else, is said once."""
    (line,) = said(path, file_format)
    assert line.startswith(beginning)


@pytest.mark.parametrize(
    ("path", "columns", "clashes"),
    [
        ("{{TABLE}}/date={{YEAR}}/{{UUID}}", ["id", "date"], ["date"]),
        ("{{TABLE}}/date={{YEAR}}/{{UUID}}", ["id", "Date"], ["Date"]),
        ("{{TABLE}}/dt={{YEAR}}/{{UUID}}", ["id", "date"], []),
        ("year={{YEAR}}/month={{MONTH}}/{{UUID}}", ["year", "month", "day"], ["year", "month"]),
        ("region={{COLUMN:region}}/{{UUID}}", ["region"], []),
        ("region=r-{{COLUMN:region}}/{{UUID}}", ["region"], ["region"]),
        ("region={{COLUMN:zone}}/{{UUID}}", ["region", "zone"], ["region"]),
        ("{{TABLE}}/date={{UUID}}", ["date"], []),
        ("{{TABLE}}/date/{{UUID}}", ["date"], []),
    ],
)
def test_folders_that_hide_columns(path: str, columns: list[str], clashes: list[str]) -> None:
    """A folder `name=value` that has the name of a column is named, unless it holds the column's value."""
    lines = list(table_advice(path, "some_table", columns))
    assert [re.findall(r"name of column (\S+) of table some_table", line) for line in lines] == [[c] for c in clashes]


@pytest.mark.parametrize(
    ("path", "warned"), [("a/{{TABLE}}.x", True), ("{{TABLE_HYPHEN}}", True), ("a-{{TABLE}}", False)]
)
def test_tables_that_are_hidden(path: str, warned: bool) -> None:
    """A table whose name makes a segment begin with _ is named: some readers pass over it."""
    assert bool(list(table_advice(path, "_hidden", []))) == warned
    assert not list(table_advice(path, "seen_", []))


def test_likely_clashes() -> None:
    """Without a table the columns count that many tables have."""
    assert [line.split('"')[1] for line in likely_clashes("{{TABLE}}/date={{DAY}}/dt=1/Region=x/{{UUID}}")] == [
        "date={{DAY}}",
        "Region=x",
    ]
    assert "_cq_sync_time" in COMMON_COLUMNS


@pytest.mark.parametrize(
    ("changes", "beginning"),
    [
        ({"batch_size_bytes": 2**30}, "batch_size_bytes: 1073741824 is more than memory_budget (335544320)"),
        ({"memory_budget": 2**25}, "batch_size_bytes: 52428800 is more than memory_budget (33554432)"),
        ({"part_size": 2**30}, "part_size: 1073741824 is more than memory_budget (335544320)"),
    ],
)
def test_limits_above_the_budget(changes: dict[str, int], beginning: str) -> None:
    """A limit that the memory budget does not hold is said, and no limit is none."""
    (line,) = parsed(**changes).warnings
    assert line.startswith(beginning)
    assert not parsed(batch_size_bytes=0).warnings


@given(path=st.text(max_size=30), table=st.text(max_size=8), columns=st.lists(st.text(max_size=5), max_size=4))
def test_any_path(path: str, table: str, columns: list[str]) -> None:
    """Whatever the texts are, what is said is printable, on one line, and names the option first."""
    lines = [*path_advice(path, file_format="csv.gz"), *table_advice(path, table, columns), *likely_clashes(path)]
    assert all(line.startswith("path: ") and line.isprintable() for line in lines)
