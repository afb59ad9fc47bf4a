"""Iceberg's own REST catalogue, as a process. `make rest-catalog` fetches it; where it is absent tests are skipped."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROOT = Path(__file__).resolve().parent
_JARS = _ROOT.parent / ".tools" / "rest-catalog"


@contextmanager
def rest_catalog(warehouse: str) -> Iterator[str]:
    """Run the catalogue until the block ends; give its URL. It forgets everything then."""
    java = shutil.which("java")
    if java is None or not _JARS.is_dir():
        pytest.skip("there is no REST catalogue: run `make rest-catalog` (needs Java and Maven)")
    program = _ROOT / "rest_catalog" / "RestCatalog.java"
    command = [java, "-Xmx256m", "-cp", f"{_JARS}/*", str(program), warehouse]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            port = process.stdout.readline().strip()
            assert port, "the catalogue ended at once"
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()
