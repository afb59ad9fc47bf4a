"""What counts as an answer of S3's, and what everything else is called."""

from __future__ import annotations

import datetime as dt
from email.utils import format_datetime
from typing import TYPE_CHECKING

import pytest

from captured import capture_logs
from cloudquery_s3.cancellation import Cancellation
from cloudquery_s3.errors import CredentialsError, StoreError, StoreUnavailableError
from cloudquery_s3.stores.clock import Clock
from cloudquery_s3.stores.probe import try_write
from cloudquery_s3.stores.s3 import S3Store
from cloudquery_s3.stores.s3_settings import MIB, S3Settings
from wire_server import CLOSE, NoPause, Recorded, Reply, WireServer, error, success

if TYPE_CHECKING:
    from cloudquery_s3.stores.object_store import StoredObject

PART = 5 * MIB
HTML = Reply(200, b"<!DOCTYPE html><html><body>Welcome</body></html>", headers={"Content-Type": "text/html"})
EMPTY = Reply(200)


def make_store(wire: WireServer, clock: Clock | None = None, **changes: object) -> S3Store:
    """Return a store that retries without waiting."""
    plain: dict[str, object] = {"endpoint": wire.endpoint, "single_put_max_bytes": PART, "max_attempts": 3}
    options: dict[str, object] = {"bucket": "bkt", "region": "eu-west-1", **plain, **changes}
    return S3Store(S3Settings(**options), NoPause(), clock)  # type: ignore[arg-type] # shorthand


def put(store: S3Store, size_bytes: int = 1) -> StoredObject:
    """Write one object, or abort it."""
    writer = store.open("key", Cancellation())
    try:
        writer.write([bytes(size_bytes)])
        return writer.commit()
    except StoreError:
        writer.abort()
        raise


@pytest.mark.parametrize("answer", [HTML, EMPTY, Reply(200, b"<Hello/>")], ids=["html", "empty", "another document"])
@pytest.mark.parametrize(
    ("operation", "size_bytes"),
    [
        ("PutObject", 0),
        ("PutObject", 1),
        ("CreateMultipartUpload", 6 * MIB),
        ("UploadPart", 6 * MIB),
        ("CompleteMultipartUpload", 6 * MIB),
    ],
)
def test_what_is_not_an_answer_of_s3s_is_no_success(
    wire: WireServer, operation: str, size_bytes: int, answer: Reply
) -> None:
    """A status 200 with anything but what S3 answers stores nothing, and the error names the endpoint."""
    wire.answers[operation] = [answer] * 9
    with pytest.raises(StoreUnavailableError, match=r"not what S3 answers .*correct `endpoint`"):
        put(make_store(wire), size_bytes)


PAGES = [b"<!DOCTYPE html><html><body>Welcome<br></body></html>", b"<html/>", b'{"status": "ok"}', b"OK\n"]


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize(("operation", "size_bytes"), [("PutObject", 1), ("UploadPart", 6 * MIB)])
def test_a_page_with_an_entity_tag_is_no_answer(wire: WireServer, operation: str, size_bytes: int, page: bytes) -> None:
    """A web server that gives its pages entity tags, as many do, has stored nothing."""
    wire.answers[operation] = [Reply(200, page, headers={"ETag": 'W/"2c-18f"'})] * 9
    with pytest.raises(StoreUnavailableError, match=r"not what S3 answers .*correct `endpoint`"):
        put(make_store(wire), size_bytes)


@pytest.mark.parametrize("body", [b"", b" \r\n", b"<PutObjectResult/>"])
def test_a_store_may_say_more_than_an_entity_tag(wire: WireServer, body: bytes) -> None:
    """Blanks and documents beside the entity tag are no harm."""
    wire.answers["PutObject"] = [Reply(200, body, headers={"ETag": '"e"'})]
    assert put(make_store(wire)).retries == 0


@pytest.mark.parametrize("failure", [error(403, "AccessDenied", "x" * 100_000), error(403, "C" * 100_000)])
def test_what_a_store_says_has_an_end(wire: WireServer, failure: Reply) -> None:
    """An error document of any size makes an error that can be read."""
    wire.answers["PutObject"] = [failure]
    with pytest.raises(StoreError) as caught:
        put(make_store(wire))
    assert len(str(caught.value)) < 2_500


