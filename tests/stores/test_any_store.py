"""What every store does: one suite over the memory store, moto, rclone, versitygw, MinIO and RGW."""

from __future__ import annotations

import hashlib
import io
import os
import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import pytest

from cloudquery_s3.cancellation import Cancellation
from cloudquery_s3.errors import ObjectNotFoundError, StoreError
from cloudquery_s3.stores.memory import MemoryStore
from cloudquery_s3.stores.multipart import MultipartUpload
from cloudquery_s3.stores.new_object import NewObject
from cloudquery_s3.stores.probe import try_write
from cloudquery_s3.stores.s3 import S3Store
from cloudquery_s3.stores.s3_reader import HEAD_BYTES
from cloudquery_s3.stores.s3_settings import MIB, S3Settings
from cloudquery_s3.stores.stored_file import StoredFile
from s3_servers import REGION, Bucket, S3Server, minio, moto, rclone, rgw, versitygw  # noqa: F401 - fixtures

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloudquery_s3.stores.object_store import ObjectStore

SINGLE_PUT_MAX_BYTES = 6 * MIB
SERVERS = [
    pytest.param("versitygw", marks=pytest.mark.server),
    pytest.param("minio", marks=[pytest.mark.server, pytest.mark.slow]),
    pytest.param("rgw", marks=[pytest.mark.server, pytest.mark.slow]),
]
ODD_KEYS = [
    "plain",
    "a b/c+d=e&f.csv",
    "year=2026/month=01/ünïcode/雪.json",
    "100%/%41/~tilde_under-score.x",
    "q?x#y;z:@$!*'(),[]",
    'quote".json',
    "very/" + "deep/" * 40 + "end",
]


class Outside(Protocol):
    """The bucket seen from outside."""

    def objects(self) -> dict[str, bytes]: ...

    def etags(self) -> dict[str, str]: ...

    def open_uploads(self) -> list[str]: ...


@dataclass
class MemoryOutside:
    """The memory store seen from outside."""

    store: MemoryStore

    def objects(self) -> dict[str, bytes]:
        return dict(self.store.objects)

    def etags(self) -> dict[str, str]:
        return {key: md5(body) for key, body in self.store.objects.items()}

    def open_uploads(self) -> list[str]:
        return list(self.store.open_keys)


@dataclass
class Case:
    store: ObjectStore
    outside: Outside


@pytest.fixture(params=["memory", "moto", "rclone", *SERVERS])
def case(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Case]:
    """Each store in turn, with an empty bucket."""
    if request.param == "memory":
        memory = MemoryStore()
        yield Case(memory, MemoryOutside(memory))
        return
    server: S3Server = request.getfixturevalue(request.param)
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    bucket: Bucket = server.new_bucket()
    settings = S3Settings(
        bucket=bucket.name,
        region=REGION,
        endpoint=server.endpoint,
        path_style=True,
        single_put_max_bytes=SINGLE_PUT_MAX_BYTES,
    )
    store = S3Store(settings)
    yield Case(store, bucket)
    store.close()


def md5(body: bytes) -> str:
    """Return an object's digest in hexadecimal."""
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


def put(store: ObjectStore, key: str, *chunks: bytes) -> None:
    """Write one object."""
    writer = store.open(key, Cancellation())
    for chunk in chunks:
        writer.write([chunk])
    writer.commit()


def test_an_object_holds_its_chunks_in_order(case: Case) -> None:
    """What is read is what was written, small chunks and views included."""
    writer = case.store.open("key", Cancellation())
    writer.write([b"one,", memoryview(b"-two,-")[1:-1]])
    writer.write([b"", b"three"])
    stored = writer.commit()
    assert case.outside.objects() == {"key": b"one,two,three"}
    assert (stored.key, stored.size_bytes, stored.retries) == ("key", 13, 0)
    assert stored.etag
    assert stored.checksum is not None
    assert stored.checksum.scope == "FULL_OBJECT"


def test_an_object_may_be_empty(case: Case) -> None:
    """Committing without a byte makes an object of no bytes."""
    assert case.store.open("empty", Cancellation()).commit().size_bytes == 0
    assert case.outside.objects() == {"empty": b""}


