"""What holds for every test."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from trino_server import trino_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trino_server import Trino

settings.register_profile(
    "shared-machine",
    deadline=None,  # a timing never decides a test
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=os.environ.get("CI") == "true",  # a change is judged by what it changes, not by luck
)
settings.load_profile("shared-machine")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # a shell starts background jobs so, and their children would not hear the Ctrl-C that some tests send
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def trino() -> Iterator[Trino]:
    """Trino, once a session: it takes half a minute to start."""
    with trino_server() as server:
        yield server