def test_the_test_write_finds_what_is_not_s3(wire: WireServer) -> None:
    """The test write, which `check --connect` does as well, fails where a web server answers everything."""
    wire.answers["PutObject"] = [HTML] * 9
    with pytest.raises(StoreUnavailableError, match="what answers there is not S3"):
        try_write(make_store(wire), "TEST")


@pytest.mark.parametrize("blanks", [b"\n", b"   \r\n\t  ", b" " * 4096])
@pytest.mark.parametrize("declaration", [b"", b'<?xml version="1.0" encoding="UTF-8"?>\n'])
def test_blanks_before_an_answer_are_skipped(wire: WireServer, declaration: bytes, blanks: bytes) -> None:
    """S3 keeps a completion's connection alive by blanks before the document, which is none the worse for them."""
    document = b'<CompleteMultipartUploadResult><ETag>"whole-2"</ETag></CompleteMultipartUploadResult>'
    wire.answers["CompleteMultipartUpload"] = [Reply(200, blanks + declaration + document)]
    stored = put(make_store(wire), 6 * MIB)
    assert (stored.etag, stored.retries) == ("whole-2", 0)


@pytest.mark.parametrize("blanks", [b"", b"\n   "])
def test_an_error_behind_blanks_is_an_error(wire: WireServer, blanks: bytes) -> None:
    """An error document inside a status 200 is one with a declaration and blanks before it, too."""
    body = blanks + b'<?xml version="1.0"?><Error><Code>InvalidPart</Code><Message>missing</Message></Error>'
    wire.answers["CompleteMultipartUpload"] = [Reply(200, body)]
    with pytest.raises(StoreError, match="InvalidPart: missing"):
        put(make_store(wire), 6 * MIB)


@pytest.mark.parametrize("root", ["InitiateMultipartUpload", "InitiateMultipartUploadResult", "Anything"])
def test_documents_are_known_by_what_they_hold(wire: WireServer, root: str) -> None:
    """Rclone's `InitiateMultipartUpload` is as good as S3's own: the UploadId counts, and the ETag at the end."""
    wire.answers["CreateMultipartUpload"] = [
        Reply(200, f'<{root} xmlns="urn:x"><UploadId>u/7</UploadId></{root}>'.encode())
    ]
    wire.answers["CompleteMultipartUpload"] = [Reply(200, f'<{root}><ETag>"done-2"</ETag></{root}>'.encode())]
    assert put(make_store(wire), 6 * MIB).etag == "done-2"
    assert "uploadId=u%2F7" in wire.of("UploadPart")[0].target


def test_a_completion_may_have_no_entity_tag(wire: WireServer) -> None:
    """S3's own result document is a success also where a store leaves the ETag in it empty."""
    wire.answers["CompleteMultipartUpload"] = [Reply(200, b"<CompleteMultipartUploadResult/>")]
    assert put(make_store(wire), 6 * MIB).etag == ""


def test_an_answer_that_ends_in_its_entity_tag_is_not_whole(wire: WireServer) -> None:
    """A connection that breaks within the answer's head leaves half an entity tag, which is never taken for one."""
    wire.answers["PutObject"] = [Reply(headers={"ETag": '"half of a t'})]
    stored = put(make_store(wire))
    assert (stored.etag, stored.retries) == ("e7a9", 1)


THROTTLED = ["RequestThrottled", "RequestThrottledException", "ThrottledException", "EC2ThrottledException"]
THROTTLED += ["BandwidthLimitExceeded", "RequestLimitExceeded", "PriorRequestNotComplete", "LimitExceededException"]


@pytest.mark.parametrize("code", THROTTLED)
def test_throttling_is_known_by_its_code(wire: WireServer, code: str) -> None:
    """A request that is throttled under status 400 is sent again."""
    wire.answers["PutObject"] = [error(400, code)] * 2
    assert put(make_store(wire)).retries == 2


