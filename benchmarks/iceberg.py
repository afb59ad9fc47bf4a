"""What commits to Iceberg cost: processor time a table and a file, with a catalogue in SQLite and a bucket in a folder.

    python -m benchmarks.iceberg

Prints a line a case. Objects have 30 columns and few rows: rows cost nothing here, since no object is read.
"""

from __future__ import annotations

import asyncio
import resource
import sys
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import pyarrow as pa

from cloudquery_s3.catalogs.iceberg.publisher import IcebergPublisher
from cloudquery_s3.committed import DeleteStale, WriteEnd, WriteStart

lakes: Any = import_module("iceberg_lake")  # of the tests

_COLUMNS = [pa.field(f"column_{number}", pa.string()) for number in range(27)]
_START = datetime(2026, 11, 1, 9, 8, 34, 503633, tzinfo=UTC)


def main() -> None:
    """Measure and print."""
    measure("1 table x 1 file", tables=1, files=1)
    measure("100 tables x 10 files", tables=100, files=10)
    measure("1 table x 10,000 files", tables=1, files=10_000)
    measure_by_key()


def measure(name: str, *, tables: int, files: int) -> None:
    """Measure a first sync and one that replaces it."""
    with tempfile.TemporaryDirectory() as folder:
        lake = lakes.LakeFolder(Path(folder))
        before = time.process_time()
        lake.lake.try_namespace()  # as Init does
        print(f"{name}, opening the catalogue: {time.process_time() - before:.2f} CPU-s")
        for sync in (1, 2):
            moment = _START + timedelta(days=sync - 1)
            records = [record for table in range(tables) for record in _records(lake, f"table_{table}", files, sync)]
            deletes = [DeleteStale(f"table_{table}", "one", moment) for table in range(tables)]
            spent = _spent(lake, records, deletes)
            print(
                f"{name}, sync {sync}: {spent:.2f} CPU-s, {spent / tables * 1000:.0f} ms a table, "
                f"{spent / (tables * files) * 1000:.2f} ms a file; peak {_peak_mib()} MiB"
            )


def measure_by_key() -> None:
    """Measure a Write whose rows replace others by their primary key: it reads the keys of the table's files."""
    with tempfile.TemporaryDirectory() as folder:
        lake = lakes.LakeFolder(Path(folder))
        lake.publish(*(lake.put(_keyed(number * 100_000, day=1)) for number in range(10)))
        spent = _spent(lake, [lake.put(_keyed(450_000, day=2))], [])
        found = lake.table().scan().count()
        print(f"100,000 rows by key, {found:,} in 10 files: {spent:.2f} CPU-s; peak {_peak_mib()} MiB")


def _keyed(start: int, *, day: int, count: int = 100_000) -> pa.RecordBatch:
    moment = pa.scalar(_START + timedelta(days=day - 1), pa.timestamp("us", tz="UTC"))
    constants = [pa.repeat(moment, count), pa.repeat("one", count)]
    texts = [pa.repeat(f"value of {column.name}", count) for column in _COLUMNS]
    numbers = pa.array(range(start, start + count), pa.int64())
    return pa.record_batch([*constants, numbers, *texts], schema=lakes.schema_of("t", *_COLUMNS, key="n"))


def _records(lake: Any, table: str, files: int, sync: int) -> list[Any]:
    values = {column.name: f"value of {column.name}" for column in _COLUMNS}
    one = lake.put(lakes.sync_rows(range(20), day=sync, schema=lakes.schema_of(table, *_COLUMNS), **values))
    return [replace(one, key=f"{one.key}-{number}.parquet") for number in range(files)]


def _spent(lake: Any, records: list[Any], deletes: list[DeleteStale]) -> float:
    before = time.process_time()
    publisher = IcebergPublisher(lake.lake, WriteStart(str(time.time_ns()), _START), sync_id=lakes.SYNC)
    for record in records:
        publisher.committed(record)
    schemas = {record.table: record.schema for record in records}
    asyncio.run(publisher.publish(WriteEnd("complete", _START, None, {}, schemas, deletes)))
    return time.process_time() - before


def _peak_mib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":
    main()
