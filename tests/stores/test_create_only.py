"""Objects that are created and never replaced: the header, and what a refusal means."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from captured import capture_logs
from cloudquery_s3.cancellation import Cancellation
from cloudquery_s3.errors import StoreError, StoreUnavailableError
from cloudquery_s3.stores.probe import try_write
from cloudquery_s3.stores.s3 import S3Store
from cloudquery_s3.stores.s3_settings import MIB, S3Settings
from s3_servers import REGION, S3Server, minio, moto, rgw, versitygw  # noqa: F401 - the last four are fixtures
from wire_server import CLOSE, NoPause, Recorded, Reply, WireServer, error

if TYPE_CHECKING:
    from cloudquery_s3.stores.object_store import StoredObject

SIZES = {"PutObject": 1, "CompleteMultipartUpload": 6 * MIB}
EXISTS = error(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
LOST = {
    "closed": CLOSE,
    "500": error(500, "InternalError"),
    "502": Reply(502),
    "cut off": Reply(200, b"<cut", missing_bytes=10),
    "cut off in its head": Reply(200, headers={"ETag": '"a"'}, ends_in_head=True),
}


def make_store(endpoint: str, **changes: Any) -> S3Store:
    """Return a store that creates only, and retries without waiting."""
    options = {"endpoint": endpoint, "single_put_max_bytes": 5 * MIB, "create_only": "always", **changes}
    return S3Store(S3Settings(bucket="bkt", region="eu-west-1", **options), NoPause())


def put(store: S3Store, size_bytes: int = 1, *, unique: bool = True, key: str = "key") -> StoredObject:
    """Write one object, or abort it."""
    writer = store.open(key, Cancellation(), unique=unique)
    try:
        writer.write([bytes(size_bytes)])
        return writer.commit()
    except StoreError:
        writer.abort()
        raise


def conditions(wire: WireServer) -> dict[str, str | None]:
    """Return the condition of each kind of request that was sent."""
    return {request.operation: request.headers.get("if-none-match") for request in wire.requests}


@pytest.mark.parametrize("size_bytes", SIZES.values())
def test_the_request_that_makes_it_visible_has_the_condition(wire: WireServer, size_bytes: int) -> None:
    """`If-None-Match: *` is on PutObject and on CompleteMultipartUpload, signed, and on nothing else."""
    put(make_store(wire.endpoint), size_bytes)
    assert {operation for operation, said in conditions(wire).items() if said} == {
        operation for operation in conditions(wire) if operation in SIZES
    }
    last = wire.requests[-1]
    assert last.headers["if-none-match"] == "*"
    assert "if-none-match" in last.headers["authorization"]


@pytest.mark.parametrize(
    ("create_only", "unique"), [("always", False), ("never", True), ("never", False), ("auto", True)]
)
def test_other_objects_replace_what_is_there(wire: WireServer, create_only: str, *, unique: bool) -> None:
    """Fixed keys, `never`, and `auto` at an endpoint of one's own send no condition."""
    put(make_store(wire.endpoint, create_only=create_only), unique=unique)
    assert conditions(wire) == {"PutObject": None}


