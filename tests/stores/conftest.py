from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from s3_servers import isolated_environment
from wire_server import WireServer, wire_server

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """No credentials anywhere."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in isolated_environment().items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def static_keys(nobody: None, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001 - a fixture
    """Keys in the environment, and no other credentials."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "example-secret")


@pytest.fixture
def wire(static_keys: None) -> Iterator[WireServer]:  # noqa: ARG001 - a store needs credentials to be made
    """A server that records."""
    with wire_server() as server:
        yield server
