"""A Write with tables and a manifest: what each says when the catalogue fails."""

from __future__ import annotations

import asyncio
import json
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from pyiceberg.exceptions import CommitFailedException, CommitStateUnknownException, ForbiddenError

import rows
from cloudquery_s3.committed import WriteStart
from cloudquery_s3.errors import PluginError, PublicationError
from cloudquery_s3.formats import make_format
from cloudquery_s3.server.destination import write_context
from cloudquery_s3.stores.memory import MemoryStore
from cloudquery_s3.writer.stream_writer import StreamWriter
from faulty_catalog import PERMANENT, FaultyCatalog, faulty_lake
from iceberg_lake import BUCKET, SYNC, LakeFolder, schema_of, sync_rows
from specs import parsed

if TYPE_CHECKING:
    from pathlib import Path

PASSING = {
    "answer lost": ("commit_table", "after", CommitStateUnknownException("500"), 1),
    "conflict": ("commit_table", "before", CommitFailedException("409"), 1),
    "before": ("load_table", "before", ConnectionError("reset"), 1),
}
STAYING = {
    "commit refused": ("commit_table", "before", ForbiddenError("no"), PERMANENT),
    "table refused": ("load_table", "before", ForbiddenError("no"), PERMANENT),
    "one table refused": ("commit_table", "before", ForbiddenError("no"), 1),
}


def write(lake: LakeFolder) -> tuple[MemoryStore, PluginError | None]:
    """One Write of two tables with three objects, as the server composes it; the bucket, and how it ended."""
    iceberg = {"catalog": lake.spec.iceberg.catalog}
    spec = parsed(bucket=BUCKET, path=lake.spec.path, format="parquet", iceberg=iceberg, manifest={}, batch_size=2)
    store = MemoryStore()
    context = write_context(spec, store, file_format=make_format(spec), sync_id=SYNC)
    stream = StreamWriter(context, WriteStart(str(uuid.uuid4()), datetime.now(UTC)), on_fatal=lambda: None)

    async def run() -> PluginError | None:
        for batch in (sync_rows([1, 2]), sync_rows([3]), sync_rows([9], schema=schema_of("u"))):
            stream.insert(rows.ipc(batch))
        try:
            await stream.finish()
        except PluginError as error:
            return error
        return None

    try:
        return store, asyncio.run(run())
    finally:
        context.pools.close()


def read(store: MemoryStore) -> tuple[dict[str, Any], list[str], list[str]]:
    """The manifest, the objects that it lists, and those that there are."""
    (key,) = (key for key in store.objects if key.startswith("_cloudquery/"))
    document = json.loads(store.objects[key])
    listed = [entry["key"] for table in document["tables"].values() for entry in table["entries"]]
    return document, sorted(listed), sorted(key for key in store.objects if key.startswith("data/"))


@pytest.mark.parametrize("fault", STAYING)
def test_objects_of_a_failed_commit_are_named(tmp_path: Path, fault: str) -> None:
    """A commit that fails fails the Write: the error names table and objects, and the manifest lists every object."""
    lake = faulty_lake(tmp_path)
    call, when, error, times = STAYING[fault]
    FaultyCatalog.faults[call] = (when, error, times)
    store, failure = write(lake)
    document, listed, there = read(store)
    assert isinstance(failure, PublicationError)
    assert str(failure).startswith("the rows of this Write are in the bucket, but ")
    assert (document["status"], document["error"]) == ("failed", str(failure))
    assert {table["status"] for table in document["tables"].values()} == {"failed"}
    assert listed == there
    FaultyCatalog.faults.clear()
    without = [table for table in ("t", "u") if lake.lake.load(table) is None]
    assert len(without) == (1 if times == 1 else 2)
    named = {key for key in there if key in str(failure)}
    assert named == {key for key in there if key.split("/")[1] in without}


@pytest.mark.parametrize("fault", PASSING)
def test_a_fault_that_passes_is_not_told(tmp_path: Path, fault: str) -> None:
    """Where the commit is made in the end, or was already, the manifest is complete and the rows are there once."""
    lake = faulty_lake(tmp_path)
    call, when, error, times = PASSING[fault]
    FaultyCatalog.faults[call] = (when, error, times)
    store, failure = write(lake)
    document, listed, there = read(store)
    assert (failure, document["status"], document["error"]) == (None, "complete", None)
    assert listed == there
    FaultyCatalog.faults.clear()
    for table, numbers in (("t", [1, 2, 3]), ("u", [9])):
        loaded = lake.table(table)
        (snapshot,) = loaded.metadata.snapshots
        assert snapshot.summary.additional_properties["added-records"] == str(len(numbers))
