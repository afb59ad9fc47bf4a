"""What an S3 store sends: addresses, headers, checksums, TLS."""

from __future__ import annotations

import base64
import hashlib
import os
import threading
import zlib
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from captured import capture_logs
from cloudquery_s3.cancellation import Cancellation
from cloudquery_s3.errors import StoreError, StoreUnavailableError
from cloudquery_s3.stores.object_store import ROWS, ObjectKind
from cloudquery_s3.stores.s3 import S3Store
from cloudquery_s3.stores.s3_settings import MIB, S3Settings
from wire_server import NoPause, Recorded, Reply, WireServer, error, self_signed, wire_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

USER_HEADERS = {
    "x-amz-acl": "bucket-owner-full-control",
    "x-amz-server-side-encryption": "aws:kms",
    "x-amz-server-side-encryption-aws-kms-key-id": "alias/landing",
    "content-type": "application/gzip",
}
DOCUMENT = ObjectKind("the folder of documents", "application/json")


def settings(wire: WireServer, **changes: object) -> S3Settings:
    """Return plain settings for a server, with changes."""
    plain: dict[str, object] = {
        "bucket": "bkt",
        "region": "eu-west-1",
        "endpoint": wire.endpoint,
        "single_put_max_bytes": 5 * MIB,
    }
    return S3Settings(**{**plain, **changes})  # type: ignore[arg-type] # a test's shorthand


