"""The systemd units, as systemd itself checks them."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import pytest

import cloudquery_cli as cli
import recipes
from recipes import DEPLOY

if TYPE_CHECKING:
    from pathlib import Path

UNITS = sorted((DEPLOY / "systemd").iterdir())
EXPOSURE_MAX = 20
"""Of 100, in tenths of the figure that systemd prints: 10 is open to everything."""


@pytest.fixture(scope="module")
def analyze() -> str:
    """`systemd-analyze`; it needs no running systemd."""
    found = shutil.which("systemd-analyze")
    if not found:
        pytest.skip("there is no systemd-analyze: it comes with systemd")
    return found


def test_the_units_are_sound(analyze: str, tmp_path: Path) -> None:
    """`systemd-analyze verify` finds nothing, once the programs are where the units have them."""
    programs = {"cloudquery-s3": cli.PLUGIN, "cloudquery": cli.binary()}
    for unit in UNITS:
        text = re.sub(r"/usr/local/bin/([\w-]+)", lambda found: str(programs[found[1]]), unit.read_text())
        (tmp_path / unit.name).write_text(text)
    done = recipes.run(analyze, "verify", "--man=no", *(tmp_path / unit.name for unit in UNITS))
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("unit", [unit for unit in UNITS if unit.suffix == ".service"], ids=lambda unit: unit.name)
def test_the_services_can_do_little(analyze: str, unit: Path) -> None:
    """Systemd's own measure of what a service is exposed to stays in the range that it calls OK."""
    done = recipes.run(analyze, "security", "--offline=true", "--no-pager", f"--threshold={EXPOSURE_MAX}", unit)
    recipes.said_nothing_wrong(done)
