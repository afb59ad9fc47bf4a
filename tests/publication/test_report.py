"""The report: one file that shows what the manifests tell, and needs nothing from anywhere."""

from __future__ import annotations

import os
import re
from html.parser import HTMLParser
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

import program
from cloudquery_s3.errors import PublicationError
from cloudquery_s3.publication.progress import NoProgress
from cloudquery_s3.publication.report.charts import Bar, columns, rows
from cloudquery_s3.publication.report.figures import Figures, gather
from cloudquery_s3.publication.report.page import page
from cloudquery_s3.publication.syncs import grouped
from program import as_yaml, destination
from publication_syncs import head

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from reader import Lake

pytestmark = pytest.mark.server
ODD = "t<script>&\"'"
VOID = {"meta"}


@pytest.fixture
def server(moto_with_credentials: Any) -> Any:
    """One server is enough here."""
    return moto_with_credentials


class Reader(HTMLParser):
    """Collects a page's text, and what each element refers to; fails where elements do not nest."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []
        self.references: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.references += [f"{tag} {name}" for name, _ in attrs if name in {"src", "href", "xlink:href"}]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del tag, attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open and "script" not in self.open:
            self.text.append(data)


def read(html: str) -> list[str]:
    """The texts of a page that is whole and refers to nothing."""
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == []
    assert reader.references == []
    assert not re.search(r"https?:|@import|url\(|fetch\(|XMLHttp", html)
    return [text for text in map(str.strip, reader.text) if text]


def figures(one: Lake, sync_id: str | None = None) -> Figures:
    """What a report shows."""
    return gather(one.bucket, one.spec, sync_id=sync_id, progress=NoProgress())


def test_the_newest_sync(lake: Callable[..., Lake]) -> None:
    """The page is about the newest sync, with its tables, its objects, and the syncs before it."""
    one = lake()
    one.write("old", 0, [(1,)])
    one.write("new", 5, [(1, 2), (3,)], table=ODD)
    shown = figures(one)
    assert [sync.sync_id for sync in shown.last] == ["old", "new"]
    assert [(table.name, table.rows, table.objects) for table in shown.tables] == [(ODD, 3, 2)]
    assert sum(shown.sizes) == 2
    texts = read(page(shown, made_at="now"))
    assert {"new", "complete", ODD, "Rows of the last syncs", "Every cell was written as it came."} <= set(texts)
    assert "Failures" not in texts
    assert [sync.sync_id for sync in figures(one, "old").last] == ["old", "new"]


def test_a_failed_sync(lake: Callable[..., Lake]) -> None:
    """A failed sync shows what failed; what is in it is escaped."""
    one = lake()
    one.write("s", 0, status="failed")
    shown = figures(one)
    shown.errors.append("PutObject <k>: AccessDenied")
    shown.tables[0].errors.append("cannot & will not")
    texts = read(page(shown, made_at="now"))
    assert {"Failures", "failed", "PutObject <k>: AccessDenied", "cannot & will not"} <= set(texts)


def test_a_sync_in_parts(lake: Callable[..., Lake]) -> None:
    """Tables are joined over the parts, before and after the sync is published."""
    one = lake()
    for part in "01":
        one.write("s", 0, [(1, 2)], part=part)
    before = figures(one)
    one.publish("s", 2)
    after = figures(one)
    assert before.tables == after.tables
    assert (after.tables[0].rows, after.tables[0].objects) == (4, 2)
    assert {"published", "0, 1"} <= set(read(page(after, made_at="now")))


def test_a_sync_without_rows(lake: Callable[..., Lake]) -> None:
    """A sync of which no row came has a page too."""
    one = lake()
    one.write("s", 0, ())
    assert {"The source named no table.", "There are no objects."} <= set(read(page(figures(one), made_at="now")))


def test_nothing_to_report(lake: Callable[..., Lake]) -> None:
    """Without manifests, or without those of the sync that was asked for, there is no page."""
    one = lake()
    with pytest.raises(PublicationError, match="there are no manifests here yet: there is nothing to report"):
        figures(one)
    one.write("s")
    with pytest.raises(PublicationError, match="sync x has no manifest here"):
        figures(one, "x")


def test_many_syncs() -> None:
    """A chart of many syncs labels few of them, never two over each other, and marks the one that is shown."""
    syncs = grouped(head(f"s{number}", 10 * number, objects=number + 1) for number in range(60))
    bars = [Bar(f"at {n}", n, f"value {n}", f"title {n}", is_marked=n == 7) for n in range(len(syncs))]
    drawn = columns(bars, about="x")
    assert drawn.count("<rect") == 60
    assert drawn.count("<title>") == 60
    labels = [(float(x), text) for x, text in re.findall(r'<text class="(?:shown)?" x="([\d.]+)"[^>]*>([^<]+)', drawn)]
    assert "at 7" in [text for _, text in labels]
    places = sorted(x for x, _ in labels)
    assert all(after - before > 70 for before, after in pairwise(places))
    assert "value 59" in drawn
    assert "value 7<" in drawn


def test_charts_of_nothing() -> None:
    """No bars, or bars of nothing, are charts too."""
    for bars in ([], [Bar("a", 0, "0", "a")]):
        read(columns(bars, about="x"))
        read(rows(bars, about="x"))


def test_the_command(lake: Callable[..., Lake], tmp_path: Path) -> None:
    """`report` writes the file and names it; where it cannot, it ends with 1."""
    one = lake()
    one.write("s")
    spec = as_yaml(tmp_path, destination(one.written))
    keys = {name: os.environ[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    said = program.run("report", spec, "-o", tmp_path / "page.html", **keys)
    assert (said.status, said.output) == (0, f"{tmp_path / 'page.html'}: sync s, complete\n")
    html = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "s" in read(html)
    assert "prefers-color-scheme: dark" in html
    said = program.run("report", spec, "-o", tmp_path / "no" / "page.html", **keys)
    assert said.status == 1
    assert said.errors.startswith("error: the report cannot be written: ")
