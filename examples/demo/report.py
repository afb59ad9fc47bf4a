"""What came out: the objects, what DuckDB counts and finds in them, and whether that is what was sent."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import duckdb
from rich.filesize import decimal
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from rich.console import Console

    from examples.demo.place import Bucket, StoredObject
    from examples.demo.sync import Progress

_READERS: Final = {
    ".parquet": "read_parquet",
    ".csv": "read_csv",
    ".csv.gz": "read_csv",
    ".json": "read_ndjson_objects",
    ".json.gz": "read_ndjson_objects",
}
_SHOWN: Final = 16
"""How many objects are listed one by one."""

_SHOWN_PARTITIONS: Final = 5
"""How many partitions are."""

_QUERY: Final = """
SELECT t.manufacturer,
       count(DISTINCT t.instance_type) AS instance_types,
       count(DISTINCT o.location) AS zones,
       max(t.vcpus) AS max_vcpus,
       max(t.memory_mib) // 1024 AS max_memory_gib
FROM aws_ec2_instance_types t
JOIN aws_ec2_instance_type_offerings o USING (instance_type)
GROUP BY ALL ORDER BY instance_types DESC"""

_JSON_QUERY: Final = """
SELECT policy_name,
       update_date::DATE AS updated,
       json_array_length(document, '$.Statement') AS statements,
       length(document) AS characters
FROM aws_iam_policies ORDER BY characters DESC LIMIT 5"""


@dataclass(frozen=True)
class Found:
    """One object, and the rows that DuckDB counts in it."""

    stored: StoredObject
    file: Path
    rows: int


def fetch(bucket: Bucket, objects: Iterable[StoredObject], folder: Path) -> list[Found]:
    """Copy the objects to files, as DuckDB's S3 reader would be a download from elsewhere, and count their rows."""
    found = []
    for stored in sorted(objects, key=lambda stored: stored.key):
        file = bucket.download(stored, folder)
        found.append(Found(stored, file, _scalar(f"SELECT count(*) FROM {_read([file])}")))  # noqa: S608 -- our paths
    return found


def show_objects(console: Console, found: list[Found]) -> None:
    """Print a table of the objects: all of a few, the first of many."""
    table = Table(title="Objects in the bucket", title_justify="left", title_style="bold", box=None)
    table.add_column("table", no_wrap=True)
    table.add_column("key", overflow="fold")
    table.add_column("rows", justify="right")
    table.add_column("size", justify="right")
    for one in found[:_SHOWN]:
        table.add_row(one.stored.table, one.stored.key, f"{one.rows:,}", decimal(one.stored.size_bytes))
    console.print(table)
    if len(found) > _SHOWN:
        console.print(f"… and {len(found) - _SHOWN} more")


def show_partitions(console: Console, found: list[Found]) -> None:
    """Print the largest partitions of the largest table that has several; nothing where there is none."""
    partitions: dict[str, Counter[str]] = {}
    for one in found:
        folder = one.stored.key.rpartition("/")[0]
        if "=" in folder:
            partitions.setdefault(one.stored.table, Counter())[folder] += one.rows
    several = {name: rows for name, rows in partitions.items() if len(rows) > 1}
    if not several:
        return
    name, rows = max(several.items(), key=lambda item: item[1].total())
    console.print()
    table = Table(title=f"Partitions of {name}", title_justify="left", title_style="bold", box=None)
    table.add_column("folder", overflow="fold")
    table.add_column("rows", justify="right")
    for folder, count in rows.most_common(_SHOWN_PARTITIONS):
        table.add_row(folder, f"{count:,}")
    console.print(table)
    if len(rows) > _SHOWN_PARTITIONS:
        console.print(f"… and {len(rows) - _SHOWN_PARTITIONS} more")


def show_figures(console: Console, progress: Progress, found: list[Found]) -> None:
    """Print what the sync took and gave."""
    size = sum(one.stored.size_bytes for one in found)
    summary = progress.summary
    console.print(
        f"[bold]The sync[/]: {summary['resources']:,} rows in {progress.seconds:.1f} s, the time to list them included;"
        f" {len(found)} objects, {decimal(size)}; {summary['errors']} errors, {summary['warnings']} warnings"
    )


def check_rows(console: Console, sent: Counter[str], found: list[Found]) -> bool:
    """Print rows sent and rows counted, table by table, and return whether they are the same everywhere."""
    counted: Counter[str] = Counter()
    for one in found:
        counted[one.stored.table] += one.rows
    table = Table("table", title="Rows sent, rows found", title_justify="left", title_style="bold", box=None)
    for heading in ("sent by the source", "counted by DuckDB", ""):
        table.add_column(heading, justify="right")
    tables = sorted(sent.keys() | counted.keys())
    for name in tables:
        mark = "[green]✓[/]" if sent[name] == counted[name] else "[red]✗ differs[/]"
        table.add_row(name, f"{sent[name]:,}", f"{counted[name]:,}", mark)
    console.print(table)
    wrong = [name for name in tables if sent[name] != counted[name]]
    if wrong or not tables:
        console.print(f"[bold red]Rows sent and rows counted differ[/]: {', '.join(wrong) or 'nothing was sent'}")
        return False
    console.print(f"[bold green]Rows sent = rows counted: {sent.total():,} rows, in each of {len(tables)} tables.[/]")
    return True


def show_queries(console: Console, found: list[Found]) -> None:
    """Print what two queries find in the Parquet objects; nothing where the objects are no Parquet or lack a table."""
    files: dict[str, list[Path]] = {}
    for one in found:
        if one.file.suffix == ".parquet":
            files.setdefault(one.stored.table, []).append(one.file)
    with duckdb.connect() as database:
        for name, paths in files.items():
            database.execute(f'CREATE VIEW "{name}" AS SELECT * FROM {_read(paths)}')  # noqa: S608 -- our paths
        for needed, query in (
            ({"aws_ec2_instance_types", "aws_ec2_instance_type_offerings"}, _QUERY),
            ({"aws_iam_policies"}, _JSON_QUERY),
        ):
            if needed <= files.keys():
                console.print()
                console.print(f"[bold]DuckDB[/], over the downloaded objects:[cyan]{query}[/]", highlight=False)
                _print_result(console, database.sql(query))


def _print_result(console: Console, result: Any) -> None:
    table = Table(box=None)
    for name, kind in zip(result.columns, result.types, strict=True):
        table.add_column(name, justify="left" if str(kind) == "VARCHAR" else "right")
    for row in result.fetchall():
        table.add_row(*(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row))
    console.print(table)


def _read(files: list[Path]) -> str:
    """Return the DuckDB expression that reads files of one format."""
    suffix = "".join(files[0].suffixes[-2:]) if files[0].suffix == ".gz" else files[0].suffix
    paths = ", ".join("'" + str(file).replace("'", "''") + "'" for file in files)
    return f"{_READERS[suffix]}([{paths}])"


def _scalar(query: str) -> int:
    with duckdb.connect() as database:
        row = database.execute(query).fetchone()
    return int(row[0])
