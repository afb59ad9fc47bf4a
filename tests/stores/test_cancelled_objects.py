"""What becomes of an object that is given up: nothing more is asked of the store for it, but to clean up."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from cloudquery_s3.cancellation import Cancellation
from cloudquery_s3.errors import ObjectCancelledError, StoreUnavailableError
from cloudquery_s3.stores.memory import MemoryStore
from cloudquery_s3.stores.multipart import PARTS_UNDER_WAY
from cloudquery_s3.stores.s3 import PART_THREADS, S3Store, SystemPause
from cloudquery_s3.stores.s3_settings import S3Settings
from waiting import eventually
from wire_server import CLOSE, NoPause, Recorded, WireServer, error

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

    from cloudquery_s3.stores.object_store import StoredObject
    from cloudquery_s3.stores.retry import Pause

PART_BYTES = 10


@dataclass
class Gate:
    """Holds every request that writes back until it is opened: a store of any slowness, without a clock.

    Attributes:
        held: how many requests have come to it.
    """

    opened: threading.Event = field(default_factory=threading.Event)
    held: Counter[str] = field(default_factory=Counter)

    def __call__(self, request: Recorded) -> None:
        if request.operation in {"PutObject", "UploadPart", "CompleteMultipartUpload"}:
            self.held[request.operation] += 1
            self.opened.wait()


def make_store(wire: WireServer, pause: Pause | None = None) -> S3Store:
    """Return a store of tiny parts."""
    settings = S3Settings(
        bucket="bkt",
        region="eu-west-1",
        endpoint=wire.endpoint,
        part_size_bytes=PART_BYTES,
        single_put_max_bytes=PART_BYTES,
        max_attempts=5,
    )
    return S3Store(settings, pause or NoPause())


def build(store: S3Store, number: int, size_bytes: int, token: Cancellation) -> StoredObject:
    """Write one object, or abort it, as the writer does."""
    writer = store.open(f"key-{number}", token)
    try:
        writer.write([bytes(size_bytes)])
        return writer.commit()
    except Exception:
        writer.abort()
        raise


@contextmanager
def gated(wire: WireServer) -> Iterator[Gate]:
    """Hold the server's answers back, until the block ends at the latest."""
    gate = Gate()
    wire.before = gate
    try:
        yield gate
    finally:
        gate.opened.set()


def outcomes(futures: list[Future[StoredObject]]) -> list[str]:
    """Return how each ended: its key, or the name of its error."""
    return [
        type(future.exception(timeout=30)).__name__ if future.exception(timeout=30) else future.result().key
        for future in futures
    ]


def test_no_part_begins_after_the_object_was_given_up(wire: WireServer) -> None:
    """Of four objects of twelve parts each, only the parts under way are sent; then each upload is taken back."""
    tokens = [Cancellation() for _ in range(4)]
    store = make_store(wire)
    with ThreadPoolExecutor(len(tokens)) as pool, gated(wire) as gate:
        futures = [pool.submit(build, store, number, 12 * PART_BYTES, token) for number, token in enumerate(tokens)]
        assert eventually(lambda: gate.held["UploadPart"] == PART_THREADS)
        assert len(tokens) * PARTS_UNDER_WAY > PART_THREADS  # others wait in the pool's queue
        for token in tokens:
            token.cancel()
        gate.opened.set()
        assert outcomes(futures) == ["ObjectCancelledError"] * 4
    sent = Counter(wire.operations)
    assert sent["UploadPart"] == PART_THREADS
    assert sent["AbortMultipartUpload"] == sent["CreateMultipartUpload"] == 4
    assert set(sent) == {"CreateMultipartUpload", "UploadPart", "AbortMultipartUpload"}
    store.close()


def test_a_writer_stops_waiting_at_once(wire: WireServer) -> None:
    """A writer that waits for parts is told of the cancellation while the store still holds those parts back."""
    token, store = Cancellation(), make_store(wire)
    with ThreadPoolExecutor(1) as pool, gated(wire) as gate:
        writer = store.open("key", token)
        writing = pool.submit(writer.write, [bytes(12 * PART_BYTES)])
        assert eventually(lambda: gate.held["UploadPart"] == PARTS_UNDER_WAY)
        token.cancel()
        with pytest.raises(ObjectCancelledError):
            writing.result(timeout=30)
        assert not gate.opened.is_set()
        gate.opened.set()
        writer.abort()
    store.close()


