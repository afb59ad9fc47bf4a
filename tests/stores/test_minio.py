"""What MinIO does and the other servers do not: KMS, TLS of its own, buckets in host names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from captured import capture_logs
from cloudquery_s3.cancellation import Cancellation
from cloudquery_s3.errors import CredentialsError, StoreError
from cloudquery_s3.stores.s3 import S3Store
from cloudquery_s3.stores.s3_settings import MIB, S3Settings
from s3_servers import MINIO_DOMAIN, REGION, Bucket, S3Server, minio, minio_server
from wire_server import NoPause, self_signed

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["minio"]
pytestmark = [pytest.mark.server, pytest.mark.slow]
BODIES = {"small": b"x" * 1000, "a b/ü+large": bytes(11 * MIB)}


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """MinIO behind TLS."""
    with minio_server(self_signed(tmp_path_factory.mktemp("tls"))[1]) as server:
        yield server


def write(bucket: Bucket, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> list[str]:
    """Write a small object and a large one; return the warnings."""
    for name, value in bucket.server.environment().items():
        monkeypatch.setenv(name, value)
    options = {"bucket": bucket.name, "region": REGION, "endpoint": bucket.server.endpoint, **changes}
    store = S3Store(S3Settings(**{"single_put_max_bytes": 5 * MIB, **options}), NoPause())
    with capture_logs() as logs:
        for key, body in BODIES.items():
            writer = store.open(key, Cancellation(), unique=True)
            try:
                writer.write([body])
                writer.commit()
            except StoreError:
                writer.abort()
                raise
    store.close()
    return [log["event"] for log in logs if log["log_level"] == "warning"]


@pytest.mark.parametrize("key_id", ["", "test-key"])
def test_encryption_by_kms_is_confirmed(minio: S3Server, monkeypatch: pytest.MonkeyPatch, key_id: str) -> None:
    """Objects under KMS are stored and confirmed, in one request and in parts, created only."""
    bucket = minio.new_bucket()
    options = {"encryption": "aws:kms", "kms_key_id": key_id, "create_only": "always"}
    assert write(bucket, monkeypatch, **options) == []
    assert bucket.objects() == BODIES
    for key in BODIES:
        head = minio.client().head_object(Bucket=bucket.name, Key=key)
        assert head["ServerSideEncryption"] == "aws:kms"


def test_tls_with_checksums(tls: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind TLS the CRC-32 of each object, of all of it or of its parts, is what MinIO has verified."""
    bucket = tls.new_bucket()
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tls.certificate))
    assert write(bucket, monkeypatch) == []
    assert bucket.objects() == BODIES
    for key in BODIES:
        assert tls.client().head_object(Bucket=bucket.name, Key=key, ChecksumMode="ENABLED")["ChecksumCRC32"]


def test_buckets_in_host_names(minio: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without path style the bucket is in the host name; a proxy on the way, here MinIO itself, changes nothing."""
    bucket = minio.new_bucket()
    monkeypatch.setenv("HTTP_PROXY", minio.endpoint)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert write(bucket, monkeypatch, endpoint=f"http://{MINIO_DOMAIN}") == []
    monkeypatch.delenv("HTTP_PROXY")
    assert bucket.objects() == BODIES


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_wrong_keys_are_named(minio: S3Server, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A wrong access key and a wrong secret are errors of credentials."""
    bucket = minio.new_bucket()
    wrong = S3Server("minio", minio.endpoint, **{"access_key" if "KEY_ID" in name else "secret_key": "wrong-value"})
    with pytest.raises(CredentialsError, match=r"correct the (access|secret) key"):
        write(Bucket(wrong, bucket.name), monkeypatch)
