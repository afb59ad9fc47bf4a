"""The limits that stand in the documentation are those in the code."""

from __future__ import annotations

from pathlib import Path

from cloudquery_s3.server import limits

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "operations.md"


def test_the_documentation() -> None:
    """`docs/operations.md` has the table of all limits, with their values and what happens beyond them."""
    assert limits.as_markdown() in DOCUMENT.read_text(encoding="utf-8")