def test_an_abort_does_not_queue_behind_the_parts_of_others(wire: WireServer) -> None:
    """While every thread for parts is busy with other objects, an aborted upload is taken back."""
    store = make_store(wire)
    idle = store.open("idle", Cancellation())
    idle.write([bytes(PART_BYTES + 1)])
    busy = [Cancellation() for _ in range(3)]
    assert eventually(lambda: "UploadPart" in wire.operations)
    with ThreadPoolExecutor(len(busy)) as pool, gated(wire) as gate:
        futures = [pool.submit(build, store, number, 12 * PART_BYTES, token) for number, token in enumerate(busy)]
        assert eventually(lambda: gate.held["UploadPart"] == PART_THREADS)
        idle.abort()
        assert [request.target for request in wire.of("AbortMultipartUpload")] == ["/bkt/idle?uploadId=u%2F1"]
        assert not gate.opened.is_set()
        gate.opened.set()
        assert outcomes(futures) == ["key-0", "key-1", "key-2"]
    store.close()


def test_a_request_under_way_is_left_to_end(wire: WireServer) -> None:
    """An object whose last request is under way when it is given up is stored, if the store says so."""
    token, store = Cancellation(), make_store(wire)
    with ThreadPoolExecutor(1) as pool, gated(wire) as gate:
        future = pool.submit(build, store, 1, 3, token)
        assert eventually(lambda: gate.held["PutObject"] == 1)
        token.cancel()
        gate.opened.set()
        assert outcomes([future]) == ["key-1"]
    store.close()


@pytest.mark.parametrize("size_bytes", [3, 3 * PART_BYTES])
def test_nothing_is_tried_again_for_an_object_that_was_given_up(wire: WireServer, size_bytes: int) -> None:
    """A request that fails after the cancellation has no second attempt, and its object is not looked for."""
    token, store = Cancellation(), make_store(wire)
    last = "PutObject" if size_bytes == 3 else "CompleteMultipartUpload"
    wire.answers[last] = [CLOSE] * 9
    wire.before = lambda request: token.cancel() if request.operation == last else None
    with pytest.raises(ObjectCancelledError):
        build(store, 1, size_bytes, token)
    assert len(wire.of(last)) == 1
    assert not wire.of("HeadObject")
    store.close()


def test_a_wait_for_the_next_attempt_ends(wire: WireServer) -> None:
    """An object that waits to be sent again ends when it is given up, and not when the wait is over."""
    token = Cancellation()

    class LongPause(SystemPause):
        def sleep(self, _seconds: float, cancellation: Cancellation) -> None:
            waiting.set()
            super().sleep(3600, cancellation)

    waiting, store = threading.Event(), make_store(wire, LongPause())
    wire.answers["PutObject"] = [CLOSE]
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(build, store, 1, 3, token)
        assert waiting.wait(30)
        token.cancel()
        assert outcomes([future]) == ["ObjectCancelledError"]
    assert wire.operations == ["PutObject"]
    store.close()


@pytest.mark.parametrize("size_bytes", [3, 12 * PART_BYTES])
def test_access_denied_for_all_ends_all(wire: WireServer, size_bytes: int) -> None:
    """Where the first refusal gives all objects up, of a queue of forty no more begin than were under way."""
    tokens = [Cancellation() for _ in range(40)]
    workers, store = 8, make_store(wire)
    first = "PutObject" if size_bytes == 3 else "CreateMultipartUpload"
    wire.answers[first] = [error(403, "AccessDenied")] * 40

    def build_or_give_all_up(number: int) -> StoredObject:
        try:
            return build(store, number, size_bytes, tokens[number])
        except StoreUnavailableError:
            for token in tokens:
                token.cancel()
            raise

    with ThreadPoolExecutor(workers) as pool:
        ended = outcomes([pool.submit(build_or_give_all_up, number) for number in range(40)])
    assert set(ended) == {"StoreUnavailableError", "ObjectCancelledError"}
    assert set(wire.operations) == {first}
    assert len(wire.requests) == Counter(ended)["StoreUnavailableError"] <= workers
    store.close()


@pytest.mark.parametrize("given_up", ["before", "between"])
def test_a_store_in_memory_heeds_the_token(given_up: str) -> None:
    """The store for tests refuses rows and commits of an object that was given up, as the real one does."""
    token, store = Cancellation(), MemoryStore()
    writer = store.open("key", token)
    if given_up == "between":
        writer.write([b"x"])
    token.cancel()
    with pytest.raises(ObjectCancelledError):
        writer.write([b"x"])
    with pytest.raises(ObjectCancelledError):
        writer.commit()
    writer.abort()
    assert (store.objects, store.open_keys) == ({}, [])


def test_credentials_are_not_fetched_for_an_object_that_was_given_up(
    wire: WireServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the cancellation an expired token is not renewed."""
    monkeypatch.setenv("AWS_SESSION_TOKEN", "expired")
    token, store = Cancellation(), make_store(wire)
    loads: list[int] = []
    load = store._client.credentials._load
    store._client.credentials._load = lambda: loads.append(1) or load()  # type: ignore[func-returns-value]
    wire.answers["PutObject"] = [error(400, "ExpiredToken")]
    wire.before = lambda _request: token.cancel()
    with pytest.raises(ObjectCancelledError):
        build(store, 1, 3, token)
    assert loads == []
    store.close()
