"""Commits to Iceberg's own REST catalogue."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from cloudquery_s3.committed import DeleteStale
from cloudquery_s3.errors import CatalogError
from iceberg_lake import BUCKET, FolderIO, LakeFolder, schema_of, sync_rows
from rest_catalog_server import rest_catalog

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The catalogue's URL."""
    with rest_catalog(f"s3://{BUCKET}/warehouse") as url:
        yield url


@pytest.fixture
def lake(url: str, tmp_path: Path) -> Iterator[LakeFolder]:
    """A lake of its own, whose catalogue is empty."""
    options = {"type": "rest", "uri": url, "py-io-impl": f"{FolderIO.__module__}.FolderIO"}
    lake = LakeFolder(tmp_path, options)
    yield lake
    catalog = lake.lake.catalog
    for identifier in catalog.list_tables("cloudquery"):
        catalog.drop_table(identifier)


def stale(source: str, day: int) -> DeleteStale:
    """The wish that a source's rows before a day go."""
    return DeleteStale("t", source, datetime(2026, 11, day, 9, 8, 34, 503633, tzinfo=UTC))


def test_every_write_mode(lake: LakeFolder) -> None:
    """Appending, replacing a source's rows, replacing by key and adding columns work as with any catalogue."""
    lake.publish(lake.put(sync_rows([1, 2])), lake.put(sync_rows([3], source="two")))
    lake.publish(lake.put(sync_rows([4], day=2)), deletes=[stale("one", 2)])
    assert lake.column() == [3, 4]
    wider = schema_of("t", pa.field("v", pa.string()), key="n")
    lake.publish(lake.put(sync_rows([4, 5], day=3, schema=wider, v="new")))
    assert lake.column() == [3, 4, 5]
    assert sorted(lake.table().scan().to_arrow()["v"].to_pylist(), key=str) == [None, "new", "new"]


def test_changed_type(lake: LakeFolder) -> None:
    """A changed type fails its table alone."""
    lake.publish(lake.put(sync_rows([1], schema=schema_of("t", pa.field("a", pa.string())), a="a")))
    changed = schema_of("t", pa.field("a", pa.int64()))
    with pytest.raises(CatalogError, match=r"table t: .* a is long and was string"):
        lake.publish(lake.put(sync_rows([2], schema=changed, a=1)), lake.put(sync_rows([9], schema=schema_of("u"))))
    assert (lake.column(), lake.column(table="u")) == ([1], [9])


@pytest.mark.parametrize("present", [False, True], ids=["new table", "table"])
def test_many_writes_at_once(lake: LakeFolder, present: bool) -> None:
    """Of many Writes into one table at the same time none is lost, and none is there twice."""
    if present:
        lake.publish(lake.put(sync_rows([100])))
    lakes = [LakeFolder(lake.folder, lake.spec.iceberg.catalog) for _ in range(4)]
    records = [one.put(sync_rows([number])) for number, one in enumerate(lakes)]
    threads = [threading.Thread(target=one.publish, args=(record,)) for one, record in zip(lakes, records, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert lake.column() == [0, 1, 2, 3, *([100] if present else [])]


def test_catalogue_that_is_not_there(tmp_path: Path) -> None:
    """A catalogue out of reach is an error at the start that says so."""
    options = {"type": "rest", "uri": "http://127.0.0.1:1", "token": "s3cret"}
    with pytest.raises(CatalogError, match="the Iceberg catalogue cannot be opened") as raised:
        LakeFolder(tmp_path, options).lake.try_namespace()
    assert "s3cret" not in str(raised.value)
