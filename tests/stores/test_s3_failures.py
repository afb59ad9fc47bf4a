"""What an S3 store does when requests fail: repeats, gives up, cleans up, and says why."""

from __future__ import annotations

import hashlib
import socket
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from captured import capture_logs
from cloudquery_s3.cancellation import Cancellation
from cloudquery_s3.errors import CredentialsError, ObjectNotFoundError, StoreError, StoreUnavailableError
from cloudquery_s3.stores.body import Body
from cloudquery_s3.stores.probe import try_write
from cloudquery_s3.stores.s3 import S3Store
from cloudquery_s3.stores.s3_reader import HEAD_BYTES
from cloudquery_s3.stores.s3_settings import MIB, S3Settings
from cloudquery_s3.stores.transport import Transport
from server_programs import free_port
from wire_server import CLOSE, NoPause, Recorded, Reply, WireServer, error, success

TRANSIENT = {
    "reset": CLOSE,
    "truncated": Reply(200, b"<a>", missing_bytes=10),
    "truncated in its head": Reply(200, headers={"ETag": '"a"'}, ends_in_head=True),
    "throttled": error(429, "TooManyRequestsException"),
    "slow down": error(503, "SlowDown"),
    "internal": error(500, "InternalError"),
    "bare 500": Reply(500),
    "bad gateway": Reply(502, b"<html>no xml"),
    "gateway timeout": Reply(504),
    "request timeout": error(400, "RequestTimeout"),
    "damaged": error(400, "BadDigest"),
}
UPLOAD = ["CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"]


def make_store(wire: WireServer, pause: NoPause | None = None, **changes: object) -> S3Store:
    """Return a store of a server that retries without waiting."""
    plain: dict[str, object] = {"endpoint": wire.endpoint, "single_put_max_bytes": 5 * MIB, "max_attempts": 3}
    return S3Store(
        S3Settings(bucket="bkt", region="eu-west-1", **{**plain, **changes}),  # type: ignore[arg-type] # shorthand
        pause or NoPause(),
    )


def put(store: S3Store, size_bytes: int) -> int:
    """Write one object, or abort it; return how many requests were repeated."""
    writer = store.open("key", Cancellation())
    try:
        writer.write([bytes(size_bytes)])
        return writer.commit().retries
    except StoreError:
        writer.abort()
        raise


@pytest.mark.parametrize("fault", TRANSIENT)
@pytest.mark.parametrize("operation", ["PutObject", *UPLOAD])
def test_what_may_pass_is_tried_again(wire: WireServer, operation: str, fault: str) -> None:
    """Each request survives two faults that may pass, and the object counts both as retries."""
    wire.answers[operation] = [TRANSIENT[fault]] * 2
    assert put(make_store(wire), 1 if operation == "PutObject" else 6 * MIB) == 2
    assert len(wire.of(operation)) == 3 + (operation == "UploadPart")


@pytest.mark.parametrize("fault", TRANSIENT)
def test_attempts_are_counted_exactly(wire: WireServer, fault: str) -> None:
    """`max_retries: 3` is three requests, one try and two more; the last failure is the error."""
    wire.answers["PutObject"] = [TRANSIENT[fault]] * 9
    with pytest.raises(StoreError, match="PutObject key: "):
        put(make_store(wire), 1)
    assert len(wire.of("PutObject")) == 3


def test_waits_grow_up_to_the_cap(wire: WireServer) -> None:
    """Waits double from one second to `max_backoff`, and are spread by the dice."""
    wire.answers["PutObject"] = [CLOSE] * 5
    pause = NoPause()
    put(make_store(wire, pause, max_attempts=6, max_backoff_s=5), 1)
    assert pause.slept_s == [0.5, 1.0, 2.0, 2.5, 2.5]


def test_every_retry_is_a_warning(wire: WireServer) -> None:
    """Each retry logs key, operation, attempt and cause, at WARNING."""
    wire.answers["PutObject"] = [error(503, "SlowDown", "reduce your rate"), CLOSE]
    with capture_logs() as logs:
        put(make_store(wire), 1)
    warnings = [log for log in logs if log["log_level"] == "warning"]
    assert [(log["key"], log["operation"], log["attempt"]) for log in warnings] == [
        ("key", "PutObject", 1),
        ("key", "PutObject", 2),
    ]
    assert [log["cause"] for log in warnings] == [
        "SlowDown: reduce your rate",
        "the connection was closed before a whole answer came",
    ]


