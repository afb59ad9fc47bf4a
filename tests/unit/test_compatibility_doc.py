"""docs/compatibility.md against the tests that it names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", (ROOT / "docs/compatibility.md").read_text())))


@pytest.mark.parametrize(("file", "test"), NAMED)
def test_every_difference_is_tested(file: str, test: str) -> None:
    """A test that docs/compatibility.md names is there."""
    assert f"def {test}(" in (ROOT / file).read_text()


def test_every_row_names_a_test() -> None:
    """Each row of the tables of differences names the test that shows it."""
    text = (ROOT / "docs/compatibility.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("| ") and "---" not in line]
    assert [row for row in rows if "tests/" not in row and "shown by" not in row] == []
