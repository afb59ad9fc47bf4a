"""Where the demo reads from and writes to: moto for all of it, or the user's own S3 server for the objects."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).resolve().parents[2]
PREFIX: Final = "aws/"
"""What the keys of every example spec begin with; the table's name comes next."""


class DemoError(Exception):
    """The demo cannot go on; the message says why and what to do."""


@dataclass(frozen=True)
class StoredObject:
    """An object in the bucket, in one of its versions."""

    key: str
    size_bytes: int
    version: tuple[str, str]

    @property
    def table(self) -> str:
        """The table whose rows it holds, as its key says."""
        return self.key.removeprefix(PREFIX).split("/")[0]


class Bucket:
    """The bucket that the sync writes to."""

    def __init__(self, name: str, endpoint: str, region: str) -> None:
        self.name = name
        self._s3: Any = boto3.client("s3", endpoint_url=endpoint or None, region_name=region)

    def create(self) -> None:
        """Make the bucket."""
        self._s3.create_bucket(Bucket=self.name)

    def objects(self) -> set[StoredObject]:
        """Return what lies under the examples' prefix.

        Raises:
            DemoError: the bucket cannot be listed.
        """
        try:
            pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=PREFIX)
            found = [item for page in pages for item in page.get("Contents", [])]
        except (BotoCoreError, ClientError) as error:
            raise DemoError(
                f"cannot list the bucket {self.name}: {error}: check ENDPOINT, BUCKET and the AWS credentials"
            ) from error
        return {StoredObject(it["Key"], it["Size"], (it["ETag"], str(it["LastModified"]))) for it in found}

    def download(self, stored: StoredObject, folder: Path) -> Path:
        """Copy an object to a file in a folder, and return the file."""
        path = folder / stored.key
        path.parent.mkdir(parents=True, exist_ok=True)
        self._s3.download_file(self.name, stored.key, str(path))
        return path


@contextmanager
def moto() -> Iterator[str]:
    """Run a process that answers as AWS, and yield its address; it is gone when the block ends.

    Raises:
        DemoError: it does not start.
    """
    # a process group of its own: Ctrl-C reaches the demo alone, which then ends what it has started in order
    process = subprocess.Popen(
        [sys.executable, "-m", "examples.demo.moto_server"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    with process:
        try:
            assert process.stdout is not None, "a pipe was asked for"  # noqa: S101
            if not (address := process.stdout.readline().strip()):
                raise DemoError("moto's server did not start: see above")
            yield address
        finally:
            process.kill()  # nothing of it is worth keeping


def settle(api: str) -> Bucket:
    """Set the environment that the example specs read, and return the bucket they write to.

    With ENDPOINT or BUCKET in the environment that is the user's own; otherwise it is a new one on the given server,
    with keys that are nobody's.

    Raises:
        DemoError: ENDPOINT is set and BUCKET is not.
    """
    endpoint, name = os.environ.get("ENDPOINT", ""), os.environ.get("BUCKET", "")
    if endpoint and not name:
        raise DemoError("ENDPOINT is set and BUCKET is not: set BUCKET to a bucket on that server")
    own = bool(name)
    if not own:
        endpoint, name = api, "inventory"
        for variable in [variable for variable in os.environ if variable.startswith("AWS_")]:
            del os.environ[variable]
        os.environ.update(AWS_ACCESS_KEY_ID="demo", AWS_SECRET_ACCESS_KEY="demo")  # noqa: S106 -- moto takes any
    region = os.environ.setdefault("AWS_REGION", "us-east-1")
    os.environ.update(AWS_API_ENDPOINT=api, ENDPOINT=endpoint, BUCKET=name)
    for variable in ("NO_PROXY", "no_proxy"):
        os.environ[variable] = ",".join(filter(None, (os.environ.get(variable), "127.0.0.1")))
    bucket = Bucket(name, endpoint, region)
    if not own:
        bucket.create()
    return bucket
