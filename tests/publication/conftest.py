from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

import s3_servers
from lake import in_bucket
from reader import Lake

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="module", params=s3_servers.CONDITIONAL)
def server(request: pytest.FixtureRequest) -> Iterator[s3_servers.S3Server]:
    """Each server, with its credentials in the environment."""
    with request.param() as running, mock.patch.dict(os.environ, running.environment()):
        yield running


@pytest.fixture(scope="module")
def moto_with_credentials() -> Iterator[s3_servers.S3Server]:
    """Moto alone, with its credentials in the environment."""
    with s3_servers.moto_server() as running, mock.patch.dict(os.environ, running.environment()):
        yield running


@pytest.fixture
def lake(server: s3_servers.S3Server) -> Iterator[Callable[..., Lake]]:
    """Makes a destination with manifests, in a bucket of its own."""
    made: list[Lake] = []

    def make(**options: Any) -> Lake:
        bucket = server.new_bucket()
        made.append(Lake(bucket, {"manifest": {}, **in_bucket(bucket, **options)}))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def lake_on_rgw() -> Iterator[Lake]:
    """A destination with manifests on RGW 16."""
    s3_servers.only_with_rgw_16()
    with s3_servers.rgw_server() as running, mock.patch.dict(os.environ, running.environment()):
        bucket = running.new_bucket()
        one = Lake(bucket, {"manifest": {}, **in_bucket(bucket)})
        yield one
        one.close()
