"""What MinIO and RGW do and the other servers do not: KMS, TLS of their own, buckets in host names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from captured import capture_logs
from cloudquery_s3.cancellation import Cancellation
from cloudquery_s3.errors import CredentialsError, StoreError
from cloudquery_s3.stores.s3 import S3Store
from cloudquery_s3.stores.s3_settings import MIB, AssumedRole, S3Settings
from s3_servers import DOMAIN, KMS_KEY, REGION, Bucket, S3Server, minio, minio_server, only_with_rgw_16, rgw, rgw_server
from wire_server import NoPause, self_signed

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["minio", "rgw"]
pytestmark = [pytest.mark.server, pytest.mark.slow]
BODIES = {"small": b"x" * 1000, "a b/ü+large": bytes(11 * MIB)}


SERVERS = {"minio": minio_server, "rgw": rgw_server}


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> S3Server:
    """Each server in turn."""
    running: S3Server = request.getfixturevalue(request.param)
    return running


@pytest.fixture(scope="module", params=SERVERS)
def tls(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """Each server behind TLS."""
    with SERVERS[request.param](self_signed(tmp_path_factory.mktemp("tls"))[1]) as running:
        yield running


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


@pytest.mark.parametrize(
    ("server", "key_id"), [("minio", ""), ("minio", KMS_KEY), ("rgw", KMS_KEY)], indirect=["server"]
)
def test_encryption_by_kms_is_confirmed(server: S3Server, monkeypatch: pytest.MonkeyPatch, key_id: str) -> None:
    """Objects under KMS are stored and confirmed, in one request and in parts, created only."""
    bucket = server.new_bucket()
    options = {"encryption": "aws:kms", "kms_key_id": key_id, "create_only": "always"}
    assert write(bucket, monkeypatch, **options) == []
    assert bucket.objects() == BODIES
    for key in BODIES:
        head = server.client().head_object(Bucket=bucket.name, Key=key)
        assert head["ServerSideEncryption"] == "aws:kms"


def test_rgw_wants_the_key_of_kms(rgw: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """RGW has no key of its own: without one the error says which header is missing, and nothing is stored."""
    bucket = rgw.new_bucket()
    with pytest.raises(StoreError, match="requires HTTP header x-amz-server-side-encryption-aws-kms-key-id"):
        write(bucket, monkeypatch, encryption="aws:kms")
    assert bucket.objects() == {}


def test_rgw_confirms_no_aes256(rgw: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """RGW 16.2 takes AES256 without a word of it in the answer: one warning says so."""
    only_with_rgw_16()
    bucket = rgw.new_bucket()
    [warning] = write(bucket, monkeypatch, encryption="AES256")
    assert "the store does not confirm the encryption that was asked for" in warning
    assert bucket.objects() == BODIES


def test_tls_with_checksums(tls: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind TLS objects go up with a CRC-32, of all of each or of its parts; MinIO verifies and keeps it."""
    bucket = tls.new_bucket()
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tls.certificate))
    assert write(bucket, monkeypatch) == []
    assert bucket.objects() == BODIES
    for key in BODIES:
        head = tls.client().head_object(Bucket=bucket.name, Key=key, ChecksumMode="ENABLED")
        assert "ChecksumCRC32" in head or tls.name == "rgw"


def test_buckets_in_host_names(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without path style the bucket is in the host name; a proxy, here the server itself, changes nothing."""
    bucket = server.new_bucket()
    monkeypatch.setenv("HTTP_PROXY", server.endpoint)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert write(bucket, monkeypatch, endpoint=f"http://{DOMAIN}") == []
    monkeypatch.delenv("HTTP_PROXY")
    assert bucket.objects() == BODIES


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_wrong_keys_are_named(server: S3Server, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A wrong access key and a wrong secret are errors of credentials."""
    bucket = server.new_bucket()
    wrong = S3Server(
        server.name, server.endpoint, **{"access_key" if "KEY_ID" in name else "secret_key": "wrong-value"}
    )
    with pytest.raises(CredentialsError, match=r"correct the (access|secret) key"):
        write(Bucket(wrong, bucket.name), monkeypatch)


def test_a_role_by_the_sts_of_rgw(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the session of a role that the store's own STS has given, objects of one request and of parts are stored."""
    with rgw_server(role="S3Access") as server:
        bucket = server.new_bucket()
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", server.endpoint)
        assert write(bucket, monkeypatch, role=AssumedRole("arn:aws:iam:::role/S3Access")) == []
        assert bucket.objects() == BODIES
