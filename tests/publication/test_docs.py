"""The page about publication: its fields are the schema's, and its queries run."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from cloudquery_s3.publication.manifest import json_schema
from cloudquery_s3.spec.manifest import DEFAULT_PATH
from publication import documentation

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from reader import Lake

SCHEMA: dict[str, Any] = json.loads(json_schema())
TEXT = documentation.PAGE.read_text(encoding="utf-8")


@pytest.fixture
def server(moto_with_credentials: Any) -> Any:
    """One server is enough here."""
    return moto_with_credentials


def described(title: str) -> set[str]:
    """The fields that the page describes of something."""
    fields = TEXT.partition("<!-- fields")[2].partition("<!-- end of fields")[0]
    table = fields.partition(f"\nOf {title}:\n")[2].partition("\nOf ")[0]
    cells = re.findall(r"^\| (`[^|]*`) \|", table, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}


def test_fields() -> None:
    """The page describes each field of the schema, and no other."""
    definitions = SCHEMA["$defs"]
    documents = definitions["write"]["properties"].keys() | definitions["publication"]["properties"].keys()
    assert described("the document") == documents
    assert described("a table") == definitions["table"]["properties"].keys()
    assert described("an entry") == definitions["entry"]["properties"].keys()
    inside = (definitions["manifest"], definitions["schema"], definitions["schema"]["properties"]["columns"]["items"])
    for name in (name for one in inside for name in one["properties"]):
        assert f"`{name}`" in TEXT


def test_every_field_has_its_words() -> None:
    """The schema says of every field what it means."""

    def without(part: Any, place: str) -> list[str]:
        if not isinstance(part, dict):
            return []
        own = [f"{place}.{name}" for name, one in part.get("properties", {}).items() if "description" not in one]
        return own + [found for name, one in part.items() for found in without(one, f"{place}.{name}")]

    assert without(SCHEMA, "") == []


def test_the_default_key() -> None:
    """The page names the default key."""
    assert f"`{DEFAULT_PATH}`" in TEXT


def test_objects_by_manifests(lake: Callable[..., Lake], tmp_path: Path) -> None:
    """The query for large publications finds the objects in the manifests that a publication names."""
    one = lake(manifest={"latest": "_cloudquery/latest/{{SOURCE}}.json"})
    table = "aws_ec2_instances"
    for source in "ab":
        one.write(f"s{source}", 0, [(1,), (2,)], table=table, source=source)
        one.publish(f"s{source}")
    (sql,) = [block for block in documentation.blocks("sql") if "$.manifests" in block]
    ((found,),) = documentation.run(f"{sql}; SELECT getvariable('objects')", one.raw, tmp_path)[0]
    listed = [key for key in one.all_keys() if key.startswith("data/")]
    assert sorted(found) == [str(tmp_path / key) for key in listed]


def test_a_copy_manifest(lake: Callable[..., Lake]) -> None:
    """A table's entries have what Redshift's COPY reads: url, mandatory, and the length of each Parquet object."""
    one = lake()
    one.write("s", 0, [(1,), (2,)])
    for entry in one.publish("s").document["tables"]["t"]["entries"]:
        assert entry["url"] == f"s3://{one.raw.name}/{entry['key']}"
        assert entry["mandatory"] is True
        assert entry["meta"]["content_length"] == len(one.bucket.get(entry["key"]).body)
