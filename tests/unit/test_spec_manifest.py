from __future__ import annotations

import string
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudquery_s3.errors import SpecError
from cloudquery_s3.object_key import PathTemplate
from cloudquery_s3.spec import Manifest, Spec
from cloudquery_s3.spec.manifest import home_of, problems
from specs import parsed

DEFAULT = "_cloudquery/manifests/sync_id={{SYNC_ID}}/{{UUID}}.json"
FLAT = "data/{{TABLE}}.{{UUID}}.{{FORMAT}}"
DEEP = "data/{{TABLE}}/{{UUID}}.{{FORMAT}}"


def test_off_by_default() -> None:
    """A spec that asks for no manifest has none; an empty `manifest` is one with the documented key."""
    assert parsed().manifest is None
    assert parsed(manifest={}).manifest == Manifest(path=DEFAULT, part="", statistics=False, latest="")


def test_home() -> None:
    """The folder of all manifests is what their path begins with before the first placeholder."""
    assert Manifest().home == "_cloudquery/manifests/"
    assert home_of("_m/a/{{SYNC_ID}}/b/{{UUID}}.json") == "_m/a/"
    assert home_of("_m/{{SYNC_ID}}-{{UUID}}.json") == "_m/"
    assert home_of("{{SYNC_ID}}/{{UUID}}.json") == ""


REFUSED: list[tuple[str, str, dict[str, Any], str]] = [
    ("manifest.path", DEEP, {"path": ""}, "must be a key"),
    ("manifest.path", DEEP, {"path": "/_m/{{SYNC_ID}}/{{UUID}}"}, "must be a key"),
    ("manifest.path", DEEP, {"path": "../_m/{{SYNC_ID}}/{{UUID}}"}, "must be a key"),
    ("manifest.path", DEEP, {"path": "_m//{{SYNC_ID}}/{{UUID}}"}, "must be a key"),
    ("manifest.path", DEEP, {"path": "_m/" + "x" * 1030 + "{{SYNC_ID}}/{{UUID}}"}, "longer than S3 allows"),
    ("manifest.path", DEEP, {"path": "_m/{{UUID}}.json"}, r"must contain \{\{SYNC_ID\}\}"),
    ("manifest.path", DEEP, {"path": "_m/{{SYNC_ID}}.json"}, r"must contain \{\{UUID\}\}"),
    ("manifest.path", DEEP, {"path": "_m/{{TABLE}}/{{SYNC_ID}}/{{UUID}}"}, r"must not contain \{\{TABLE\}\}"),
    ("manifest.path", DEEP, {"path": "_m/{{Sync}}/{{SYNC_ID}}/{{UUID}}"}, r"must not contain \{\{Sync\}\}"),
    ("manifest.path", DEEP, {"path": "{{SYNC_ID}}/{{UUID}}.json"}, "must begin with a folder"),
    ("manifest.path", DEEP, {"path": "data/m/{{SYNC_ID}}/{{UUID}}.json"}, "lies where objects of a table can be"),
    ("manifest.path", "{{TABLE}}", {"path": "m/{{SYNC_ID}}/{{UUID}}.json"}, "lies where objects of a table can be"),
    ("manifest.path", FLAT, {"path": "data/{{SYNC_ID}}.{{UUID}}.json"}, "lies where objects of a table can be"),
    ("manifest.latest", DEEP, {"latest": "data/aws/latest.json"}, "lies where objects of a table can be"),
    ("manifest.latest", DEEP, {"latest": "_m/{{SYNC_ID}}.json"}, r"must not contain \{\{SYNC_ID\}\}"),
    ("manifest.latest", DEEP, {"latest": "/latest.json"}, "must be a key"),
    ("manifest.part", DEEP, {"part": "a\nb"}, "control character"),
    ("manifest.part", DEEP, {"part": "x" * 101}, "no more than 100 characters"),
    ("manifest.part", DEEP, {"part": 3}, "must be a string, not a number"),
]


