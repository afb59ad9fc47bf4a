"""h2spec against the plugin's HTTP/2."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

H2SPEC = Path(__file__).parents[2] / ".tools" / "h2spec"
PROGRAM = Path(__file__).parents[1] / "http2_program.py"


def test_h2spec() -> None:
    """h2spec, with its strict cases, finds nothing that the RFCs of HTTP/2 and HPACK forbid."""
    if not H2SPEC.exists():
        if os.environ.get("REQUIRE_H2SPEC") == "1":
            pytest.fail("there is no h2spec: run `make h2spec`")
        pytest.skip("there is no h2spec: run `make h2spec` (needs Go)")
    with subprocess.Popen(
        [sys.executable, str(PROGRAM)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        port = server.stdout.readline().strip()
        command = [str(H2SPEC), "--strict", "--port", port, "--timeout", "5"]
        told = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
        server.communicate("")
    assert told.returncode == 0, told.stdout
    assert "0 skipped, 0 failed" in told.stdout
