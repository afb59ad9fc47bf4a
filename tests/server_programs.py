"""Programs that tests run as servers: where they are, when they listen, and that they end."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).resolve().parent.parent
START_TIMEOUT_S = 60.0


def free_port() -> int:
    """Return a TCP port of loopback that nothing listened on a moment ago."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def find_program(name: str, target: str, folder: Path = ROOT / ".tools") -> str:
    """Return where a server's program is; a variable of its name in capitals may say so.

    Where it is absent the test is skipped with that reason, or fails if REQUIRE_S3_SERVER=1.
    """
    variable = name.upper().replace("-", "_")
    found = os.environ.get(variable) or shutil.which(name, path=str(folder)) or shutil.which(name)
    if found:
        return found
    reason = f"there is no {name}: run `{target}`"
    if os.environ.get("REQUIRE_S3_SERVER") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@contextmanager
def running(
    command: list[str],
    port: int | None = None,
    environment: Mapping[str, str] | None = None,
    timeout_s: float = START_TIMEOUT_S,
) -> Iterator[None]:
    """Run a server until the block ends; with a port, the block begins when the server listens there."""
    with (
        tempfile.TemporaryFile() as errors,  # a pipe would fill up, and stop the server
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors, env=environment) as process,
    ):
        try:
            if port:
                _wait_until_listening(port, process, errors, timeout_s)
            yield
        finally:
            process.kill()  # it would wait for idle connections to end
            process.wait()


def _wait_until_listening(port: int, process: subprocess.Popen[bytes], errors: IO[bytes], timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if process.poll() is not None:
            errors.seek(0)
            raise RuntimeError(f"the server ended at once: {errors.read().decode(errors='replace')}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise TimeoutError(f"nothing listens on port {port} after {timeout_s} s")
