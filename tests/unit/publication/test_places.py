from __future__ import annotations

import uuid
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudquery_s3.errors import PublicationError
from cloudquery_s3.object_key import PARTITION_PLACEHOLDERS, PLACEHOLDERS, PathTemplate
from cloudquery_s3.publication import places
from specs import parsed

SPEC = parsed(manifest={}, path="data/{{TABLE}}/{{UUID}}")
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
PARTS = st.lists(
    st.one_of(
        st.sampled_from([*PLACEHOLDERS, *(f"{{{{{kind}:region}}}}" for kind in PARTITION_PLACEHOLDERS)]),
        st.sampled_from(["a", "b+", "sync=", ".", "(x)", "-"]),
    ),
    min_size=1,
    max_size=4,
)


@given(st.lists(PARTS.map("".join), min_size=1, max_size=3), NAMES, NAMES, st.lists(NAMES, max_size=12))
def test_every_key_matches(segments: list[str], table: str, sync_id: str, values: list[str]) -> None:
    """The pattern of a path matches each key that the path renders, and each key begins with the path's fixed start."""
    path = "x/" + "/".join(segments)
    template = PathTemplate(path, format="csv.gz", sync_id=sync_id)
    now = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
    key = template.render(table, file_id=str(uuid.uuid4()), now=now, partition=values)
    if any(segment in {"", ".", ".."} for segment in path.split("/")) or "%2E" in key:
        return  # such a segment is escaped, which no sensible path needs
    assert places.key_pattern(path, file_format="csv.gz").fullmatch(key)
    assert key.startswith(places.fixed_start(path))


@pytest.mark.parametrize("key", ["data/t/x.parquet", "data/t/u/00000000-0000-4000-8000-000000000000", "data/t/"])
def test_other_keys_do_not(key: str) -> None:
    """A key that the path cannot render does not match."""
    assert not places.key_pattern(SPEC.path).fullmatch(key)


def test_keys_of_a_sync() -> None:
    """A sync's manifests begin with what its id makes of the path; other documents have keys of their own."""
    key = places.manifest_key(SPEC, sync_id="a/b", attempt_id="u", started_at=datetime(2026, 1, 2, tzinfo=UTC))
    assert key == "_cloudquery/manifests/sync_id=a%2Fb/u.json"
    assert key.startswith(places.manifest_prefix(SPEC, "a/b"))
    assert key.startswith(places.manifest_prefix(SPEC))
    assert places.publication_key(SPEC, "a/b") == "_cloudquery/manifests/publications/a%2Fb.json"
    assert places.latest_keys(SPEC, ["a"]) == ["_cloudquery/manifests/latest.json"]


@pytest.mark.parametrize(("source", "whole"), [("aws_2_4", "aws"), ("aws_prod_12_16", "aws_prod"), ("aws_4", "aws_4")])
def test_shards(source: str, whole: str) -> None:
    """The shard that the CLI adds to a source's name is taken off it."""
    assert places.whole_source(source) == whole


def test_no_manifest() -> None:
    """A spec that writes no manifests has no places for them."""
    with pytest.raises(PublicationError, match="the spec writes no manifests"):
        places.manifest_prefix(parsed())
