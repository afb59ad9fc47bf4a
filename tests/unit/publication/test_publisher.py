from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

import committed_records as committed
from cloudquery_s3.committed import Origin
from cloudquery_s3.errors import PublicationError, StoreError
from cloudquery_s3.publication.publisher import manifest_publisher
from cloudquery_s3.stores.memory import MemoryStore
from specs import parsed

SOURCE_A = Origin(sources=frozenset({"a"}))
SOURCE_B = Origin(sources=frozenset({"b/c"}))
MANIFEST = f"_cloudquery/manifests/sync_id=s-1/{committed.start().write_id}.json"


def published(store: MemoryStore, *records: Any, end: Any = None, sync_id: str = "s-1", **manifest: Any) -> list[str]:
    """Publish a Write of these records; return the keys that the store then has, in the order they were put."""
    path = "{{TABLE}}/{{UUID}}.{{FORMAT}}"
    factory = manifest_publisher(parsed(path=path, manifest=manifest), sync_id=sync_id, store=store)
    publisher = factory(committed.start())
    for one in records:
        publisher.committed(one)
    asyncio.run(publisher.publish(end or committed.end()))
    assert store.open_keys == []
    return list(store.objects)


def test_one_put() -> None:
    """A Write's manifest is one object, at a key made of the sync's id and the Write's own."""
    store = MemoryStore()
    assert published(store, committed.record()) == [MANIFEST]
    assert json.loads(store.objects[MANIFEST])["rows"] == 3


def test_its_key() -> None:
    """The placeholders of the date are when the Write began, in UTC, and a sync's id stays one segment."""
    path = "_m/{{YEAR}}-{{MONTH}}-{{DAY}}T{{HOUR}}{{MINUTE}}/{{SYNC_ID}}/{{UUID}}.json"
    keys = published(MemoryStore(), sync_id="a/b", path=path)
    assert keys == [f"_m/2026-11-26T0908/a%2Fb/{committed.start().write_id}.json"]


@pytest.mark.parametrize("status", ["failed", "interrupted"])
def test_a_write_that_is_not_complete(status: str) -> None:
    """It has its manifest too, with its status, and leaves the latest one as it is."""
    store = MemoryStore()
    error = StoreError("no", operation="PutObject", key="k")
    end = committed.end(status, error=error)
    assert published(store, committed.record(), end=end, latest="_m/latest.json") == [MANIFEST]
    assert json.loads(store.objects[MANIFEST])["status"] == status


def test_latest() -> None:
    """After a complete Write the same document is at the key of `latest`, put last."""
    store = MemoryStore()
    assert published(store, committed.record(), latest="_m/latest.json") == [MANIFEST, "_m/latest.json"]
    assert store.objects["_m/latest.json"] == store.objects[MANIFEST]


def test_latest_of_each_source() -> None:
    """With `{{SOURCE}}` each source of the Write has a latest document; a source's name stays one segment."""
    records = [committed.record(origin=SOURCE_B), committed.record(key="2", origin=SOURCE_A)]
    keys = published(MemoryStore(), *records, latest="_m/{{SOURCE}}/latest.json")
    assert keys == [MANIFEST, "_m/a/latest.json", "_m/b%2Fc/latest.json"]
    assert published(MemoryStore(), latest="_m/{{SOURCE}}/latest.json") == [MANIFEST]


def test_a_part_is_no_sync() -> None:
    """A Write with `part` never is the latest sync: that needs all parts."""
    assert published(MemoryStore(), committed.record(), part="0", latest="_m/latest.json") == [MANIFEST]


def test_a_manifest_that_cannot_be_put() -> None:
    """The Write fails then, with the store's reason, and nothing stays open."""

    def refuse(operation: str, key: str) -> None:
        if operation == "PutObject":
            raise StoreError("AccessDenied: no", operation=operation, key=key, status=403)

    store = MemoryStore(before=refuse)
    with pytest.raises(PublicationError, match=r"^the manifest could not be written: PutObject _cloudquery.*no$"):
        published(store, committed.record())
    assert (store.objects, store.open_keys) == ({}, [])


def test_a_key_that_is_too_long() -> None:
    """A sync's id that makes the key longer than a key can be fails the Write by name."""
    with pytest.raises(PublicationError, match=r"more than 1024 bytes: shorten `manifest\.path` or the sync's id"):
        published(MemoryStore(), sync_id="x" * 1000)