def test_auto_creates_on_aws(wire: WireServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """`auto` has the condition at AWS's own address, and not at one that the environment names."""
    monkeypatch.setenv("HTTP_PROXY", wire.endpoint)
    assert make_store("", create_only="auto")._creates_only
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://s3.example.test")
    assert not make_store("", create_only="auto")._creates_only


def test_the_test_object_has_no_condition(wire: WireServer) -> None:
    """The test write may find its object there, from the last time."""
    try_write(make_store(wire.endpoint), "TEST")
    assert conditions(wire)["PutObject"] is None


@pytest.mark.parametrize("lost", LOST.values(), ids=LOST)
@pytest.mark.parametrize("operation", SIZES)
@pytest.mark.parametrize("encryption", ["", "aws:kms"])
def test_a_refusal_after_a_lost_answer_is_a_success(
    wire: WireServer, operation: str, lost: Reply, encryption: str
) -> None:
    """Where an earlier attempt may have worked, "it exists" means that it has: nobody looks, under KMS either."""
    wire.answers[operation] = [lost, EXISTS]
    with capture_logs() as logs:
        stored = put(make_store(wire.endpoint, encryption=encryption), SIZES[operation])
    assert (stored.size_bytes, stored.retries) == (SIZES[operation], 1)
    assert stored.checksum is not None
    assert "HeadObject" not in wire.operations
    assert not [log for log in logs if "may be there" in log["event"]]


def test_a_refused_completion_leaves_no_upload(wire: WireServer) -> None:
    """After the refusal that is a success, the upload is taken back: a store may keep it open."""
    wire.answers["CompleteMultipartUpload"] = [CLOSE, EXISTS]
    put(make_store(wire.endpoint), 6 * MIB)
    assert wire.operations[-1] == "AbortMultipartUpload"


@pytest.mark.parametrize("before", [[], [error(503, "SlowDown")], [error(409, "ConditionalRequestConflict")]])
@pytest.mark.parametrize("operation", SIZES)
def test_a_refusal_without_a_lost_answer_is_an_error(wire: WireServer, operation: str, before: list[Reply]) -> None:
    """Where no attempt can have worked, the object at the key is another's; the error says so, for this key alone."""
    wire.answers[operation] = [*before, EXISTS]
    with pytest.raises(StoreError, match="an object is at this key already") as caught:
        put(make_store(wire.endpoint), SIZES[operation])
    assert not isinstance(caught.value, StoreUnavailableError)
    if operation == "CompleteMultipartUpload":
        assert wire.operations[-1] == "AbortMultipartUpload"


@pytest.mark.parametrize("operation", SIZES)
def test_a_conflict_is_tried_again(wire: WireServer, operation: str) -> None:
    """AWS's 409 ConditionalRequestConflict is sent again, and then may be a success."""
    wire.answers[operation] = [error(409, "ConditionalRequestConflict")] * 2
    assert put(make_store(wire.endpoint), SIZES[operation]).retries == 2


@pytest.mark.parametrize("operation", SIZES)
def test_a_conflict_that_stays_is_named(wire: WireServer, operation: str) -> None:
    """A conflict that outlasts all attempts fails this key, says what to do, and leaves no upload."""
    wire.answers[operation] = [error(409, "ConditionalRequestConflict")] * 9
    with pytest.raises(StoreError, match="run the sync again") as caught:
        put(make_store(wire.endpoint), SIZES[operation])
    assert not isinstance(caught.value, StoreUnavailableError)
    if operation == "CompleteMultipartUpload":
        assert "no longer in memory" in str(caught.value)
        assert wire.operations[-1] == "AbortMultipartUpload"


@pytest.mark.parametrize("reply", [error(501, "NotImplemented"), error(400, "InvalidArgument"), Reply(400), Reply(501)])
@pytest.mark.parametrize("operation", SIZES)
def test_a_store_that_does_not_know_the_header_is_named(wire: WireServer, operation: str, reply: Reply) -> None:
    """`always` fails by name where the store refuses the header, and tells the way out."""
    wire.answers[operation] = [reply] * 9
    with pytest.raises(StoreError, match="write `create_only: never`"):
        put(make_store(wire.endpoint), SIZES[operation])


def test_other_refusals_do_not_blame_the_header(wire: WireServer) -> None:
    """A refusal that has nothing to do with the header says nothing of it."""
    wire.answers["PutObject"] = [error(400, "KeyTooLongError")]
    with pytest.raises(StoreError) as caught:
        put(make_store(wire.endpoint))
    assert "create_only" not in str(caught.value)


RACING = [
    pytest.param("versitygw", marks=pytest.mark.server),
    pytest.param("minio", marks=[pytest.mark.server, pytest.mark.slow]),
    pytest.param("rgw", marks=[pytest.mark.server, pytest.mark.slow]),
]


@pytest.fixture(params=["moto", *RACING])
def server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """Each real server in turn."""
    running: S3Server = request.getfixturevalue(request.param)
    for name, value in running.environment().items():
        monkeypatch.setenv(name, value)
    return running


def skip_what_rgw_ignores(server: S3Server, size_bytes: int) -> None:
    """Skip objects in parts on RGW 16.2, which heeds the condition in PutObject alone (docs/s3-compatible.md)."""
    if server.name == "rgw" and size_bytes == SIZES["CompleteMultipartUpload"]:
        pytest.skip("RGW ignores If-None-Match in CompleteMultipartUpload")


@pytest.mark.parametrize("size_bytes", SIZES.values())
def test_a_real_server_keeps_the_first(server: S3Server, size_bytes: int) -> None:
    """A second object at the key of a first is refused, leaves no upload, and replaces it only where it may."""
    skip_what_rgw_ignores(server, size_bytes)
    bucket = server.new_bucket()
    options = {"create_only": "always", "single_put_max_bytes": 5 * MIB, "path_style": True}
    store = S3Store(S3Settings(bucket=bucket.name, region=REGION, endpoint=server.endpoint, **options))  # type: ignore[arg-type] # shorthand
    put(store, size_bytes)
    with pytest.raises(StoreError, match="an object is at this key already"):
        put(store, 2 * size_bytes)
    assert bucket.objects() == {"key": bytes(size_bytes)}
    assert bucket.open_uploads() == []
    put(store, 3, unique=False)
    assert bucket.objects() == {"key": bytes(3)}
    store.close()


@pytest.mark.parametrize("server", RACING, indirect=True)
@pytest.mark.parametrize("size_bytes", SIZES.values())
def test_a_race_has_one_winner(server: S3Server, size_bytes: int) -> None:
    """Of objects that are written to one key at the same time one is stored, the others fail, and no upload is left."""
    skip_what_rgw_ignores(server, size_bytes)
    bucket = server.new_bucket()
    options = {"create_only": "always", "single_put_max_bytes": 5 * MIB, "path_style": True}
    store = S3Store(S3Settings(bucket=bucket.name, region=REGION, endpoint=server.endpoint, **options))  # type: ignore[arg-type] # shorthand
    meeting = threading.Barrier(4, timeout=60)

    def write(_number: int) -> str:
        writer = store.open("key", Cancellation(), unique=True)
        writer.write([bytes(size_bytes)])
        meeting.wait()
        try:
            writer.commit()
        except StoreError as refused:
            writer.abort()
            return str(refused)
        return "stored"

    with ThreadPoolExecutor(4) as pool:
        ended = list(pool.map(write, range(4)))
    assert ended.count("stored") == 1, ended
    assert all("an object is at this key already" in said for said in ended if said != "stored")
    assert bucket.objects() == {"key": bytes(size_bytes)}
    assert bucket.open_uploads() == []
    store.close()


def test_a_lost_answer_needs_no_permission_to_read(wire: WireServer) -> None:
    """The first attempt stores the object and its answer is lost; the second is refused: the object is there once."""
    stored: set[str] = set()

    def before(request: Recorded) -> None:
        if request.operation != "PutObject":
            return
        wire.answers["PutObject"] = [EXISTS if request.target in stored else CLOSE]
        stored.add(request.target)

    wire.before = before
    for number in range(3):
        assert put(make_store(wire.endpoint), key=f"key-{number}").retries == 1
    assert wire.operations == ["PutObject"] * 6