@pytest.mark.parametrize(
    ("reply", "kind", "words"),
    [
        (Reply(404, b"<html>nothing here</html>"), StoreUnavailableError, "HTTP status 404.*check `endpoint`"),
        (Reply(404), StoreUnavailableError, "use_path_style"),
        (Reply(403, b"blocked"), StoreUnavailableError, "who runs the proxy or firewall"),
        (Reply(302, headers={"Location": "/login"}), StoreUnavailableError, "the address that it leads to"),
        (Reply(307), StoreUnavailableError, "check `endpoint` and `region`"),
        (Reply(407), StoreUnavailableError, "the proxy wants a user and a password.*HTTPS_PROXY"),
        (Reply(400, b"Client sent an HTTP request to an HTTPS server."), StoreUnavailableError, "the scheme"),
        (
            error(403, "AccessDenied", "Forbidden: No such key: GK31c2f218a2e44f485b94239e"),
            CredentialsError,
            "correct the access key",
        ),
        (error(403, "AccessDenied", "Forbidden: Invalid signature"), CredentialsError, "correct the secret key"),
        (error(404, "XAdminUserNotFound"), CredentialsError, "correct the access key"),
    ],
)
def test_other_answers_have_words_that_fit(wire: WireServer, reply: Reply, kind: type[StoreError], words: str) -> None:
    """Proxies, web servers, Garage and versitygw say what is wrong in their own ways; the error says it in ours."""
    wire.answers["PutObject"] = [reply] * 9
    with pytest.raises(StoreError, match=words) as caught:
        put(make_store(wire))
    assert type(caught.value) is kind
    assert wire.operations == ["PutObject"]


@pytest.mark.parametrize("hours", [-30, -1, 1, 30])
def test_a_wrong_clock_goes_by_the_stores(wire: WireServer, hours: int) -> None:
    """Where the store refuses this machine's time, requests are signed for the store's, from the next attempt on."""
    clock = Clock(lambda: dt.datetime.now(dt.UTC) + dt.timedelta(hours=hours))
    wire.answers["PutObject"] = [error(403, "RequestTimeTooSkewed")]
    store = make_store(wire, clock, max_attempts=1)
    with capture_logs() as logs:
        assert put(store).retries == 1
    put(store)
    now = dt.datetime.now(dt.UTC)
    signed = [dt.datetime.strptime(request.headers["x-amz-date"], "%Y%m%dT%H%M%S%z") for request in wire.requests]
    assert abs(signed[0] - now) > dt.timedelta(minutes=50)
    assert all(abs(time - now) < dt.timedelta(minutes=5) for time in signed[1:])
    assert "this machine's clock is wrong: requests are signed by the server's" in [log["event"] for log in logs]


@pytest.mark.parametrize("code", ["RequestTimeTooSkewed", "SignatureDoesNotMatch"])
def test_a_right_clock_is_left_alone(wire: WireServer, code: str) -> None:
    """A refusal that the time does not explain is an error at once."""
    wire.answers["PutObject"] = [error(403, code)] * 9
    with pytest.raises(StoreUnavailableError):
        put(make_store(wire))
    assert wire.operations == ["PutObject"]


def test_a_date_that_is_none_corrects_nothing() -> None:
    """A `Date` that cannot be read leaves the clock as it is."""
    clock = Clock()
    assert not clock.correct("")
    assert not clock.correct("tomorrow")
    assert clock.correct(format_datetime(dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)))


@pytest.mark.parametrize("size_bytes", [1, 6 * MIB])
def test_encryption_that_is_not_confirmed_is_warned_of(wire: WireServer, size_bytes: int) -> None:
    """A store that takes no notice of the encryption asked for is named in one warning, however many objects."""
    store = make_store(wire, encryption="aws:kms")
    with capture_logs() as logs:
        for _ in range(3):
            put(store, size_bytes)
    (warning,) = [log for log in logs if log["log_level"] == "warning"]
    assert "does not confirm the encryption" in warning["event"]
    assert warning["store"].startswith("BaseHTTP")


@pytest.mark.parametrize("size_bytes", [1, 6 * MIB])
def test_encryption_that_is_confirmed_is_not(wire: WireServer, size_bytes: int) -> None:
    """Where the store answers with the encryption that was asked for, nothing is said."""
    operation = "PutObject" if size_bytes == 1 else "CreateMultipartUpload"
    method, query = ("PUT", "") if size_bytes == 1 else ("POST", "?uploads=")
    plain = success(Recorded(method, f"/bkt/key{query}", {}, b""))
    confirmed = {"x-amz-server-side-encryption": "AES256"}
    wire.answers[operation] = [Reply(plain.status, plain.body, {**plain.headers, **confirmed})]
    with capture_logs() as logs:
        put(make_store(wire, encryption="AES256"), size_bytes)
    assert [log for log in logs if log["log_level"] == "warning"] == []


def test_a_lost_connection_is_looked_after_once_more(wire: WireServer) -> None:
    """Answers that are not S3's and then a good one are a success that counts its retries."""
    wire.answers["PutObject"] = [EMPTY, CLOSE]
    assert put(make_store(wire)).retries == 2
