"""Publishing on real servers: whole syncs only, once, and in the order of the syncs."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from jsonschema import Draft202012Validator

import rows
from cloudquery_s3.errors import PublicationError
from cloudquery_s3.publication.manifest import json_schema
from cloudquery_s3.publication.merge import MAX_ENTRIES, Merger
from cloudquery_s3.publication.syncs import grouped
from committed_records import BEGAN
from reader import moment

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from reader import Lake

pytestmark = pytest.mark.server
VALIDATOR = Draft202012Validator(json.loads(json_schema()))
LATEST = "_cloudquery/manifests/latest.json"
FOUR = tuple("0123")


def shards(one: Lake, sync_id: str = "s", parts: Sequence[str] = FOUR, minute: int = 0, **more: Any) -> None:
    """Write a sync in parts, each with one row: its part's number."""
    for part in parts:
        one.write(sync_id, minute, [(int(part),)], part=part, source=f"aws_{int(part) + 1}_4", **more)


def published_rows(one: Lake, key: str = LATEST) -> list[int]:
    """The rows of all objects of table `t` that a document lists."""
    entries = one.document(key)["tables"]["t"]["entries"]
    tables = [pq.read_table(pa.BufferReader(one.bucket.get(entry["key"]).body)) for entry in entries]
    return sorted(value for table in tables for value in table["n"].to_pylist())


def test_four_parts(lake: Callable[..., Lake]) -> None:
    """A sync in four parts is published once all four are there: one document with the rows of all of them."""
    one = lake()
    shards(one)
    assert one.statuses() == {"s": "parts"}
    outcome = one.publish("s", 4)
    assert (outcome.created, outcome.latest) == (True, {LATEST: "written"})
    document = one.document(outcome.key)
    VALIDATOR.validate(document)
    assert document == outcome.document == one.document(LATEST)
    assert (document["parts"], document["sources"], document["rows"]) == (["0", "1", "2", "3"], ["aws"], 4)
    assert [manifest["part"] for manifest in document["manifests"]] == ["0", "1", "2", "3"]
    assert published_rows(one) == [0, 1, 2, 3]
    assert one.statuses() == {"s": "published"}
    assert one.findings() == []


@pytest.mark.parametrize("latest", [{}, {"latest": "_m/latest.json"}], ids=["beside", "at a key"])
def test_documents_are_json(lake: Callable[..., Lake], latest: dict[str, str]) -> None:
    """Manifests, publications and latest documents have the type of JSON, whatever that of the objects is."""
    one = lake(content_type="application/x-rows", manifest=latest)
    one.write("s")
    one.publish("s")
    client = one.raw.server.client()
    types = {key: client.head_object(Bucket=one.raw.name, Key=key)["ContentType"] for key in one.all_keys()}
    assert {key: "application/x-rows" if key.startswith("data/") else "application/json" for key in types} == types
    assert len([key for key in types if key.startswith("_")]) == 3


@pytest.mark.parametrize(
    ("written", "parts", "text"),
    [
        ("013", 4, r"has 3 complete parts of 4: 0, 1, 3"),
        ("0123", 3, r"has 4 complete parts of 3: 0, 1, 2, 3"),
        ("0123", None, r"was written in parts \(0, 1, 2, 3\): say with --parts"),
        ("", 4, "has no manifest here"),
    ],
)
def test_parts_that_are_not_all(lake: Callable[..., Lake], written: str, parts: int | None, text: str) -> None:
    """With fewer or more parts than said nothing is published; the error says which are there."""
    one = lake()
    shards(one, parts=tuple(written))
    before = one.all_keys()
    with pytest.raises(PublicationError, match=text):
        one.publish("s", parts)
    assert one.all_keys() == before


@pytest.mark.parametrize("status", ["failed", "interrupted"])
def test_a_part_that_is_not_complete(lake: Callable[..., Lake], status: str) -> None:
    """A failed or interrupted part keeps a sync from being published, until it was written again."""
    one = lake()
    shards(one, parts=tuple("012"))
    shards(one, parts="3", status=status)
    assert one.statuses() == {"s": status}
    with pytest.raises(PublicationError, match=f"sync s is not complete: part 3 {status}, says _cloudquery/"):
        one.publish("s", 4)
    shards(one, parts="3", minute=5)
    assert one.publish("s", 4).created
    assert published_rows(one) == [0, 1, 2, 3]


def test_a_part_that_was_killed(lake: Callable[..., Lake]) -> None:
    """A killed part has no manifest: without it the sync is refused, and its retry counts alone, each row once."""
    one = lake()
    shards(one, parts=tuple("012"))
    shards(one, parts="3", manifest=False)
    with pytest.raises(PublicationError, match="has 3 complete parts of 4"):
        one.publish("s", 4)
    shards(one, parts="3", minute=5)
    one.publish("s", 4)
    assert published_rows(one) == [0, 1, 2, 3]
    assert [kind for kind, _ in one.findings()] == ["unlisted"]


