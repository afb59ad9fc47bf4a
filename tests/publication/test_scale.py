"""Publishing a large sync in little memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAX_PEAK_MIB = 1024


@pytest.mark.slow
def test_a_million_objects() -> None:
    """A sync of 1,000 parts of 1,000 objects each is published in less than 1 GiB; what it took is printed."""
    command = [sys.executable, "-m", "benchmarks.publish"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1800, check=True)
    print(done.stdout)  # noqa: T201 -- for who runs it by hand
    peak = float(done.stdout.partition("peak ")[2].partition(" MiB")[0])
    assert 0 < peak < MAX_PEAK_MIB
