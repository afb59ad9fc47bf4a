"""Verifying on real servers: every kind of difference is found, and nothing else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from cloudquery_s3.errors import PublicationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from reader import Lake

pytestmark = pytest.mark.server

FORMATS: list[dict[str, Any]] = [
    {"format": "parquet"},
    {"format": "json"},
    {"format": "json", "compression": "gzip"},
    {"format": "json", "compression": "zstd"},
    {"format": "csv"},
    {"format": "csv", "format_spec": {"skip_header": True}, "compression": "gzip"},
]
FIXED: dict[str, Any] = {"no_rotate": True, "path": "data/{{TABLE}}.{{FORMAT}}"}


@pytest.mark.parametrize("options", FORMATS, ids=lambda options: "-".join(map(str, options.values())))
def test_all_is_well(lake: Callable[..., Lake], options: dict[str, Any]) -> None:
    """What the plugin has written is there as its manifests say, to the last row, in every format."""
    one = lake(**options)
    one.write("a", 0, [(1, 2), (3,)])
    one.write("b", 5, [(4,)], status="failed")
    found = one.verify(deep=True)
    assert found.findings == []
    assert (found.syncs, found.objects, found.rows) == (2, 3, 4)
    assert one.verify("a", deep=True).objects == 2


def test_many_objects(lake: Callable[..., Lake]) -> None:
    """Objects that are found by listing, among others of the same folder, and some that are not."""
    one = lake(format="json")
    objects = one.write("a", 0, [(n,) for n in range(40)])
    one.write("b", 1, [(n,) for n in range(40)])
    one.delete(objects[7].key)
    one.put(objects[9].key, b'{"n":10}\n')
    expected = sorted([("missing", objects[7].key), ("altered", objects[9].key)], key=lambda found: found[1])
    assert one.findings("a") == one.findings() == expected
    assert one.findings("b") == []


def test_unlisted(lake: Callable[..., Lake]) -> None:
    """Objects that no manifest lists are found under the spec's path, and only there: those of a killed sync."""
    one = lake()
    one.write("a")
    killed = [stored.key for stored in one.write("b", manifest=False)]
    for key in ("elsewhere/x.parquet", "data/t/notes.txt", "data/TEST_TABLE/TEST_UUID.parquet"):
        one.put(key, b"")
    assert one.findings() == sorted(("unlisted", key) for key in killed)
    assert one.findings("a") == []


def test_altered_content_of_the_same_size(lake: Callable[..., Lake]) -> None:
    """An object of the same size and other bytes is altered."""
    one = lake(format="json")
    (stored,) = one.write("a", 0, [(1,)])
    one.put(stored.key, b'{"n":2}\n')
    assert one.findings("a") == [("altered", stored.key)]


def test_replaced(lake: Callable[..., Lake]) -> None:
    """A fixed key that a later sync has written to is replaced, and no fault; altered by somebody else, it is one."""
    one = lake(**FIXED)
    for minute, sync_id in enumerate(("a", "b", "c")):
        (stored,) = one.write(sync_id, 5 * minute, [(minute,)])
    assert one.findings("a") == one.findings("b") == one.findings() == [("replaced", stored.key)]
    assert one.findings("c") == []
    one.put(stored.key, b"")
    assert one.findings("c") == one.findings("a") == one.findings() == [("altered", stored.key)]
    one.delete(stored.key)
    assert one.findings("c") == one.findings("a") == one.findings() == [("missing", stored.key)]


@pytest.mark.parametrize("options", [FORMATS[0], FORMATS[4]], ids=["parquet", "csv"])
def test_deep(lake: Callable[..., Lake], options: dict[str, Any]) -> None:
    """Rows are counted: a manifest that counts others than the object has is found by `deep` alone."""
    one = lake(**options)
    (stored,) = one.write("a", 0, [(1, 2)])
    (key,) = [key for key in one.all_keys() if key.startswith("_cloudquery")]
    manifest = one.document(key)
    manifest["tables"]["t"]["entries"][0]["meta"]["record_count"] = 3
    one.put(key, json.dumps(manifest).encode())
    assert one.findings() == []
    assert [finding.why for finding in one.verify(deep=True).findings] == ["it has 2 rows, not 3"]
    assert one.findings("a", deep=True) == [("altered", stored.key)]


def test_no_such_sync(lake: Callable[..., Lake]) -> None:
    """A sync without manifests is refused by name; a bucket without any is well."""
    one = lake()
    with pytest.raises(PublicationError, match=r"^sync nobody has no manifest here"):
        one.verify("nobody")
    assert one.verify().findings == []


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"not JSON", "is no manifest: not JSON"),
        (b"[]", "its version is None, this program reads version 1"),
        (b'{"manifest_version": 2}', "its version is 2, this program reads version 1"),
        (b'{"manifest_version": 1}', "it has no kind, status"),
    ],
)
def test_what_is_no_manifest(lake: Callable[..., Lake], body: bytes, text: str) -> None:
    """Another document at a manifest's key is named, and not passed over."""
    one = lake()
    one.write("a")
    key = "_cloudquery/manifests/sync_id=b/00000000-0000-4000-8000-000000000000.json"
    one.put(key, body)
    with pytest.raises(PublicationError, match=f"^{key}: .*{text}"):
        one.verify()