@pytest.mark.parametrize("extra", [-1, 0, 1])
def test_the_step_to_multipart_changes_no_byte(case: Case, extra: int) -> None:
    """Objects just below, at and just above the single-put limit hold what was written."""
    body = os.urandom(SINGLE_PUT_MAX_BYTES + extra)
    put(case.store, "key", body)
    assert case.outside.objects() == {"key": body}
    assert case.outside.open_uploads() == []


def test_a_large_object_goes_up_in_parts(case: Case) -> None:
    """An object of several parts, cut across its chunks, is whole; nothing is held afterwards."""
    chunks = [os.urandom(4 * MIB - 3) for _ in range(6)]
    writer = case.store.open("large", Cancellation())
    for chunk in chunks:
        writer.write([chunk])
        assert writer.buffered_bytes <= 24 * MIB
    stored = writer.commit()
    assert writer.buffered_bytes == 0
    assert stored.size_bytes == sum(map(len, chunks))
    assert case.outside.objects() == {"large": b"".join(chunks)}
    assert case.outside.open_uploads() == []


@pytest.mark.parametrize("size_bytes", [0, 10, SINGLE_PUT_MAX_BYTES - 1, 3 * SINGLE_PUT_MAX_BYTES])
def test_flushing_changes_no_byte(case: Case, size_bytes: int) -> None:
    """An object that was flushed on the way, sent or not, is what was written, and visible at commit only."""
    body = os.urandom(size_bytes)
    writer = case.store.open("key", Cancellation())
    writer.write([body])
    writer.flush()
    assert case.outside.objects() == {}
    writer.write([b"end"])
    writer.flush()
    writer.commit()
    assert case.outside.objects() == {"key": body + b"end"}


@pytest.mark.parametrize("size_bytes", [10, 3 * SINGLE_PUT_MAX_BYTES])
def test_nothing_is_visible_before_commit(case: Case, size_bytes: int) -> None:
    """An object on its way cannot be read, however much of it is sent."""
    writer = case.store.open("key", Cancellation())
    writer.write([bytes(size_bytes)])
    assert case.outside.objects() == {}
    with pytest.raises(ObjectNotFoundError):
        case.store.read("key")
    writer.abort()


@pytest.mark.parametrize("size_bytes", [0, 10, 3 * SINGLE_PUT_MAX_BYTES])
def test_abort_leaves_nothing(case: Case, size_bytes: int) -> None:
    """After abort, repeated or not, there is neither an object nor an open upload."""
    writer = case.store.open("key", Cancellation())
    writer.write([bytes(size_bytes)])
    writer.abort()
    writer.abort()
    assert writer.buffered_bytes == 0
    assert case.outside.objects() == {}
    assert case.outside.open_uploads() == []


@pytest.mark.parametrize("size_bytes", [10, 2 * SINGLE_PUT_MAX_BYTES])
def test_abort_after_commit_is_harmless(case: Case, size_bytes: int) -> None:
    """A committed object stays, whatever is aborted later."""
    writer = case.store.open("key", Cancellation())
    writer.write([bytes(size_bytes)])
    writer.commit()
    writer.abort()
    assert case.outside.objects() == {"key": bytes(size_bytes)}


@pytest.mark.parametrize("size_bytes", [3, 2 * SINGLE_PUT_MAX_BYTES])
def test_an_object_is_replaced_whole(case: Case, size_bytes: int) -> None:
    """A second object at a key takes the place of the first, also when it is smaller or in parts."""
    put(case.store, "key", b"x" * (SINGLE_PUT_MAX_BYTES + 1))
    put(case.store, "key", b"y" * size_bytes)
    assert case.outside.objects() == {"key": b"y" * size_bytes}


def test_odd_keys_arrive_as_they_are(case: Case) -> None:
    """Spaces, plus signs, percent signs, Unicode and query characters stay what they are in a key."""
    for key in ODD_KEYS:
        put(case.store, key, key.encode())
    assert case.outside.objects() == {key: key.encode() for key in ODD_KEYS}
    for key in ODD_KEYS:
        stored = case.store.read(key)
        assert stored.read_at(0, stored.size_bytes) == key.encode()
        stored.close()


def test_many_threads_write_at_once(case: Case) -> None:
    """1,000 small objects written by 16 threads are all there."""
    bodies = {f"table/{index}.json": str(index).encode() for index in range(1000)}
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda item: put(case.store, *item), bodies.items()))
    assert case.outside.etags() == {key: md5(body) for key, body in bodies.items()}


