"""Write streams into a store of the test's choice, without a server in front."""

from __future__ import annotations

import json
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

import rows
from cloudquery_s3.committed import WriteStart
from cloudquery_s3.formats.json_lines import JsonLines
from cloudquery_s3.object_key import PathTemplate
from cloudquery_s3.writer.budget import MemoryBudget
from cloudquery_s3.writer.context import WriteContext
from cloudquery_s3.writer.fixed_keys import FixedKeys
from cloudquery_s3.writer.pools import Pools
from cloudquery_s3.writer.rotation import RotationPolicy
from cloudquery_s3.writer.stream_writer import StreamWriter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloudquery_s3.stores.memory import MemoryStore

NOW: Final = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)


@contextmanager
def stream(store: MemoryStore, **settings: Any) -> Iterator[StreamWriter]:
    """A stream into a memory store: JSON lines at `{{TABLE}}/{{UUID}}` and no limits, if the settings say no other."""
    ids = count()
    pools = Pools.start(uploads=settings.get("uploads", 8))
    context = WriteContext(
        template=PathTemplate(settings.get("path", "{{TABLE}}/{{UUID}}"), format="json", sync_id="sync"),
        policy=RotationPolicy(settings.get("max_rows", 0), settings.get("max_bytes", 0)),
        timeout_s=settings.get("timeout_s", 0),
        file_format=settings.get("file_format") or JsonLines(),
        store=store,
        pools=pools,
        budget=MemoryBudget(settings.get("memory_budget", 1 << 28)),
        fixed_keys=settings.get("fixed_keys") or FixedKeys(),
        now=lambda: NOW,
        new_id=lambda: str(next(ids)),
        publishers=settings.get("publishers", ()),
        empty_objects=settings.get("empty_objects", False),
        max_open_partitions=settings.get("max_open_partitions", 100),
        object_size=settings.get("object_size", 0),
    )
    yield StreamWriter(context, WriteStart("write", NOW), on_fatal=settings.get("on_fatal", lambda: None))
    pools.close()


def content(store: MemoryStore) -> dict[str, list[int]]:
    """The `n` of each row, by key."""
    return {key: [json.loads(line)["n"] for line in data.splitlines()] for key, data in store.objects.items()}


def values(table: str, *numbers: int) -> bytes:
    """An Insert's payload."""
    return rows.ipc(rows.batch(table, list(numbers)))


def rows_of(table: str, **columns: list[Any]) -> bytes:
    """An Insert's payload of rows with these columns."""
    arrays = {name: pa.array(cells) for name, cells in columns.items()}
    schema = rows.schema(table, **{name: array.type for name, array in arrays.items()})
    return rows.ipc(pa.record_batch(list(arrays.values()), schema=schema))
