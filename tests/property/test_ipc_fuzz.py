"""Nothing that is wrong with a payload can end the process, or pass for rows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ipc_fuzz

SLOW_SEEDS = 2_000


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_broken_payload_is_refused_or_read_as_arrow_reads_it(seed: int) -> None:
    """Of a payload broken at random, we refuse what Arrow and a check of all values refuse, and read the rest alike."""
    ipc_fuzz.run(seed)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_no_payload_ends_the_process() -> None:
    """A process that reads 14,000 broken payloads lives to its end."""
    program = Path(ipc_fuzz.__file__)
    done = subprocess.run([sys.executable, program, "0", str(SLOW_SEEDS)], capture_output=True, text=True, check=False)
    last = done.stdout.splitlines()[-1:]
    assert done.returncode == 0, f"status {done.returncode} at seed {last}: {done.stderr[-2000:]}"
