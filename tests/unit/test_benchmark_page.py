"""The figures of pages, and the marks where they go."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks import page
from benchmarks.parts import PARTS, Run

ROOT = Path(__file__).parents[2]


def quiet() -> Run:
    """Return a run that says nothing."""
    return Run(quick=True, most=1, say=lambda _: None)


def test_pages_have_a_place_for_every_part(tmp_path: Path) -> None:
    """Each part has one mark in the pages, each mark a part, and what is written stands between them."""
    copies = [tmp_path / original.name for original in page.PAGES]
    for copy, original in zip(copies, page.PAGES, strict=True):
        copy.write_text(original.read_text(encoding="utf-8"), encoding="utf-8")
    figures = {name: f"what {name} has come to \\1" for name in [*PARTS, page.HOW]}
    page.write(copies, figures)
    page.write(copies, figures)
    together = "".join(copy.read_text(encoding="utf-8") for copy in copies)
    for text in figures.values():
        assert together.count(text) == 1


def test_no_page_is_half_written(tmp_path: Path) -> None:
    """Where a part is missing, no page changes."""
    text = "<!-- figures: one -->\nold\n<!-- end of figures -->\n"
    pages = [tmp_path / name for name in ("a.md", "b.md")]
    pages[0].write_text(text)
    pages[1].write_text(text.replace("one", "two"))
    with pytest.raises(ValueError, match="two"):
        page.write(pages, {"one": "new"})
    assert [each.read_text() for each in pages] == [text, text.replace("one", "two")]


def test_a_part_that_fails_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The other parts are measured all the same, and the error is shown."""

    def fail(_run: Run) -> str:
        raise RuntimeError("no store")

    monkeypatch.setitem(PARTS, "https", fail)
    monkeypatch.setitem(PARTS, "gzip", lambda _run: "figures")
    assert page.measure(quiet(), ["https", "gzip"]) == ({"gzip": "figures"}, ["https"])
    assert "no store" in capsys.readouterr().err


@pytest.mark.slow
def test_every_part_can_be_measured() -> None:
    """With few rows, each part of the page comes to figures."""
    command = [sys.executable, "-m", "benchmarks.page", "--quick", "--rows", "1000", "--parts", *PARTS]
    ended = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    for name in PARTS:
        assert f"\n{name}\n" in ended.stdout
