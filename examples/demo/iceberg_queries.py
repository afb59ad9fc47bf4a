"""A process that asks Iceberg tables: JSON on standard input says what, JSON on standard output is the answer.

It needs a DuckDB with the extensions `iceberg`, `avro` and `httpfs` in its path: see `make duckdb-iceberg`.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any, Final

import duckdb
from duckdb_extensions import import_extension

EXTENSIONS: Final = ("httpfs", "avro", "iceberg")


def main() -> None:
    """Answer."""
    asked = json.load(sys.stdin)
    for name in EXTENSIONS:
        import_extension(name)
    with duckdb.connect() as database:
        for name in EXTENSIONS:
            database.load_extension(name)
        database.execute(_secret(asked["endpoint"]))
        for name, metadata in asked["tables"].items():
            database.execute(f"CREATE VIEW \"{name}\" AS SELECT * FROM iceberg_scan('{metadata}')")  # noqa: S608 -- ours
        print(json.dumps({name: _answer(database.sql(query)) for name, query in asked["queries"].items()}))


def _secret(endpoint: str) -> str:
    options = {
        "KEY_ID": os.environ.get("AWS_ACCESS_KEY_ID", ""),
        "SECRET": os.environ.get("AWS_SECRET_ACCESS_KEY", ""),
        "SESSION_TOKEN": os.environ.get("AWS_SESSION_TOKEN", ""),
        "REGION": os.environ["AWS_REGION"],
        "ENDPOINT": endpoint.partition("://")[2],
        "URL_STYLE": "path",
    }
    written = ", ".join(f"{name} '{value}'" for name, value in options.items() if value)
    return f"CREATE SECRET (TYPE s3, {written}, USE_SSL {not endpoint.startswith('http://')})"


def _answer(result: Any) -> dict[str, Any]:
    columns = {name: str(kind) for name, kind in zip(result.columns, result.types, strict=True)}
    return {"columns": columns, "rows": result.fetchall()}


if __name__ == "__main__":
    main()
