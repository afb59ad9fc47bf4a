"""What a release is made of."""

from __future__ import annotations

import re

import pytest

import recipes
from cloudquery_s3 import __version__
from recipes import DEPLOY, ROOT


def test_a_releases_notes_are_of_that_version_only() -> None:
    """`make notes` gives the section of the current version: all of it, and nothing of another version."""
    recipes.said_nothing_wrong(recipes.run("make", "notes"))
    notes = (ROOT / "dist" / "notes.md").read_text(encoding="utf-8")
    sections = re.split(r"^## \[", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    (section,) = [section for section in sections if section.startswith(f"{__version__}]")]
    assert notes == section.partition("\n")[2]
    assert not re.search(r"^## ", notes, re.MULTILINE)


@pytest.mark.slow
def test_pyroma_is_content() -> None:
    """Pyroma misses nothing but what there is not: an address of the project, and one of its authors."""
    done = recipes.run(recipes.tool("validators/bin/pyroma"), "--min", "1", ROOT)
    missed = re.findall(r"^Your package.*", done.stdout, re.MULTILINE)
    assert [line for line in missed if "author-email" not in line and "'url' field" not in line] == []


def test_every_recipe_is_tried() -> None:
    """Each folder of `deploy/` has a test that reads it."""
    tests = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py")}
    folders = {path.relative_to(DEPLOY).parts[0] for path in DEPLOY.rglob("*") if path.is_file()}
    for folder in folders:
        assert any(re.search(rf'DEPLOY / "{folder}"', text) for text in tests.values()), folder