@pytest.mark.parametrize(
    ("reply", "kind", "advice"),
    [
        (error(404, "NoSuchBucket"), StoreUnavailableError, 'bucket "bkt" does not exist at http://127.0.0.1'),
        (error(403, "AccessDenied"), StoreUnavailableError, "AccessDenied.*HTTP 403.*allow s3:PutObject"),
        (Reply(403), StoreUnavailableError, "HTTP status 403"),
        (error(403, "InvalidAccessKeyId"), CredentialsError, "correct the access key"),
        (error(403, "SignatureDoesNotMatch"), CredentialsError, "correct the secret key"),
        (error(403, "RequestTimeTooSkewed"), StoreUnavailableError, "set this machine's clock"),
        (error(400, "ExpiredToken"), CredentialsError, "renew the credentials"),
        (error(400, "AccessControlListNotSupported"), StoreUnavailableError, "remove `acl`"),
        (error(501, "NotImplemented"), StoreUnavailableError, "request_checksums: when_required"),
        (
            Reply(301, headers={"x-amz-bucket-region": "eu-north-1"}),
            StoreUnavailableError,
            'bucket "bkt" is in region eu-north-1, not in eu-west-1: set `region: eu-north-1`',
        ),
        (
            error(400, "AuthorizationHeaderMalformed", Region="eu-north-1"),
            StoreUnavailableError,
            'bucket "bkt" is in region eu-north-1',
        ),
        (
            Reply(403, error(403, "AccessDenied").body, headers={"x-amz-bucket-region": "us-east-1"}),
            StoreUnavailableError,
            "AccessDenied",
        ),
        (error(400, "KeyTooLongError"), StoreError, "KeyTooLongError"),
    ],
)
def test_what_cannot_succeed_is_not_tried_again(
    wire: WireServer, reply: Reply, kind: type[StoreError], advice: str
) -> None:
    """A refusal ends the request at once, and its error tells what else would fail and what to do."""
    wire.answers["PutObject"] = [reply] * 9
    with pytest.raises(StoreError, match=advice) as caught:
        put(make_store(wire), 1)
    assert type(caught.value) is kind
    assert (caught.value.operation, caught.value.key, caught.value.status) == ("PutObject", "key", reply.status)
    assert len(wire.requests) == 1


@pytest.mark.usefixtures("static_keys")
def test_no_answer_at_all_names_the_endpoint() -> None:
    """A refused connection ends as an error for every object that names the endpoint."""
    endpoint = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(StoreUnavailableError, match=f"connection refused at {endpoint}: check `endpoint`"):
        put(make_store(WireServer(endpoint)), 1)


@pytest.mark.usefixtures("static_keys")
def test_an_unknown_host_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host name without an address ends as an error for every object that names the endpoint."""
    monkeypatch.setenv("NO_PROXY", "*")
    with pytest.raises(StoreUnavailableError, match=r"host name cannot be resolved at http://.*\.invalid"):
        put(make_store(WireServer("http://no-such-host.invalid")), 1)


@pytest.mark.parametrize("operation", UPLOAD)
@pytest.mark.parametrize("reply", [CLOSE, error(500, "InternalError"), error(403, "AccessDenied")])
def test_a_failed_upload_is_taken_back(wire: WireServer, operation: str, reply: Reply) -> None:
    """Whichever request of an upload fails for good, an open upload is aborted after its last part has ended."""
    wire.answers[operation] = [reply] * 9
    with pytest.raises(StoreError):
        put(make_store(wire), 11 * MIB)
    if operation == "CreateMultipartUpload":
        assert "AbortMultipartUpload" not in wire.operations
    else:
        assert wire.operations[-1] == "AbortMultipartUpload"


def test_the_abort_has_its_own_patience(wire: WireServer) -> None:
    """The upload is taken back even if that takes more attempts than the user's `max_retries`."""
    wire.answers["AbortMultipartUpload"] = [CLOSE, error(503, "SlowDown"), error(500, "InternalError")]
    writer = make_store(wire, max_attempts=1).open("key", Cancellation())
    writer.write([bytes(6 * MIB)])
    writer.abort()
    assert len(wire.of("AbortMultipartUpload")) == 4


def test_an_upload_that_stays_is_said(wire: WireServer) -> None:
    """An abort that the store refuses raises nothing and logs key, upload and cause."""
    wire.answers["AbortMultipartUpload"] = [error(403, "AccessDenied")]
    writer = make_store(wire).open("key", Cancellation())
    writer.write([bytes(6 * MIB)])
    with capture_logs() as logs:
        writer.abort()
    (warning,) = [log for log in logs if log["log_level"] == "warning"]
    assert (warning["key"], warning["upload_id"]) == ("key", "u/1")
    assert "AccessDenied" in warning["cause"]


