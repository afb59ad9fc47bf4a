"""A checksum travels with every body, and a server that verifies finds what was damaged on the way."""

from __future__ import annotations

import base64
import hashlib
import os
from typing import TYPE_CHECKING

import pytest

from cloudquery_s3.cancellation import Cancellation
from cloudquery_s3.committed import Checksum
from cloudquery_s3.errors import StoreError
from cloudquery_s3.stores.body import Body
from cloudquery_s3.stores.s3 import S3Store
from cloudquery_s3.stores.s3_requests import Request
from cloudquery_s3.stores.s3_settings import MIB, S3Settings
from s3_servers import REGION, S3Server, versitygw_server
from wire_server import NoPause, self_signed

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.server


class Damaged(Body):
    """A body of which a bit turns over after its checksum was taken."""

    def __iter__(self) -> Iterator[memoryview]:
        for piece in super().__iter__():
            yield memoryview(bytes([piece[0] ^ 1]) + bytes(piece[1:]))


@pytest.fixture(scope="module", params=["http", "https"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A versitygw server, without and with TLS."""
    certificate = self_signed(tmp_path_factory.mktemp("tls"))[1] if request.param == "https" else None
    with versitygw_server(certificate) as running:
        yield running


@pytest.mark.parametrize("checksums", [True, False])
def test_a_damaged_body_is_refused(server: S3Server, monkeypatch: pytest.MonkeyPatch, *, checksums: bool) -> None:
    """A body that is not what its checksum says is never stored: not over TLS, nor http, nor with CRC-32 turned off.

    The checksum of a stored object is that which the server has verified: of all of it, or S3's digest of digests.
    """
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    bucket = server.new_bucket()
    settings = S3Settings(
        bucket=bucket.name,
        region=REGION,
        endpoint=server.endpoint,
        skip_tls_verify=True,
        checksums=checksums,
        max_attempts=1,
        single_put_max_bytes=5 * MIB,
    )
    store = S3Store(settings, NoPause())
    with pytest.raises(StoreError, match=r"BadDigest|SHA256Mismatch"):
        store._client.send(Request("PutObject", "PUT", "damaged", body=Damaged([b"a body"])), Cancellation())
    bodies = {"small": os.urandom(100), "whole": os.urandom(11 * MIB)}
    for key, body in bodies.items():
        writer = store.open(key, Cancellation())
        writer.write([body])
        said = writer.commit().checksum
        assert said is not None
        if server.certificate and checksums:
            kept = server.client().head_object(Bucket=bucket.name, Key=key, ChecksumMode="ENABLED")
            assert (said.value, said.scope) == (kept["ChecksumCRC32"], kept["ChecksumType"])
            assert said.algorithm == "CRC32"
        else:
            parts = (
                [body] if key == "small" else [body[start : start + 5 * MIB] for start in range(0, 11 * MIB, 5 * MIB)]
            )
            assert said == sha256(parts)
    assert bucket.objects() == bodies
    store.close()


def sha256(parts: list[bytes]) -> Checksum:
    """Return the SHA-256 of an object of these parts, as S3 writes it."""
    digests = [hashlib.sha256(part).digest() for part in parts]
    if len(parts) == 1:
        return Checksum("SHA256", base64.b64encode(digests[0]).decode(), "FULL_OBJECT")
    whole = base64.b64encode(hashlib.sha256(b"".join(digests)).digest()).decode()
    return Checksum("SHA256", f"{whole}-{len(parts)}", "COMPOSITE")
