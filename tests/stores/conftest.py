from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from s3_servers import isolated_environment
from wire_server import WireServer, wire_server

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def static_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials in the environment, and no others."""
    for name, value in isolated_environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI")


@pytest.fixture
def wire(static_keys: None) -> Iterator[WireServer]:  # noqa: ARG001 - a store needs credentials to be made
    """A server that records."""
    with wire_server() as server:
        yield server