def test_a_part_that_was_complete_twice(lake: Callable[..., Lake]) -> None:
    """Of a part that was written twice only the later Write counts."""
    one = lake()
    shards(one)
    shards(one, parts="2", minute=5)
    one.publish("s", 4)
    assert published_rows(one) == [0, 1, 2, 3]


def test_publishing_again(lake: Callable[..., Lake]) -> None:
    """A second publish changes no object and says so, also after one of its manifests has vanished."""
    one = lake()
    shards(one)
    first = one.publish("s", 4)
    before = one.raw.etags()
    one.delete(first.document["manifests"][0]["key"])
    second = one.publish("s", 4)
    assert (second.created, second.document, second.latest) == (False, first.document, {LATEST: "unchanged"})
    assert one.raw.etags() == {key: tag for key, tag in before.items() if key != first.document["manifests"][0]["key"]}
    with pytest.raises(PublicationError, match="is published already, with other parts than 3: 0, 1, 2, 3"):
        one.publish("s", 3)


def test_publishing_at_the_same_time(lake: Callable[..., Lake]) -> None:
    """Several that publish at the same time write the same document, and all succeed."""
    one = lake()
    shards(one)
    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(lambda _: one.publish("s", 4), range(4)))
    assert len({json.dumps(outcome.document) for outcome in outcomes}) == 1
    assert published_rows(one) == [0, 1, 2, 3]


def test_one_write(lake: Callable[..., Lake]) -> None:
    """A sync without parts is published likewise; a Write that was retried counts once."""
    one = lake()
    one.write("s", 0, [(1,)], status="failed")
    one.write("s", 5, [(1,), (2,)])
    document = one.publish("s").document
    VALIDATOR.validate(document)
    assert (document["parts"], published_rows(one)) == (None, [1, 2])


def test_two_sources(lake: Callable[..., Lake]) -> None:
    """Two sources of one CLI run are one sync; while one of them is not complete, it is refused."""
    one = lake()
    one.write("s", 0, [(1,)], source="a")
    one.write("s", 5, [(2,)], source="b", status="failed")
    with pytest.raises(PublicationError, match="is not complete"):
        one.publish("s")
    one.write("s", 10, [(2,)], source="b")
    assert one.publish("s").document["sources"] == ["a", "b"]
    assert published_rows(one) == [1, 2]


@pytest.mark.parametrize("damage", ["missing", "altered"])
def test_an_object_that_is_not_as_written(lake: Callable[..., Lake], damage: str) -> None:
    """An object that is gone or another one keeps a sync from being published, and is named."""
    one = lake()
    stored = one.write("s")[0]
    one.delete(stored.key) if damage == "missing" else one.put(stored.key, b"x")
    with pytest.raises(PublicationError, match=f"not as written: 1 object: {stored.key}: {damage}"):
        one.publish("s")
    assert not [key for key in one.all_keys() if "publications" in key or key == LATEST]


def test_an_older_sync_never_replaces_a_newer_one(lake: Callable[..., Lake]) -> None:
    """The latest document is of the sync that began last, in whatever order they are published."""
    one = lake()
    for minute, sync_id in enumerate("abc"):
        one.write(sync_id, 5 * minute, [(minute,)])
    assert [one.publish(sync_id).latest[LATEST] for sync_id in "bac"] == ["written", "newer", "written"]
    assert one.document(LATEST)["sync_id"] == "c"
    assert published_rows(one) == [2]
    assert one.publish("b").latest == {LATEST: "newer"}


def test_syncs_published_at_the_same_time(lake: Callable[..., Lake]) -> None:
    """However many are published at the same time, the newest is the latest at the end."""
    one = lake()
    names = [str(number) for number in range(6)]
    for number, sync_id in enumerate(names):
        one.write(sync_id, 5 * number, [(number,)])
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(one.publish, reversed(names)))
    assert one.document(LATEST)["started_at"] == moment(25)


@pytest.mark.slow
def test_a_store_that_compares_no_quoted_tags(lake_on_rgw: Lake) -> None:
    """RGW 16.2 takes a quoted entity tag for another: the error says so and blames nobody; its way out works."""
    for minute, sync_id in enumerate("ab"):
        lake_on_rgw.write(sync_id, 5 * minute, [(minute,)])
    assert lake_on_rgw.publish("a").latest == {LATEST: "written"}
    with pytest.raises(PublicationError, match="it does not compare If-Match as S3 does; remove the object"):
        lake_on_rgw.publish("b")
    bucket = lake_on_rgw.raw
    bucket.server.client().delete_object(Bucket=bucket.name, Key=LATEST)
    assert lake_on_rgw.publish("b").latest == {LATEST: "written"}
    assert published_rows(lake_on_rgw) == [1]


