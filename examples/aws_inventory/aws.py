"""The AWS clients of one sync, and AWS's errors in words that say what to do."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError, NoCredentialsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from examples.aws_inventory.options import Options

IN_PARALLEL: Final = 4
"""How many calls are under way at once: AWS's limits allow it for every listing here."""

_CONFIG: Final = Config(
    connect_timeout=5,
    read_timeout=60,
    retries={"mode": "standard", "max_attempts": 4},
    max_pool_connections=IN_PARALLEL,
)


class ListingError(Exception):
    """AWS did not list what was asked for; the message says what, where, why and what to do.

    Attributes:
        failure_code: the answer to a connection test.
    """

    def __init__(self, message: str, failure_code: str = "UNREACHABLE") -> None:
        super().__init__(message)
        self.failure_code = failure_code


class Aws:
    """One account as the options show it; use it from one thread, and its clients from any."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.home = options.home_region
        self.pool = ThreadPoolExecutor(IN_PARALLEL, thread_name_prefix="list")
        self._clients: dict[tuple[str, str], Any] = {}

    def client(self, service: str, region: str) -> Any:
        """Return the client of a service in a region; made once, as making one costs some 50 ms."""
        if (service, region) not in self._clients:
            with explained(service, region):
                self._clients[service, region] = boto3.client(
                    service, region_name=region, endpoint_url=self.options.endpoint or None, config=_CONFIG
                )
        return self._clients[service, region]

    @cached_property
    def all_regions(self) -> dict[str, dict[str, Any]]:
        """Every region that there is, by name, as AWS describes it.

        Raises:
            ListingError: AWS did not answer.
        """
        with explained("the regions", self.home):
            answer = self.client("ec2", self.home).describe_regions(AllRegions=True)
        return {region["RegionName"]: region for region in answer["Regions"]}

    @property
    def regions(self) -> list[str]:
        """The names of the regions to list: those asked for, or all that the account has enabled."""
        enabled = [name for name, region in self.all_regions.items() if region["OptInStatus"] != "not-opted-in"]
        return list(self.options.regions) or enabled

    @property
    def catalogue_regions(self) -> tuple[str, ...]:
        """The names of the regions whose instance types and images to list."""
        return self.options.catalogue_regions or (self.home,)

    def close(self) -> None:
        """Let the connections and threads go; calls under way end on their own."""
        self.pool.shutdown(wait=False, cancel_futures=True)
        for client in self._clients.values():
            client.close()


@contextmanager
def explained(what: str, region: str) -> Iterator[None]:
    """Turn boto3's errors into a `ListingError` that names what was listed, where, and what to do.

    Raises:
        ListingError: instead of any error of boto3.
    """
    try:
        yield
    except NoCredentialsError as error:
        raise ListingError(
            f"{what} in {region}: there are no AWS credentials: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and"
            " AWS_SECRET_ACCESS_KEY",
            "UNAUTHORIZED",
        ) from error
    except EndpointConnectionError as error:
        raise ListingError(
            f"{what} in {region}: {error}: check `endpoint`, the region's name and the network"
        ) from error
    except ClientError as error:
        raise ListingError(
            f"{what} in {region}: {error}: allow ec2:Describe*, iam:List*, iam:Get*, or leave the"
            " region (`regions`) or the table (`skip_tables`) out",
            "UNAUTHORIZED",
        ) from error
    except BotoCoreError as error:
        raise ListingError(f"{what} in {region}: {error}") from error