def test_an_error_inside_a_success_is_an_error(wire: WireServer) -> None:
    """A completion answered with status 200 and an error document has failed."""
    wire.answers["CompleteMultipartUpload"] = [Reply(200, error(200, "InvalidPart", "a part is missing").body)]
    with pytest.raises(StoreError, match="CompleteMultipartUpload key: InvalidPart: a part is missing"):
        put(make_store(wire), 6 * MIB)


def test_a_passing_error_inside_a_success_is_tried_again(wire: WireServer) -> None:
    """A completion answered with status 200 and `InternalError` is repeated."""
    wire.answers["CompleteMultipartUpload"] = [Reply(200, b"\n\n  " + error(200, "InternalError").body)]
    assert put(make_store(wire), 6 * MIB) == 1


LOST_COMPLETION = [CLOSE, error(404, "NoSuchUpload")]


def test_a_lost_completion_is_looked_up(wire: WireServer) -> None:
    """Where the answer is lost and the upload then unknown, an object of these parts and this size is a success."""
    part_etag = success(Recorded("PUT", "/bkt/key", {}, b"")).headers["ETag"].strip('"')
    whole = hashlib.md5(bytes.fromhex(part_etag) * 2, usedforsecurity=False).hexdigest() + "-2"
    wire.answers["CompleteMultipartUpload"] = list(LOST_COMPLETION)
    wire.answers["HeadObject"] = [Reply(body=bytes(6 * MIB), headers={"ETag": f'"{whole}"'})]
    writer = make_store(wire).open("key", Cancellation())
    writer.write([bytes(6 * MIB)])
    assert writer.commit().etag == whole
    writer.abort()
    assert "AbortMultipartUpload" not in wire.operations


@pytest.mark.parametrize("answer", [Reply(403), Reply(404), Reply(headers={"ETag": '"another-2"'})])
def test_a_lost_completion_is_never_assumed(wire: WireServer, answer: Reply) -> None:
    """Where the object cannot be looked at, or is another, a lost completion is an error that says what is known."""
    wire.answers["CompleteMultipartUpload"] = list(LOST_COMPLETION)
    wire.answers["HeadObject"] = [answer]
    with pytest.raises(StoreError, match="the object is probably there, whole"):
        put(make_store(wire), 6 * MIB)


def test_an_upload_whose_creation_was_not_answered_is_found(wire: WireServer) -> None:
    """After a lost answer to the creation, the upload that it made is looked for by key, and aborted."""
    wire.answers["CreateMultipartUpload"] = [CLOSE]
    listing = b"".join(
        b"<Upload><Key>%b</Key><UploadId>%b</UploadId></Upload>" % pair
        for pair in [(b"key", b"stray"), (b"key-of-another", b"other")]
    )
    wire.answers["ListMultipartUploads"] = [
        Reply(body=b"<ListMultipartUploadsResult>%b</ListMultipartUploadsResult>" % listing)
    ]
    put(make_store(wire), 6 * MIB)
    assert wire.of("ListMultipartUploads")[0].target == "/bkt/?uploads=&prefix=key"
    assert [request.target for request in wire.of("AbortMultipartUpload")] == ["/bkt/key?uploadId=stray"]


def test_looking_for_uploads_may_be_forbidden(wire: WireServer) -> None:
    """A sync that may not list uploads succeeds all the same, and says what may be left."""
    wire.answers["CreateMultipartUpload"] = [CLOSE]
    wire.answers["ListMultipartUploads"] = [error(403, "AccessDenied")]
    with capture_logs() as logs:
        put(make_store(wire), 6 * MIB)
    assert "an open multipart upload may be left" in [log["event"] for log in logs if log["log_level"] == "warning"][-1]


@pytest.mark.usefixtures("static_keys")
def test_a_slow_store_is_not_cut_off() -> None:
    """The connect timeout ends with connecting: a store may take longer than that to read on."""
    body, connect_timeout_s = Body([bytes(32 * MIB)]), 0.05

    def serve() -> None:
        connection, _ = listener.accept()
        with connection, connection.makefile("rb") as stream:
            threading.Event().wait(4 * connect_timeout_s)  # longer than the timeout, while the client cannot send on
            while stream.readline() != b"\r\n":
                pass
            stream.read(body.size_bytes)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:
        served = pool.submit(serve)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/key"
        transport = Transport(
            ssl.create_default_context, unverified=(), connect_timeout_s=connect_timeout_s, read_timeout_s=60
        )
        headers = {"Content-Length": str(body.size_bytes)}
        assert transport.send("PUT", url, headers, body).status == 200
        served.result()
        transport.close()


