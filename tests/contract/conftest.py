"""A plugin that serves, a client of it, and a bucket: for tests that talk to it over gRPC."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import cloudquery_cli as cli
import plugin_client as client
from s3_servers import moto  # noqa: F401 -- a fixture

if TYPE_CHECKING:
    from collections.abc import Iterator

    from s3_servers import Bucket, S3Server


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Where a plugin listens; that it is alive at the end is part of each test."""
    with cli.plugin_process() as (process, address):
        yield address
        assert process.poll() is None, "a client ended the plugin"


@pytest.fixture
def plugin(address: str) -> client.Client:
    """A client of that plugin."""
    return client.Client(address)


@pytest.fixture
def bucket(moto: S3Server) -> Bucket:  # noqa: F811 -- the fixture's name
    """An empty bucket."""
    return moto.new_bucket()
