"""The Iceberg tables of a sync: DuckDB reads them by its Iceberg extension, out of the bucket."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

from pyiceberg.catalog import load_catalog
from rich.table import Table

from examples.demo.place import ROOT, DemoError

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Mapping

    from rich.console import Console

NAMESPACE: Final = "aws"
"""What the example spec calls it."""

DUCKDB: Final = ROOT / ".tools" / "duckdb-iceberg"
"""Where `make duckdb-iceberg` puts a DuckDB with its Iceberg extension: PyPI has them for some versions alone."""

_QUERY: Final = """
SELECT r.region, count(DISTINCT s.availability_zone) AS zones, count(*) AS subnets, min(s.cidr_block) AS first_block
FROM aws_ec2_subnets s JOIN aws_regions r USING (region)
GROUP BY ALL ORDER BY subnets DESC, region LIMIT 5"""


def show(console: Console, sent: Counter[str]) -> bool:
    """Print what DuckDB finds in the tables, and return whether each has as many rows as were sent.

    Raises:
        DemoError: the tables cannot be read.
    """
    console.print()
    if not DUCKDB.is_dir():
        console.print("There is no DuckDB with its Iceberg extension to query the tables: run `make duckdb-iceberg`")
        return True
    tables = _metadata()
    counts = {name: f'SELECT count(*) AS "rows" FROM {name}' for name in tables}  # noqa: S608 -- our own tables
    answers = _ask_duckdb(tables, {**counts, "": _QUERY})
    console.print(f"[bold]DuckDB[/], over the Iceberg tables in the bucket:[cyan]{_QUERY}[/]", highlight=False)
    _print_answer(console, answers.pop(""))
    counted = {name: answer["rows"][0][0] for name, answer in answers.items()}
    if counted != dict(sent):
        console.print(f"[bold red]The Iceberg tables have other rows[/]: {counted}, and {dict(sent)} were sent")
        return False
    console.print(f"[bold green]Iceberg: {len(counted)} tables with {sum(counted.values()):,} rows, as sent.[/]")
    return True


def _metadata() -> dict[str, str]:
    """Return where each table's metadata is, by the table's name."""
    place = {"s3.endpoint": os.environ["ENDPOINT"], "s3.region": os.environ["AWS_REGION"]}
    catalog = load_catalog("cloudquery", type="sql", uri=os.environ["CATALOG_URI"], **place)
    return {name[-1]: catalog.load_table(name).metadata_location for name in catalog.list_tables(NAMESPACE)}


def _ask_duckdb(tables: Mapping[str, str], queries: Mapping[str, str]) -> dict[str, Any]:
    """Run queries in a process of its own, whose DuckDB is another than the one of the development environment."""
    asked = {"tables": tables, "queries": queries, "endpoint": os.environ["ENDPOINT"]}
    done = subprocess.run(
        [sys.executable, "-m", "examples.demo.iceberg_queries"],
        input=json.dumps(asked),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(DUCKDB)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise DemoError(f"DuckDB cannot read the Iceberg tables: {done.stderr.strip().splitlines()[-1:]}")
    answers: dict[str, Any] = json.loads(done.stdout)
    return answers


def _print_answer(console: Console, answer: Mapping[str, Any]) -> None:
    table = Table(box=None)
    for name, kind in answer["columns"].items():
        table.add_column(name, justify="left" if kind == "VARCHAR" else "right")
    for row in answer["rows"]:
        table.add_row(*(str(cell) for cell in row))
    console.print(table)