@pytest.mark.parametrize(("field", "path", "manifest", "text"), REFUSED)
def test_refused(field: str, path: str, manifest: dict[str, Any], text: str) -> None:
    """Options that would lose a manifest, or put it among a table's objects, are errors that name the option."""
    with pytest.raises(SpecError, match=text) as refused:
        parsed(path=path, manifest=manifest, no_rotate="{{UUID}}" not in path)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("path", "manifest"),
    [
        (DEEP, {}),
        (FLAT, {}),
        ("{{UUID}}", {}),
        ("{{SYNC_ID}}/{{TABLE}}/{{UUID}}", {}),
        (DEEP, {"path": "data/_m/{{YEAR}}-{{MONTH}}-{{DAY}}/{{HOUR}}{{MINUTE}}/{{SYNC_ID}}/{{UUID}}.json"}),
        (DEEP, {"path": "manifests/{{SYNC_ID}}/{{UUID}}.json"}),
        (FLAT, {"path": "data/{{SYNC_ID}}.{{UUID}}.manifest"}),
        (DEEP, {"latest": "_cloudquery/latest/{{SOURCE}}.json"}),
        ("{{TABLE}}/{{UUID}}.{{FORMAT}}", {"latest": "latest.json"}),
    ],
)
def test_accepted(path: str, manifest: dict[str, Any]) -> None:
    """Keys beside the tables' folders are fine, also within a common folder."""
    assert parsed(path=path, manifest=manifest).manifest == Manifest(**manifest)


def test_sync_id() -> None:
    """A manifest needs the sync's id, which very old CLIs do not send."""
    data = b'{"bucket":"b","region":"r","path":"{{TABLE}}/{{UUID}}","format":"json","manifest":{}}'
    with pytest.raises(SpecError, match=r"^manifest\.path: contains \{\{SYNC_ID\}\}, .* use a newer CloudQuery CLI$"):
        Spec.parse(data, invocation_id="")


def test_parts_of_one_object() -> None:
    """Parts that would replace each other's objects are worth a warning."""
    said = parsed(path="data/{{TABLE}}.json", no_rotate=True, manifest={"part": "1"}).warnings
    assert [line for line in said if line.startswith("manifest.part: path has no {{UUID}}")]
    for options in (
        {"path": DEEP, "manifest": {"part": "1"}},
        {"path": "x/{{TABLE}}", "no_rotate": True, "manifest": {}},
    ):
        assert not [line for line in parsed(**options).warnings if line.startswith("manifest")]


_TEXT = st.text(string.ascii_lowercase + "_=.", min_size=1, max_size=2)
_SEGMENT = st.lists(
    st.one_of(_TEXT, st.sampled_from(["{{SYNC_ID}}", "{{UUID}}", "{{YEAR}}"])), min_size=1, max_size=2
).map("".join)
_TABLE_SEGMENT = st.tuples(st.sampled_from(["", "a"]), st.sampled_from(["{{TABLE}}", "{{TABLE}}.{{UUID}}"])).map(
    "".join
)
_NAME = st.from_regex(r"[a-z][a-z0-9_=.]{0,3}", fullmatch=True)


@given(
    st.lists(_SEGMENT, max_size=1),
    _TABLE_SEGMENT,
    st.lists(_SEGMENT, max_size=1),
    st.lists(_SEGMENT, min_size=1, max_size=3),
    _NAME,
    _NAME,
)
def test_a_manifest_is_never_in_a_tables_folder(
    before: list[str], table_segment: str, after: list[str], manifest: list[str], table: str, sync_id: str
) -> None:
    """Where the rules accept a manifest's path, no table has a folder or an object that begins its key."""
    path = "/".join([*before, table_segment, *after])
    options = Manifest(path="/".join(manifest))
    if any("lies where" in str(problem) for problem in problems(options, path=path, file_format="json")):
        return
    now, depth = datetime(2026, 1, 2, tzinfo=UTC), len(before) + 1
    of_table = PathTemplate(path, format="json", sync_id=sync_id).render(table, file_id=sync_id, now=now).split("/")
    key = PathTemplate(options.path, format="", sync_id=sync_id).render("", file_id=sync_id, now=now).split("/")
    inside = len(key) > depth or len(of_table) == depth == len(key)
    assert not (inside and key[:depth] == of_table[:depth])