@pytest.mark.parametrize("size_bytes", [0, 1, HEAD_BYTES, HEAD_BYTES + 1, 3 * SINGLE_PUT_MAX_BYTES])
def test_an_object_is_read_in_ranges(case: Case, size_bytes: int) -> None:
    """Any range of an object is what was written there, and ends where the object ends."""
    body = random.Random(size_bytes).randbytes(size_bytes)  # noqa: S311 - any bytes
    put(case.store, "key", body)
    stored = case.store.read("key")
    assert stored.size_bytes == size_bytes
    for offset in (0, 1, 5 * MIB, HEAD_BYTES - 1, HEAD_BYTES, size_bytes - 1, size_bytes, size_bytes + 10):
        for length in (0, 1, 1000, HEAD_BYTES):
            if offset >= 0:
                assert stored.read_at(offset, length) == body[offset : offset + length]
    stored.close()


@pytest.mark.parametrize("size_bytes", [1000, HEAD_BYTES + 1000])
def test_a_stored_object_is_a_file(case: Case, size_bytes: int) -> None:
    """What reads files reads a stored object, from wherever it likes."""
    body = random.Random(size_bytes).randbytes(size_bytes)  # noqa: S311 - any bytes
    put(case.store, "key", body)
    with StoredFile(case.store.read("key")) as file:
        assert file.read() == body
        assert (file.seek(-10, io.SEEK_END), file.read(4), file.tell()) == (
            size_bytes - 10,
            body[-10:-6],
            size_bytes - 6,
        )
        assert (file.seek(-4, io.SEEK_CUR), file.read()) == (size_bytes - 10, body[-10:])
        assert (file.seek(3), file.read(2), file.read(0)) == (3, body[3:5], b"")


def test_a_missing_object_is_told_apart(case: Case) -> None:
    """Reading what is not there is an ObjectNotFoundError that names the key, before any range is asked for."""
    with pytest.raises(ObjectNotFoundError, match="GetObject no/such: there is no object at this key"):
        case.store.read("no/such")


def test_an_object_that_is_replaced_is_not_mixed(case: Case, request: pytest.FixtureRequest) -> None:
    """Ranges of two versions never come together: what was replaced is an error, or goes on as it was."""
    if request.node.callspec.params["case"] == "rclone":
        pytest.skip("rclone does not read If-Match, by which a store refuses to read another version")
    put(case.store, "key", b"a" * (HEAD_BYTES + 10))
    stored = case.store.read("key")
    put(case.store, "key", b"b" * (HEAD_BYTES + 10))
    try:
        assert stored.read_at(HEAD_BYTES, 10) == b"a" * 10
    except StoreError as error:
        assert "the object was replaced while it was read" in str(error)  # noqa: PT017 - the memory store raises nothing
    stored.close()


def test_delete_removes_and_does_not_mind(case: Case) -> None:
    """A deleted object is gone, and deleting again is no error."""
    put(case.store, "key", b"x")
    case.store.delete("key")
    case.store.delete("key")
    assert case.outside.objects() == {}


def test_the_test_write_leaves_nothing(case: Case) -> None:
    """The test write succeeds and takes its object away again."""
    try_write(case.store, "data/TEST_TABLE/TEST_UUID.parquet")
    assert case.outside.objects() == {}


@pytest.mark.parametrize("server_name", ["moto", *SERVERS])
def test_a_stray_upload_is_found_on_a_real_server(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, server_name: str
) -> None:
    """An upload that a lost answer has left is found by its key among others, and aborted."""
    server: S3Server = request.getfixturevalue(server_name)
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    bucket = server.new_bucket()
    for key in ("a b/key", "a b/key-of-another"):
        server.client().create_multipart_upload(Bucket=bucket.name, Key=key)
    store = S3Store(S3Settings(bucket=bucket.name, region=REGION, endpoint=server.endpoint))
    upload = MultipartUpload(
        store._client, store._pool, NewObject("a b/key", Cancellation()), {}, first_part_bytes=5 * MIB
    )
    upload._may_have_strays = True
    upload.abort()
    assert bucket.open_uploads() == ["a b/key-of-another"]
    store.close()
