"""What a release is made of."""

from __future__ import annotations

import re
import sys
import tomllib
from typing import TYPE_CHECKING

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import recipes
from cloudquery_s3 import __version__
from recipes import DEPLOY, ROOT

if TYPE_CHECKING:
    from pathlib import Path


def test_a_releases_notes_are_of_that_version_only() -> None:
    """`make notes` gives the section of the current version: all of it, and nothing of another version."""
    recipes.said_nothing_wrong(recipes.run("make", "notes"))
    notes = (ROOT / "dist" / "notes.md").read_text(encoding="utf-8")
    sections = re.split(r"^## \[", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    (section,) = [section for section in sections if section.startswith(f"{__version__}]")]
    assert notes == section.partition("\n")[2]
    assert not re.search(r"^## ", notes, re.MULTILINE)


def locked(name: str) -> dict[str, str]:
    """The packages of a lock, and their versions."""
    text = (ROOT / name).read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9.-]+)(?:\[[a-z0-9,-]+\])?==(\S+)", text, re.MULTILINE))


def test_the_locks_agree() -> None:
    """What the wheel needs is in the image, and all of that in the development lock, each in one version."""
    wheel, image, development = (locked(f"requirements{kind}.lock").items() for kind in ("", "-image", "-dev"))
    assert wheel < image < development


def test_the_image_has_the_extras() -> None:
    """The image's lock has all that `iceberg` and `otel` ask for, and boto3 for Glue; it has no awscrt."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    wanted = {canonicalize_name(Requirement(line).name) for extra in ("iceberg", "otel") for line in extras[extra]}
    image = locked("requirements-image.lock").keys()
    assert wanted | {"boto3"} <= image
    assert "awscrt" not in image


def test_the_image_is_built_from_what_is_there() -> None:
    """Each file that the Dockerfile copies is in the repository, and .dockerignore lets it through."""
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    names = {name for line in copied for name in line.split()}
    let_through = set(re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(encoding="utf-8"), re.MULTILINE))
    assert names == let_through
    assert "requirements-image.lock" in names
    assert [name for name in names if not (ROOT / name).exists()] == []


@pytest.mark.slow
def test_pyroma_is_content(tmp_path: Path) -> None:
    """Pyroma misses nothing in a release; without the addresses that a release has, it misses these alone."""
    pyroma = recipes.tool("validators/bin/pyroma")
    somewhere = {"PROJECT_REPOSITORY_URL": "https://example.com/a/b", "PROJECT_CONTACT_EMAIL": "someone@example.com"}
    for environment, rating in (somewhere, 10), (dict.fromkeys(somewhere, ""), 8):
        folder = tmp_path / str(rating)
        built = recipes.run(
            sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", folder, environment=environment
        )
        recipes.said_nothing_wrong(built)
        done = recipes.run(pyroma, "--min", "10", *folder.iterdir(), timeout=300)
        assert f"Final rating: {rating}/10" in done.stdout, done.stdout
        missed = re.findall(r"^Your package.*", done.stdout, re.MULTILINE)
        assert [line for line in missed if "author-email" not in line and "'url' field" not in line] == []


def test_a_release_has_its_addresses() -> None:
    """The release workflow gives the build what hatch_build.py reads, and stops at once where a variable is not set."""
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8"))
    job = workflow["jobs"]["build"]
    read = re.findall(r'"(PROJECT_[A-Z_]+)"', (ROOT / "hatch_build.py").read_text(encoding="utf-8"))
    assert job["env"].keys() == set(read)
    first, *others = [step["run"] for step in job["steps"] if "run" in step]
    for address, status in ("", 1), ("someone@example.com", 0):
        done = recipes.run("bash", "-e", "-c", first, environment={"PROJECT_CONTACT_EMAIL": address})
        assert (done.returncode, "CONTACT_EMAIL" in done.stdout) == (status, bool(status))
    assert [run for run in others if run.startswith("make package rating ")]


def test_every_recipe_is_tried() -> None:
    """Each folder of `deploy/` has a test that reads it."""
    tests = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py")}
    folders = {path.relative_to(DEPLOY).parts[0] for path in DEPLOY.rglob("*") if path.is_file()}
    for folder in folders:
        assert any(re.search(rf'DEPLOY / "{folder}"', text) for text in tests.values()), folder
