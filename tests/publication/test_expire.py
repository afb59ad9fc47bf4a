"""Expiring on real servers: by manifest alone, and never what a reader needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import rows
from cloudquery_s3.errors import PublicationError
from cloudquery_s3.publication.expire import Deleted, delete, load_expiries
from cloudquery_s3.publication.progress import NoProgress

if TYPE_CHECKING:
    from collections.abc import Callable

    from reader import Lake

pytestmark = pytest.mark.server


def expire(one: Lake, *, keep: int = 1, really: bool = True) -> Deleted | None:
    """Let all but so many syncs go."""
    found = load_expiries(one.bucket, one.spec, keep=keep, before=None)
    return delete(one.bucket, one.spec, found, NoProgress()) if really else None


def test_old_syncs_go(lake: Callable[..., Lake]) -> None:
    """The objects, the manifests and the publications of old syncs go; all else stays, unlisted objects too."""
    one = lake()
    kept = ["data/t/elsewhere.txt", "data/t/00000000-0000-4000-8000-000000000000.parquet"]
    for key in kept:
        one.put(key, b"")
    for minute, sync_id in enumerate("abcd"):
        one.write(sync_id, 5 * minute, status="failed" if sync_id == "c" else "complete")
        if sync_id != "c":
            one.publish(sync_id)
    one.write("killed", 2, manifest=False)
    before = one.all_keys()
    expire(one, really=False)
    assert one.all_keys() == before
    deleted = expire(one)
    assert deleted is not None
    assert (deleted.objects, deleted.documents, deleted.shared) == (6, 5, set())
    assert one.statuses() == {"d": "published"}
    assert set(kept) <= set(one.all_keys())
    assert [kind for kind, _ in one.findings(deep=True)] == ["unlisted"] * 3
    assert expire(one) == Deleted()


def test_objects_of_tables_never_go(lake: Callable[..., Lake]) -> None:
    """A spec with Iceberg tables expires nothing: the tables have the objects, whatever manifests say."""
    one = lake(format="parquet", iceberg={"catalog": {"type": "glue"}})
    with pytest.raises(PublicationError, match="Iceberg tables"):
        expire(one)


def test_superseded_writes_go(lake: Callable[..., Lake]) -> None:
    """The objects of a retried Write go from a sync that stays."""
    one = lake()
    one.write("s", 0, [(1,)], status="failed")
    one.write("s", 5, [(1,), (2,)])
    deleted = expire(one, keep=5)
    assert deleted is not None
    assert deleted.objects == 1
    assert one.verify(deep=True).objects == 2
    assert one.findings() == []


def test_a_fixed_key_stays(lake: Callable[..., Lake]) -> None:
    """A key that a newer sync has written to as well stays, with what the newer sync wrote."""
    one = lake(no_rotate=True, path="data/{{TABLE}}.{{FORMAT}}")
    for minute, sync_id in enumerate(("a", "b")):
        (stored,) = one.write(sync_id, 5 * minute + 5, [(minute,)])
    deleted = expire(one)
    assert deleted is not None
    assert deleted.shared == {stored.key}
    assert one.statuses() == {"b": "complete"}
    assert one.findings("b", deep=True) == []


def test_a_fixed_key_of_a_running_sync_stays(lake: Callable[..., Lake]) -> None:
    """A fixed key that holds another object than the one that was listed stays: its sync may have no manifest yet."""
    one = lake(no_rotate=True, path="data/{{TABLE}}.{{FORMAT}}")
    (old,) = one.write("a", 0, [(1,)], table="sometimes")
    one.write("b", 5, [(1,)])
    (running,) = one.write("c", 10, [(2,)], table="sometimes", manifest=False)
    assert old.key == running.key
    deleted = expire(one)
    assert deleted is not None
    assert (deleted.objects, deleted.shared) == (0, {running.key})
    assert running.key in one.all_keys()


def test_the_objects_of_a_publication(lake: Callable[..., Lake]) -> None:
    """The empty objects that a publication has added go with it."""
    one = lake(write_empty_objects_for_empty_tables=True)
    for minute, sync_id in enumerate(("a", "b")):
        one.write(sync_id, 5 * minute, [(1,)], part="0", announced=[rows.schema("e")])
        one.publish(sync_id, 1)
    assert len([key for key in one.all_keys() if key.startswith("data/e/")]) == 2
    expire(one)
    assert one.findings() == []
    assert len([key for key in one.all_keys() if key.startswith("data/e/")]) == 1


def test_a_sync_that_is_told_of_stays(lake: Callable[..., Lake]) -> None:
    """The sync of a latest document stays, be it older: the plugin's last writer won."""
    one = lake(manifest={"latest": "_m/latest.json"})
    one.write("b", 5)
    one.write("a", 0)
    assert one.document("_m/latest.json")["sync_id"] == "a"
    expire(one)
    assert one.statuses() == {"b": "complete", "a": "complete"}


def test_objects_of_another_bucket(lake: Callable[..., Lake]) -> None:
    """A manifest that was copied from another bucket deletes nothing here."""
    one, other = lake(), lake()
    one.write("a", 0)
    one.write("b", 5)
    for key in one.all_keys():
        other.put(key, one.bucket.get(key).body)
    before = other.all_keys()
    with pytest.raises(PublicationError, match=f"lists objects of bucket {one.raw.name}, not of {other.raw.name}"):
        expire(other)
    assert other.all_keys() == before


def test_it_can_be_repeated(lake: Callable[..., Lake], monkeypatch: pytest.MonkeyPatch) -> None:
    """What was interrupted at any request is finished by the same call again."""
    one = lake()
    for minute, sync_id in enumerate("ab"):
        one.write(sync_id, 5 * minute)
        one.publish(sync_id)
    real, left = one.bucket.delete, [0]

    def interrupted(key: str) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise ConnectionError(key)
        real(key)

    monkeypatch.setattr(one.bucket, "delete", interrupted)
    for number in range(1, 5):
        left[0] = number
        try:
            expire(one)
        except ConnectionError:
            continue
    left[0] = 0
    expire(one)
    assert one.statuses() == {"b": "published"}
    assert one.findings() == []
