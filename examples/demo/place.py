"""Where the demo reads from and writes to: moto as AWS, and as S3 rclone over a folder, or the user's own server."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from examples.demo import rclone_server

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).resolve().parents[2]
PREFIX: Final = "aws/"
"""What the keys of every example spec begin with; the table's name comes next."""


BUCKET: Final = "inventory"
"""The bucket that the demo makes where the user names none."""


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


@dataclass(frozen=True)
class Store:
    """An S3 server and a bucket.

    Attributes:
        endpoint: its address; empty: Amazon S3.
        bucket: the bucket's name.
        new: whether the demo has started the server, so that the bucket has to be made.
        files: the folder that has each object as a file; None where nobody can look.
    """

    endpoint: str
    bucket: str
    new: bool = False
    files: Path | None = None


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
def aws() -> Iterator[str]:
    """Run a process that answers as AWS, and yield its address; it is gone when the block ends.

    Raises:
        DemoError: it does not start.
    """
    with _server("examples.demo.moto_server") as address:
        yield address


@contextmanager
def store(folder: Path, api: str) -> Iterator[Store]:
    """Yield the S3 server that the objects go to; if the demo has started it, it is gone when the block ends.

    With ENDPOINT or BUCKET in the environment that is the user's own. Otherwise it is rclone, which keeps every object
    as a file in the folder; what an earlier demo has left there is removed. Without rclone, which has no package for
    some platforms, it is the server that answers as AWS.

    Raises:
        DemoError: ENDPOINT is set and BUCKET is not, or the server does not start.
    """
    endpoint, name = os.environ.get("ENDPOINT", ""), os.environ.get("BUCKET", "")
    if endpoint and not name:
        raise DemoError("ENDPOINT is set and BUCKET is not: set BUCKET to a bucket on that server")
    if name:
        yield Store(endpoint, name)
    elif not rclone_server.program():
        yield Store(api, BUCKET, new=True)
    else:
        shutil.rmtree(folder, ignore_errors=True)
        with _server("examples.demo.rclone_server", str(folder)) as address:
            yield Store(address, BUCKET, new=True, files=folder / BUCKET)


@contextmanager
def _server(module: str, *arguments: str) -> Iterator[str]:
    # a process group of its own: Ctrl-C reaches the demo alone, which then ends what it has started in order
    process = subprocess.Popen(  # noqa: S603 -- a module of this package
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    assert process.stdin is not None, "a pipe was asked for"  # noqa: S101
    assert process.stdout is not None, "a pipe was asked for"  # noqa: S101
    with process:
        try:
            if not (address := process.stdout.readline().strip()):
                raise DemoError(f"{module} did not start: see above")
            yield address
        finally:
            process.stdin.close()  # by which it ends
            process.wait()


def settle(api: str, store: Store, files: Path) -> Bucket:
    """Set the environment that the example specs read, and return the bucket that they write to.

    Args:
        api: where the source asks.
        store: where the objects go.
        files: a folder for the catalogue of Iceberg tables.
    """
    if store.new:
        for variable in [variable for variable in os.environ if variable.startswith("AWS_")]:
            del os.environ[variable]
        keys = {"AWS_ACCESS_KEY_ID": rclone_server.ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": rclone_server.SECRET_KEY}
        os.environ.update(keys)  # moto takes any
        # pyiceberg writes metadata by pyarrow's client, whose checksums at a request's end rclone does not take
        os.environ["AWS_REQUEST_CHECKSUM_CALCULATION"] = "when_required"
    region = os.environ.setdefault("AWS_REGION", "us-east-1")
    os.environ.update(AWS_API_ENDPOINT=api, ENDPOINT=store.endpoint, BUCKET=store.bucket)
    os.environ.setdefault("CATALOG_URI", f"sqlite:///{files / 'catalog.db'}")
    for variable in ("NO_PROXY", "no_proxy"):
        os.environ[variable] = ",".join(filter(None, (os.environ.get(variable), "127.0.0.1")))
    bucket = Bucket(store.bucket, store.endpoint, region)
    if store.new:
        bucket.create()
    return bucket