def put(wire: WireServer, body: bytes, key: str = "key", *, kind: ObjectKind = ROWS, **changes: object) -> S3Store:
    """Write one object with these settings."""
    store = S3Store(settings(wire, **changes), NoPause())
    writer = store.open(key, Cancellation(), kind=kind)
    writer.write([body])
    writer.commit()
    return store


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[object, Path]:
    """A certificate that nobody trusts."""
    return self_signed(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def tls_wire(static_keys: None, tls: tuple[object, Path]) -> Iterator[WireServer]:  # noqa: ARG001 - as in conftest
    """A server that records, behind TLS."""
    with wire_server(tls[0]) as server:  # type: ignore[arg-type] # ssl.SSLContext
        yield server


@pytest.mark.parametrize("size_bytes", [1, 6 * MIB])
def test_the_users_headers_go_on_creation_only(wire: WireServer, size_bytes: int) -> None:
    """ACL, encryption, key and content type are on PutObject and CreateMultipartUpload, and on nothing else."""
    put(
        wire,
        bytes(size_bytes),
        acl="bucket-owner-full-control",
        encryption="aws:kms",
        kms_key_id="alias/landing",
        content_type="application/gzip",
    )
    for request in wire.requests:
        sent = {name: request.headers[name] for name in USER_HEADERS if name in request.headers}
        if request.operation in {"PutObject", "CreateMultipartUpload"}:
            assert sent == USER_HEADERS
        else:
            assert set(sent) <= {"content-type"}
    expected = ["PutObject"] if size_bytes == 1 else ["CreateMultipartUpload", "CompleteMultipartUpload"]
    assert [operation for operation in wire.operations if operation != "UploadPart"] == expected


@pytest.mark.parametrize("size_bytes", [1, 6 * MIB])
def test_a_document_has_a_type_of_its_own(wire: WireServer, size_bytes: int) -> None:
    """An object of another kind than rows has its own content type in place of the store's, and all other headers."""
    put(wire, bytes(size_bytes), kind=DOCUMENT, acl="private", content_type="application/gzip")
    request = wire.requests[0]
    assert (request.headers["content-type"], request.headers["x-amz-acl"]) == ("application/json", "private")


@pytest.mark.parametrize("document", [error(403, "AccessDenied"), Reply(403)], ids=["S3", "a firewall"])
@pytest.mark.parametrize("operation", ["PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"])
@pytest.mark.parametrize(
    ("kind", "allow"),
    [(ROWS, "the keys of `path`"), (DOCUMENT, "the folder of documents")],
    ids=["rows", "other"],
)
def test_a_refusal_names_the_keys_to_allow(
    wire: WireServer, operation: str, document: Reply, kind: ObjectKind, allow: str
) -> None:
    """What a policy has to allow is said in the words of the object's kind, whichever of its requests was refused."""
    wire.answers[operation] = [document] * 9
    with pytest.raises(StoreError, match=f"allow s3:PutObject on {allow}"):
        put(wire, bytes(1 if operation == "PutObject" else 6 * MIB), kind=kind)


@pytest.mark.parametrize("encryption", ["AES256", "aws:kms:dsse"])
def test_encryption_needs_no_key_id(wire: WireServer, encryption: str) -> None:
    """An encryption without a key id sends none, rather than an empty one."""
    put(wire, b"x", encryption=encryption)
    (request,) = wire.requests
    assert request.headers["x-amz-server-side-encryption"] == encryption
    assert "x-amz-server-side-encryption-aws-kms-key-id" not in request.headers


def test_unset_options_send_no_header(wire: WireServer) -> None:
    """What the user has not asked for is not on the wire."""
    put(wire, b"x")
    (request,) = wire.requests
    assert not {name for name in request.headers if name in USER_HEADERS or name.startswith("x-amz-server-side")}


def test_a_key_is_quoted_once(wire: WireServer) -> None:
    """Every reserved character of a key is percent-encoded in the request, and slashes are not."""
    put(wire, b"x", key="a b/ü+=&?%41")
    assert wire.requests[0].target == "/bkt/a%20b/%C3%BC%2B%3D%26%3F%2541"


def test_path_style_puts_the_bucket_into_the_path(wire: WireServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """With path style the host is the endpoint's own."""
    monkeypatch.setenv("HTTP_PROXY", wire.endpoint)
    put(wire, b"x", endpoint="http://s3.example.test", path_style=True)
    assert wire.requests[0].target == "http://s3.example.test/bkt/key"
    assert wire.requests[0].headers["host"] == "s3.example.test"


def test_virtual_host_style_is_the_default(wire: WireServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the bucket is a part of the host name; requests go through the proxy that the environment names."""
    monkeypatch.setenv("HTTP_PROXY", wire.endpoint)
    put(wire, b"x", endpoint="http://s3.example.test:8080")
    assert wire.requests[0].target == "http://bkt.s3.example.test:8080/key"
    assert wire.requests[0].headers["host"] == "bkt.s3.example.test:8080"


def test_the_environment_may_name_the_endpoint(wire: WireServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS_ENDPOINT_URL_S3 is used where the spec has no endpoint."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", wire.endpoint)
    put(wire, b"x", endpoint="")
    assert wire.operations == ["PutObject"]


def test_requests_are_signed_for_the_region(wire: WireServer) -> None:
    """The signature's scope is the configured region's S3, and the key id is the caller's."""
    put(wire, b"x")
    authorization = wire.requests[0].headers["authorization"]
    assert authorization.startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
    assert "/eu-west-1/s3/aws4_request" in authorization


@pytest.mark.parametrize("checksums", [True, False])
def test_over_http_the_signature_covers_the_body(wire: WireServer, *, checksums: bool) -> None:
    """Over plain http the body's SHA-256 is signed, whatever is said about checksums, and is the only checksum."""
    body = os.urandom(100_000)
    put(wire, body, checksums=checksums)
    (request,) = wire.requests
    assert request.body == body
    assert request.headers["x-amz-content-sha256"] == hashlib.sha256(body).hexdigest()
    assert not checksum_headers(request)


def test_over_tls_a_crc32_travels_beside_the_body(tls_wire: WireServer) -> None:
    """Over TLS every data request carries its CRC-32, which also stands in the manifest of the parts."""
    body = os.urandom(7 * MIB)
    put(tls_wire, body, skip_tls_verify=True)
    parts = sorted(tls_wire.of("UploadPart"), key=lambda part: part.target)
    assert b"".join(part.body for part in parts) == body
    for part in parts:
        assert part.headers["x-amz-content-sha256"] == "UNSIGNED-PAYLOAD"
        assert checksum_headers(part) == {"x-amz-checksum-crc32": crc32(part.body)}
    (creation,), (completion,) = tls_wire.of("CreateMultipartUpload"), tls_wire.of("CompleteMultipartUpload")
    assert checksum_headers(creation) == {"x-amz-checksum-algorithm": "CRC32"}
    for part in parts:
        assert f"<ChecksumCRC32>{crc32(part.body)}</ChecksumCRC32>".encode() in completion.body


def test_checksum_headers_can_be_turned_off(tls_wire: WireServer) -> None:
    """`request_checksums: when_required` sends no checksum header, and signs the body's SHA-256 instead."""
    put(tls_wire, bytes(6 * MIB), skip_tls_verify=True, checksums=False)
    assert all(not checksum_headers(request) for request in tls_wire.requests)
    assert b"Checksum" not in tls_wire.of("CompleteMultipartUpload")[0].body
    for part in tls_wire.of("UploadPart"):
        assert part.headers["x-amz-content-sha256"] == hashlib.sha256(part.body).hexdigest()


def test_a_certificate_that_nobody_trusts_is_refused(tls_wire: WireServer) -> None:
    """A self-signed certificate ends the sync at once, and the error says what to do."""
    with pytest.raises(StoreUnavailableError, match=r"not trusted .*AWS_CA_BUNDLE.*endpoint_skip_tls_verify"):
        put(tls_wire, b"x")
    assert tls_wire.requests == []


def test_skipping_verification_is_said(tls_wire: WireServer) -> None:
    """With `endpoint_skip_tls_verify` a self-signed certificate is accepted, with one warning in the log."""
    with capture_logs() as logs:
        put(tls_wire, b"x", skip_tls_verify=True)
    assert [log["event"] for log in logs if log["log_level"] == "warning"] == ["TLS certificates are not verified"]
    assert tls_wire.operations == ["PutObject"]


def test_an_own_authority_is_trusted(
    tls_wire: WireServer, tls: tuple[object, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """AWS_CA_BUNDLE makes a private authority's certificate good."""
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tls[1]))
    put(tls_wire, b"x")
    assert tls_wire.operations == ["PutObject"]


def test_parts_go_side_by_side(wire: WireServer) -> None:
    """Four parts of one object are under way at the same time, and what they hold counts as buffered."""
    meeting = threading.Barrier(4, timeout=30)
    wire.before = lambda request: meeting.wait() and None if request.operation == "UploadPart" else None
    store = S3Store(settings(wire), NoPause())
    writer = store.open("key", Cancellation())
    writer.write([bytes(20 * MIB)])
    assert writer.buffered_bytes <= 20 * MIB
    writer.commit()
    assert writer.buffered_bytes == 0
    assert len(wire.of("UploadPart")) == 4
    store.close()


def test_every_request_is_logged_without_secrets(wire: WireServer) -> None:
    """`aws_debug` logs each request at INFO with key, host, status and time, and never a signature or a body."""
    with capture_logs() as logs:
        put(wire, b"the body", log_requests=True)
    (log,) = logs
    assert (log["log_level"], log["operation"], log["key"], log["status"]) == ("info", "PutObject", "key", 200)
    assert log["host"] == urlsplit(wire.endpoint).netloc
    assert not [value for value in map(str, log.values()) if "AKIDEXAMPLE" in value or "body" in value]


def test_requests_are_quiet_by_default(wire: WireServer) -> None:
    """Without `aws_debug` requests are logged at DEBUG."""
    with capture_logs() as logs:
        put(wire, b"x")
    assert [log["log_level"] for log in logs] == ["debug"]


def checksum_headers(request: Recorded) -> dict[str, str]:
    """Return a request's checksum headers."""
    return {name: value for name, value in request.headers.items() if name.startswith("x-amz-checksum")}


def crc32(body: bytes) -> str:
    """Return a CRC-32 as S3 writes it, computed by another library."""
    return base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()