def test_reading_what_is_missing_is_told_apart(wire: WireServer) -> None:
    """A missing object is no failure of the store; a forbidden one is."""
    wire.answers["GetObject"] = [error(404, "NoSuchKey"), error(403, "AccessDenied")]
    store = make_store(wire)
    with pytest.raises(ObjectNotFoundError):
        store.read("key")
    with pytest.raises(StoreUnavailableError):
        store.read("key")


def ranged(body: bytes, start: int, size: int) -> Reply:
    """The answer to a request for a range."""
    told = {"Content-Range": f"bytes {start}-{start + len(body) - 1}/{size}", "ETag": '"v1"'}
    return Reply(206, body, told)


def test_ranges_are_of_one_version(wire: WireServer) -> None:
    """The first request asks for the first bytes alone, later ones for the same version; none needs HeadObject."""
    size = HEAD_BYTES + 100
    wire.answers["GetObject"] = [ranged(bytes(HEAD_BYTES), 0, size), ranged(b"end", HEAD_BYTES, size)]
    stored = make_store(wire).read("key")
    assert (stored.size_bytes, stored.read_at(HEAD_BYTES, 3)) == (size, b"end")
    first, second = (request.headers for request in wire.of("GetObject"))
    assert (first["range"], "if-match" in first) == (f"bytes=0-{HEAD_BYTES - 1}", False)
    assert (second["range"], second["if-match"]) == (f"bytes={HEAD_BYTES}-{HEAD_BYTES + 2}", '"v1"')
    assert wire.operations == ["GetObject", "GetObject"]
    stored.close()


def test_a_replaced_object_is_an_error(wire: WireServer) -> None:
    """A version that is gone is named as that, and not asked for again."""
    wire.answers["GetObject"] = [
        ranged(bytes(HEAD_BYTES), 0, HEAD_BYTES + 1),
        error(412, "PreconditionFailed"),
        Reply(206, b"b", {"ETag": '"v2"'}),
        Reply(206, b"too long", {"ETag": '"v1"'}),
    ]
    stored = make_store(wire).read("key")
    for _told in ("by a refusal", "by another entity tag, where If-Match is not known"):
        with pytest.raises(StoreError, match="GetObject key: the object was replaced while it was read"):
            stored.read_at(HEAD_BYTES, 1)
    with pytest.raises(StoreError, match="8 bytes where 1 were asked for"):
        stored.read_at(HEAD_BYTES, 1)
    stored.close()


def test_a_range_that_breaks_off_is_asked_for_again(wire: WireServer) -> None:
    """A body that is cut off is thrown away, and the whole answer to the next request counts."""
    whole = Reply(200, b"0123456789")
    wire.answers["GetObject"] = [Reply(200, b"01234", missing_bytes=5), Reply(503, b"slow"), whole]
    stored = make_store(wire).read("key")
    assert (stored.size_bytes, stored.read_at(0, 20)) == (10, b"0123456789")
    stored.close()


def test_a_store_without_ranges_is_read_all_the_same(wire: WireServer) -> None:
    """A store that sends the whole object instead of a range is asked once."""
    body = bytes(range(256)) * ((HEAD_BYTES >> 8) + 1)
    wire.answers["GetObject"] = [Reply(200, body)]
    stored = make_store(wire).read("key")
    assert stored.size_bytes == len(body)
    assert stored.read_at(HEAD_BYTES - 1, 3) == body[HEAD_BYTES - 1 : HEAD_BYTES + 2]
    assert wire.operations == ["GetObject"]
    stored.close()


def test_the_test_write_need_not_be_removed(wire: WireServer) -> None:
    """A test object that may not be removed is no error; the reason is logged at DEBUG."""
    wire.answers["DeleteObject"] = [error(403, "AccessDenied")]
    with capture_logs() as logs:
        try_write(make_store(wire, acl="private"), "TEST")
    assert wire.of("PutObject")[0].headers["x-amz-acl"] == "private"
    assert wire.of("PutObject")[0].body == b""
    assert [log["event"] for log in logs if log["log_level"] != "debug"] == []
    assert "the test object stays" in [log["event"] for log in logs]


def test_a_refused_test_write_is_an_error(wire: WireServer) -> None:
    """What forbids writing is raised by the test write, and nothing is left to remove."""
    wire.answers["PutObject"] = [error(403, "AccessDenied")]
    with pytest.raises(StoreUnavailableError, match="allow s3:PutObject"):
        try_write(make_store(wire), "TEST")
    assert wire.operations == ["PutObject"]
