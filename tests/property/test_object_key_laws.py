from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import assume, example, given, reject
from hypothesis import strategies as st

from cloudquery_s3.errors import TableError
from cloudquery_s3.object_key import MAX_KEY_BYTES, PLACEHOLDERS, PathTemplate

NOW = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)

pieces = st.sampled_from([*PLACEHOLDERS, "a", "b", ".", "..", "-", "_", "=", "%", "%2E", "%2F", "{{", "}}", "é"])
segments = st.lists(pieces, min_size=1, max_size=4).map("".join).filter(lambda text: text not in {".", ".."})
paths = st.lists(segments, min_size=1, max_size=4).map("/".join)
names = st.one_of(
    st.text(max_size=20),
    st.lists(st.sampled_from(["/", ".", "..", "%", "2", "E", "F", "a", "-", "_", *PLACEHOLDERS]), max_size=5).map(
        "".join
    ),
)


def key(path: str, table: str, sync_id: str = "sync") -> str:
    """Render a key of a gzipped CSV file."""
    return PathTemplate(path, format="csv.gz", sync_id=sync_id).render(table, file_id="f-1", now=NOW)


def literal(segment: str) -> bool:
    """Tell whether a segment has no placeholder."""
    return not any(name in segment for name in PLACEHOLDERS)


@given(paths, names, names)
@example("data/{{TABLE}}", "../../x", "")
@example("data/.{{TABLE}}/{{UUID}}", ".", "..")
def test_a_key_stays_in_its_prefix(path: str, table: str, sync_id: str) -> None:
    """A key is clean, and the template's literal segments stand in it in order, with nothing before the first."""
    try:
        steps = key(path, table, sync_id).split("/")
    except TableError:
        reject()
    assert not {"", ".", ".."} & set(steps)
    assert len(steps) <= len(path.split("/"))
    for mine, theirs in zip(path.split("/"), steps, strict=False):
        if not literal(mine):
            break
        assert mine == theirs


@given(paths.map(lambda path: f"{path}/x{{{{TABLE}}}}") | paths.filter(lambda path: "{{TABLE}}" in path), names, names)
@example("{{TABLE}}/x", "a/b", "a%2Fb")
@example("{{TABLE}}/x", "..", "%2E%2E")
@example(".{{TABLE}}/{{TABLE_HYPHEN}}", "", "%2E")
@example("{{TABLE}}{{TABLE_HYPHEN}}", "a_b", "a-b")
def test_tables_do_not_share_a_key(path: str, one: str, other: str) -> None:
    """Two tables never get one key where `{{TABLE}}` is in the path."""
    assume(one != other)
    try:
        keys = key(path, one), key(path, other)
    except TableError:
        reject()
    assert keys[0] != keys[1]


@given(names, names)
def test_substitution_is_one_pass(table: str, sync_id: str) -> None:
    """What takes a placeholder's place is never expanded again."""
    assume(table.strip(".") and sync_id.strip("."))
    expected = "/".join(part.replace("%", "%25").replace("/", "%2F") for part in (table, sync_id))
    assert key("{{TABLE}}/{{SYNC_ID}}", table, sync_id) == expected


@given(st.integers(1000, 1050), st.sampled_from(["a", "é", "/"]))
def test_no_key_is_too_long(size: int, letter: str) -> None:
    """Every key that is made fits S3, and only those that do not are refused."""
    table = letter * (size // len(letter.encode()))
    size_bytes = len(table.replace("/", "%2F").encode()) + 2
    try:
        assert len(key("p/{{TABLE}}", table).encode()) == size_bytes <= MAX_KEY_BYTES
    except TableError:
        assert size_bytes > MAX_KEY_BYTES
