"""Workflows and Dockerfiles: linted, and everything from elsewhere pinned."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

import pytest
import yaml

import recipes
from recipes import DEPLOY, ROOT

if TYPE_CHECKING:
    from pathlib import Path

RECIPE = DEPLOY / "github" / "sync.yml"
WORKFLOWS = [RECIPE, *sorted((ROOT / ".github" / "workflows").glob("*.yml"))]
DOCKERFILES = [ROOT / "Dockerfile", DEPLOY / "image" / "Dockerfile"]


def test_actionlint_finds_nothing() -> None:
    """Actionlint reads every workflow, expressions and shell included, and finds nothing."""
    recipes.said_nothing_wrong(recipes.run(recipes.tool("actionlint"), *WORKFLOWS))


def test_zizmor_finds_nothing() -> None:
    """Zizmor finds no way to misuse a workflow's rights."""
    command = [recipes.tool("validators/bin/zizmor"), "--offline", "--no-progress", "--min-severity", "medium"]
    recipes.said_nothing_wrong(recipes.run(*command, RECIPE, ROOT / ".github"))


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_hadolint_finds_nothing(dockerfile: Path) -> None:
    """Hadolint finds nothing in a Dockerfile."""
    recipes.said_nothing_wrong(recipes.run(recipes.tool("validators/bin/hadolint"), dockerfile))


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_every_action_is_pinned(workflow: Path) -> None:
    """Every action is named by its commit, with the release beside it that dependabot reads and renews."""
    used = re.findall(r"uses: (\S+)(.*)", workflow.read_text())
    assert used
    for action, comment in used:
        if not action.startswith("./"):
            assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", action), action
            assert re.fullmatch(r" # v\d+\.\d+\.\d+", comment), action


def test_the_base_image_is_pinned() -> None:
    """The image's base is named by its digest, the same in both stages."""
    bases = set(re.findall(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
    (base,) = bases
    assert re.fullmatch(r"python:3\.\d+-slim@sha256:[0-9a-f]{64}", base)


def test_ci_tries_every_python_that_is_promised() -> None:
    """The versions in the package's metadata are those that CI runs the tests with."""
    classifiers = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]
    promised = [found[1] for line in classifiers if (found := re.search(r":: (3\.\d+)$", line))]
    ci = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    assert ci["jobs"]["check"]["strategy"]["matrix"]["python"] == promised


def test_the_recipes_shards_agree() -> None:
    """The jobs, the shards and the parts to publish are as many."""
    jobs = yaml.safe_load(RECIPE.read_text())["jobs"]
    shards = jobs["sync"]["strategy"]["matrix"]["shard"]
    assert shards == list(range(1, len(shards) + 1))
    assert jobs["sync"]["env"]["SHARDS"] == jobs["publish"]["env"]["SHARDS"] == str(len(shards))
