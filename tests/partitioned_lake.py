"""A folder of partitioned objects as the plugin writes them: zstd, sorted, with Bloom filters, under odd values."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

import rows
from cloudquery_s3.formats import make_format
from cloudquery_s3.stores.memory import MemoryStore
from specs import parsed
from streams import stream

if TYPE_CHECKING:
    from pathlib import Path

REGIONS = [
    "eu-west-1",
    "a/b",
    "a=b",
    "100%",
    "a%2Fb",
    "two words",
    " x ",
    "é",
    "{x}",
    "[q]",
    "x:y",
    "+",
    "\t",
    "",
    None,
]
"""Values of the column `region`, each in as many rows."""

DAYS = [datetime(2026, 11, day, 5, tzinfo=UTC) for day in (20, 21)]
"""Values of the column `at`, one for each half of a region's rows."""

ROWS = 6000
"""In a table. `n` counts them in the reverse order; `id` is distinct, in no order; `account` and `number` are text."""

PATH = "{{TABLE}}/r={{COLUMN:region}}/d={{DATE:at}}/{{UUID}}.parquet"

PARTITIONS = len(REGIONS[:-2]) + 1
"""Values of `r`: NULL and the empty text have one in common."""

_SCHEMA = rows.schema(
    "t",
    n=pa.int64(),
    region=pa.string(),
    at=pa.timestamp("us", "UTC"),
    id=pa.string(),
    account=pa.string(),
    number=pa.string(),
)


def table() -> pa.RecordBatch:
    """All rows, as the source sends them."""
    numbers = range(ROWS - 1, -1, -1)
    columns: list[list[Any]] = [
        list(numbers),
        [REGIONS[n % len(REGIONS)] for n in numbers],
        [DAYS[n // len(REGIONS) % 2] for n in numbers],
        [f"id-{n * 7919 % 100_003:06}" for n in numbers],
        [f"{n % 3:012}" for n in numbers],
        [str(n % 3) for n in numbers],
    ]
    return pa.record_batch(
        [pa.array(cells, field.type) for cells, field in zip(columns, _SCHEMA, strict=True)], _SCHEMA
    )


PARQUET = {"format": "parquet", "format_spec": {"compression": "zstd"}, "sort_by": ["n"]}


def write(folder: Path, path: str = PATH, **spec: Any) -> Path:
    """Have the plugin's own writer write the table at the keys of a path, and return the table's folder.

    It is zstd Parquet, sorted by `n`, if the spec says no other.
    """
    file_format = make_format(parsed(**(PARQUET | spec)))
    store = MemoryStore()

    async def scenario() -> None:
        with stream(store, path=path, file_format=file_format) as writer:
            whole = table()
            for start in range(0, ROWS, 1000):
                writer.insert(rows.ipc(whole.slice(start, 1000)))
                if writer.full:
                    await writer.make_room()
            await writer.finish()

    asyncio.run(scenario())
    for key, data in store.objects.items():
        file = folder / key
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    return folder / "t"
