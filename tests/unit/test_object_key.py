from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from cloudquery_s3.errors import TableError
from cloudquery_s3.object_key import MAX_KEY_BYTES, PLACEHOLDERS, PathTemplate

NOW = datetime(2021, 3, 5, 4, 1, 2, tzinfo=UTC)
DATED = "test/test/{{TABLE}}/year={{YEAR}}/month={{MONTH}}/day={{DAY}}/hour={{HOUR}}/minute={{MINUTE}}/{{UUID}}.json"


def render(path: str, table: str = "test-table", file_id: str = "FAKE-UUID", *, file_format: str = "json") -> str:
    """Render a key at a fixed time."""
    return PathTemplate(path, format=file_format, sync_id="S-1").render(table, file_id=file_id, now=NOW)


@pytest.mark.parametrize(
    ("path", "table", "file_id", "key"),
    [
        ("test/test/{{TABLE}}/{{UUID}}", "", "", "test/test"),
        ("test/test/{{TABLE}}/{{UUID}}.json", "test-table", "", "test/test/test-table/.json"),
        ("test/test/{{TABLE}}/{{UUID}}.json", "test-table", "FAKE-UUID", "test/test/test-table/FAKE-UUID.json"),
        ("test/test/{{TABLE}}/{{UUID}}.{{FORMAT}}", "", "FAKE-UUID", "test/test/FAKE-UUID.json"),
        (
            DATED,
            "test-table",
            "FAKE-UUID",
            "test/test/test-table/year=2021/month=03/day=05/hour=04/minute=01/FAKE-UUID.json",
        ),
        ("test/test/{{TABLE_HYPHEN}}/{{UUID}}.json", "test_table", "FAKE-UUID", "test/test/test-table/FAKE-UUID.json"),
        ("test/{{SYNC_ID}}/{{UUID}}", "t", "FAKE-UUID", "test/S-1/FAKE-UUID"),
    ],
)
def test_reference_pairs(path: str, table: str, file_id: str, key: str) -> None:
    """Every pair that the reference tests renders the same key."""
    assert render(path, table, file_id) == key


def test_every_placeholder_is_replaced() -> None:
    """No placeholder of the documented list is left in a key."""
    assert "{{" not in render("/".join(PLACEHOLDERS))


def test_compressed_format() -> None:
    """`{{FORMAT}}` is what the caller names, `.gz` included."""
    assert render("{{TABLE}}.{{FORMAT}}", file_format="csv.gz") == "test-table.csv.gz"


def test_all_occurrences_get_one_file_id() -> None:
    """Several `{{UUID}}` in one path get the same value."""
    assert render("{{UUID}}/{{TABLE}}.{{UUID}}") == "FAKE-UUID/test-table.FAKE-UUID"


@pytest.mark.parametrize("table", list(PLACEHOLDERS))
def test_a_table_called_like_a_placeholder(table: str) -> None:
    """A table's name that looks like a placeholder is not expanded."""
    assert render("{{TABLE}}/{{UUID}}", table) == f"{table}/FAKE-UUID"


def test_unknown_and_miscased_names_stay() -> None:
    """An unknown placeholder, or one in lower case, stays as it is."""
    assert render("{{DATE}}/{{table}}/{{{TABLE}}}") == "{{DATE}}/{{table}}/{test-table}"


@pytest.mark.parametrize(
    ("path", "table", "key"),
    [
        ("data/{{TABLE}}/x", "a/b", "data/a%2Fb/x"),
        ("data/{{TABLE}}/x", "../../etc", "data/..%2F..%2Fetc/x"),
        ("data/{{TABLE}}/x", "..", "data/%2E%2E/x"),
        ("data/{{TABLE}}/x", ".", "data/%2E/x"),
        ("data/.{{TABLE}}/x", ".", "data/%2E%2E/x"),
        ("data/{{TABLE_HYPHEN}}", "..", "data/%2E%2E"),
        ("data/{{TABLE}}", "100%", "data/100%25"),
        ("{{TABLE}}/x", "/", "%2F/x"),
        ("data/{{TABLE}}", "a\\b", "data/a\\b"),
        ("data/{{TABLE}}", "a..b", "data/a..b"),
    ],
)
def test_table_names_stay_one_segment(path: str, table: str, key: str) -> None:
    """Separators and dots in a table's name never make a step of the key."""
    assert render(path, table) == key


def test_a_sync_id_stays_one_segment() -> None:
    """A sync id that the user chose freely never leaves its segment."""
    template = PathTemplate("a/{{SYNC_ID}}/b", format="json", sync_id="../x")
    assert template.render("t", file_id="F", now=NOW) == "a/..%2Fx/b"


def test_time_is_utc() -> None:
    """The date in a key is the UTC date, whatever the clock's zone."""
    late = datetime(2022, 1, 1, 1, 30, tzinfo=timezone(timedelta(hours=3)))
    template = PathTemplate("{{YEAR}}-{{MONTH}}-{{DAY}}T{{HOUR}}{{MINUTE}}", format="json", sync_id="")
    assert template.render("t", file_id="F", now=late) == "2021-12-31T2230"


def test_year_has_four_digits() -> None:
    """An early year is padded with zeros."""
    template = PathTemplate("{{YEAR}}", format="json", sync_id="")
    assert template.render("t", file_id="F", now=datetime(1, 1, 1, tzinfo=UTC)) == "0001"


def test_longest_key() -> None:
    """A key of S3's 1024 bytes is made; one byte more fails the table by name, counted in UTF-8."""
    name = "é" * 511
    assert len(render("{{TABLE}}/x", name).encode()) == MAX_KEY_BYTES
    with pytest.raises(TableError, match=r"object key has 1025 bytes where S3 allows 1024: shorten `path`") as caught:
        render("{{TABLE}}/xx", name)
    assert caught.value.table == name


def test_no_key_at_all() -> None:
    """A path that renders to nothing fails the table."""
    with pytest.raises(TableError, match="its object key is empty"):
        render("{{TABLE}}", "")


@pytest.mark.parametrize(("path", "has"), [("{{TABLE}}/{{UUID}}", True), ("{{TABLE}}", False), ("{{uuid}}", False)])
def test_has_file_id(path: str, has: bool) -> None:
    """Only `{{UUID}}` makes the keys of one table differ."""
    assert PathTemplate(path, format="json", sync_id="").has_file_id is has