def test_latest_of_each_source(lake: Callable[..., Lake]) -> None:
    """With `{{SOURCE}}` in its key each source has a latest document; the shards of a source are one source."""
    one = lake(manifest={"latest": "_m/{{SOURCE}}.json"})
    shards(one)
    one.write("other", 5, [(7,)], source="gcp")
    assert one.publish("s", 4).latest == {"_m/aws.json": "written"}
    assert one.publish("other").latest == {"_m/gcp.json": "written"}
    assert (published_rows(one, "_m/aws.json"), published_rows(one, "_m/gcp.json")) == ([0, 1, 2, 3], [7])


def test_the_publication_takes_the_place_of_its_own_manifest(lake: Callable[..., Lake]) -> None:
    """Where the plugin has told of the sync already, its publication is told instead."""
    one = lake(manifest={"latest": "_m/latest.json"})
    one.write("s")
    assert one.document("_m/latest.json")["kind"] == "write"
    assert one.publish("s").latest == {"_m/latest.json": "written"}
    assert one.document("_m/latest.json")["kind"] == "publication"


def test_empty_tables(lake: Callable[..., Lake]) -> None:
    """A table that is empty in every part gets one empty object from the publication, and others get none."""
    one = lake(write_empty_objects_for_empty_tables=True)
    empty, partly = rows.schema("e", n=pa.int64(), s=pa.string()), rows.schema("t")
    shards(one, parts=("0", "1"), announced=[empty, partly])
    one.write("s", 0, (), part="2", announced=[empty, partly])
    document = one.publish("s", 3).document
    VALIDATOR.validate(document)
    (entry,) = document["tables"]["e"]["entries"]
    table = pq.read_table(pa.BufferReader(one.bucket.get(entry["key"]).body))
    assert (table.num_rows, table.column_names) == (0, ["n", "s"])
    assert (document["tables"]["e"]["objects"], document["objects"], document["rows"]) == (1, 3, 2)
    assert entry["key"].startswith("data/e/")
    assert one.findings(deep=True) == []
    assert not one.publish("s", 3).created


def test_no_empty_objects(lake: Callable[..., Lake]) -> None:
    """Without the option, and without parts, the publication adds no object."""
    empty = rows.schema("e")
    for options, parts in (({}, "0"), ({"write_empty_objects_for_empty_tables": True}, None)):
        one = lake(**options)
        one.write("s", 0, [(1,)], part=parts, announced=[empty])
        assert one.publish("s", parts and 1).document["tables"]["e"]["entries"] == []


def test_another_destination(lake: Callable[..., Lake]) -> None:
    """Manifests of another path or format under the same sync are refused: their objects are not this spec's."""
    one = lake()
    one.write("s")
    one.spec = replace(one.spec, path="other/{{TABLE}}/{{UUID}}.{{FORMAT}}")
    with pytest.raises(PublicationError, match="is of another destination, whose path is not this spec's"):
        one.publish("s")


def test_a_fixed_key_in_two_parts(lake: Callable[..., Lake]) -> None:
    """Parts that wrote to the same key have replaced each other's rows: that is refused."""
    one = lake(no_rotate=True, path="data/{{TABLE}}.{{FORMAT}}")
    shards(one, parts=("0", "1"))
    with pytest.raises(PublicationError, match=r"data/t\.parquet: two parts have written to this key"):
        one.publish("s", 2)


def test_many_objects_are_left_to_the_manifests(lake: Callable[..., Lake]) -> None:
    """A publication of more than 10,000 objects has no entries but names its manifests; one of fewer has them all."""
    one = lake(format="json")
    one.write("s", 0, [(1,)])
    (sync,) = one.syncs()
    (head,) = sync.counted
    document = one.document(head.key)
    for objects, has_entries in ((MAX_ENTRIES, True), (MAX_ENTRIES + 1, False)):
        big = head.fields | {"objects": objects}
        (changed,) = grouped([type(head)(head.key, head.etag, big)])
        merger = Merger(changed, one.spec)
        merger.add(changed.counted[0], document)
        merged = json.loads(merger.document())
        VALIDATOR.validate(merged)
        assert (merged["tables"]["t"]["entries"] is not None) == has_entries
        assert merged["manifests"][0]["objects"] == objects


def test_the_moments_of_a_sync(lake: Callable[..., Lake]) -> None:
    """A publication began when its first part did, and ended when its last one did."""
    one = lake()
    for number, part in enumerate(FOUR):
        shards(one, parts=part, minute=number)
    document = one.publish("s", 4).document
    assert BEGAN.isoformat()[:26] == document["started_at"][:26]
    assert (document["started_at"], document["ended_at"]) == (moment(0), moment(4))
