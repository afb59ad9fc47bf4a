"""The two stages under a store that waits: queues deeper than the pools, and ends in the middle."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

import rows
from cloudquery_s3.cancellation import Cancellation
from cloudquery_s3.committed import Origin
from cloudquery_s3.errors import (
    KeyRefusedError,
    ObjectCancelledError,
    PublicationError,
    StoreError,
    StoreUnavailableError,
    TableError,
    WriteFailedError,
)
from cloudquery_s3.formats.parquet import Parquet
from cloudquery_s3.stores.memory import MemoryStore
from cloudquery_s3.writer.access_gate import AccessGate
from cloudquery_s3.writer.fixed_keys import FixedKeys, FixedKeysOfSyncs
from streams import NOW, content, rows_of, stream, values

if TYPE_CHECKING:
    from cloudquery_s3.committed import CommittedObject, WriteEnd, WriteStart


class SlowStore(MemoryStore):
    """A store whose PUTs wait until the test lets them go on; counts those that begin."""

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__(self._before)
        self.answers = threading.Event()
        self.begun = 0
        self.reached = threading.Semaphore(0)
        self._error = error
        self._lock = threading.Lock()

    def _before(self, operation: str, _key: str) -> None:
        if operation != "PutObject":
            return
        with self._lock:
            self.begun += 1
        self.reached.release()
        assert self.answers.wait(30)
        if self._error is not None:
            raise self._error


async def reached(store: SlowStore, puts: int) -> None:
    """Return when so many PUTs are under way."""
    for _ in range(puts):
        assert await asyncio.to_thread(store.reached.acquire, True, 30)


def test_a_cancelled_write_begins_no_request() -> None:
    """Of 200 objects, more than the pool sends at once, none begins its PUT after the Write was given up."""
    store = SlowStore()

    async def scenario() -> None:
        with stream(store, max_rows=1, uploads=4) as writer:
            for number in range(200):
                writer.insert(values(f"t{number % 7}", number))
            await reached(store, 4)
            ending = asyncio.ensure_future(writer.abort())
            await asyncio.sleep(0)
            store.answers.set()
            await ending

    asyncio.run(scenario())
    assert store.begun == 4
    assert len(store.objects) <= 4
    assert store.open_keys == []


def test_a_store_that_denies_everyone_sees_no_more_than_what_was_under_way() -> None:
    """Access denied to everyone ends the Write with the PUTs that were under way at the first answer, and no other."""
    denial = StoreUnavailableError("denied", operation="PutObject", key="k", status=403, code="AccessDenied")
    store = SlowStore(denial)
    fatal = asyncio.Event()

    async def scenario() -> None:
        with stream(store, max_rows=1, uploads=4, on_fatal=fatal.set) as writer:
            for number in range(200):
                writer.insert(values(f"t{number % 7}", number))
            await reached(store, 4)
            store.answers.set()
            await asyncio.wait_for(fatal.wait(), 30)
            await writer.abort()
            assert writer.fatal is denial

    asyncio.run(scenario())
    assert store.begun == 4
    assert store.objects == {}
    assert store.open_keys == []


def test_encoding_does_not_wait_for_uploads() -> None:
    """While every upload waits for the store, further objects are still encoded, and count as encoded bytes only."""
    store = SlowStore()

    async def scenario() -> None:
        with stream(store, max_rows=1, uploads=1) as writer:
            for number in range(20):
                writer.insert(values("a", number))
            budget = writer._context.budget
            while budget.encoding_bytes:  # noqa: ASYNC110 -- worker threads will bring it there
                await asyncio.sleep(0)
            assert budget.uploading_bytes == sum(len(b'{"n":%d}\n' % number) for number in range(20))
            assert store.begun <= 1
            store.answers.set()
            await writer.finish()

    asyncio.run(scenario())
    assert len(store.objects) == 20


class Listener:
    """A publisher that keeps what it hears, and fails if it is told to."""

    def __init__(self, error: Exception | None = None) -> None:
        self.records: list[CommittedObject] = []
        self.ends: list[WriteEnd] = []
        self._error = error

    def __call__(self, _start: WriteStart) -> Listener:
        return self

    def committed(self, record: CommittedObject) -> None:
        self.records.append(record)

    async def publish(self, end: WriteEnd) -> None:
        self.ends.append(end)
        if self._error is not None:
            raise self._error


def test_what_a_committed_object_is() -> None:
    """The record of an object has its rows, schema, statistics, times, checksum and alterations as they were."""
    listener = Listener()

    async def scenario() -> None:
        with stream(MemoryStore(), publishers=[listener], file_format=Parquet()) as writer:
            writer.insert(rows_of("a", n=[1, None, 3]))
            await writer.finish()

    asyncio.run(scenario())
    (record,) = listener.records
    assert (record.table, record.key, record.rows, record.retries) == ("a", "a/0", 3, 0)
    assert record.opened_at == record.committed_at == NOW
    assert record.checksum is not None
    assert record.statistics.columns()["n"] == (1, 1, 3)
    assert len(record.schema_id) == 16
    assert [end.status for end in listener.ends] == ["complete"]
    assert list(listener.ends[0].schemas) == ["a"]


def test_a_publisher_that_fails_fails_the_write() -> None:
    """What fails in the second phase fails the Write, says that the rows are there, and is told to later publishers."""
    failing, later = Listener(StoreError("refused", operation="PutObject", key="m")), Listener()
    store = MemoryStore()

    async def scenario() -> None:
        with stream(store, publishers=[failing, later]) as writer:
            writer.insert(values("a", 1))
            with pytest.raises(PublicationError, match=r"the rows of this Write are in the bucket, but .* refused"):
                await writer.finish()
            await writer.abort()

    asyncio.run(scenario())
    assert content(store) == {"a/0": [1]}
    assert [end.status for end in failing.ends + later.ends] == ["complete", "failed"]


def test_a_failed_write_claims_no_more_than_is_there(caplog: pytest.LogCaptureFixture) -> None:
    """Where a Write that is given up cannot be published either, no word says that all of its rows are there."""
    failing = Listener(StoreError("refused", operation="PutObject", key="m"))

    async def scenario() -> None:
        with stream(MemoryStore(), publishers=[failing]) as writer:
            writer.insert(values("a", 1))
            await writer.abort()

    asyncio.run(scenario())
    assert "what this Write has stored is in the bucket, but PutObject m: refused" in caplog.text
    assert "the rows of this Write" not in caplog.text


def test_every_end_is_published_once() -> None:
    """A Write that fails is published as failed, one that is given up as interrupted, each once."""
    failed, interrupted = Listener(), Listener()

    def refuse(operation: str, key: str) -> None:
        if operation == "PutObject" and key.startswith("bad"):
            raise StoreError("refused", operation=operation, key=key)

    async def scenario() -> None:
        with stream(MemoryStore(refuse), publishers=[failed]) as writer:
            writer.insert(values("bad", 1))
            writer.insert(values("good", 1))
            with pytest.raises(WriteFailedError):
                await writer.finish()
            await writer.abort()
        with stream(MemoryStore(), publishers=[interrupted]) as writer:
            writer.insert(values("a", 1))
            await writer.abort()
            await writer.abort()

    asyncio.run(scenario())
    assert [(end.status, list(end.failures)) for end in failed.ends] == [("failed", ["bad"])]
    assert [end.status for end in interrupted.ends] == ["interrupted"]
    assert interrupted.records == []


def denial(key: str) -> StoreUnavailableError:
    """What a store says that refuses a key."""
    return StoreUnavailableError("denied", operation="PutObject", key=key, status=403, code="AccessDenied")


def raising(error: Exception) -> Any:
    """A request that fails."""

    def request() -> None:
        raise error

    return request


def test_the_first_refusal_waits_for_what_is_under_way() -> None:
    """A refusal that comes first is that key's own if an upload under way succeeds; until then no other begins."""
    gate, other_may_end, outcomes = AccessGate(), threading.Event(), []
    other_began = threading.Event()

    def other() -> str:
        other_began.set()
        assert other_may_end.wait(30)
        return "stored"

    def run(request: Any) -> None:
        try:
            outcomes.append(gate.store(request, Cancellation()))
        except StoreError as error:
            outcomes.append(type(error))

    threads = [threading.Thread(target=run, args=(request,)) for request in (other, raising(denial("bad")))]
    threads[0].start()
    assert other_began.wait(30)
    threads[1].start()
    threads[1].join(0.05)
    assert threads[1].is_alive()
    other_may_end.set()
    for thread in threads:
        thread.join(30)
    assert sorted(outcomes, key=str) == sorted(["stored", KeyRefusedError], key=str)
    with pytest.raises(KeyRefusedError):
        gate.store(raising(denial("worse")), Cancellation())


def test_one_refusal_and_no_success_holds_for_everyone() -> None:
    """A refusal with nothing under way and nothing stored is the bucket's: what comes later meets it at once."""
    gate = AccessGate()
    with pytest.raises(StoreUnavailableError):
        gate.store(raising(denial("one")), Cancellation())
    with pytest.raises(StoreUnavailableError, match="one"):
        gate.store(lambda: pytest.fail("it began"), Cancellation())


def test_a_cancelled_upload_does_not_pass_the_gate() -> None:
    """An upload whose object was given up begins nothing."""
    cancellation = Cancellation()
    cancellation.cancel()
    with pytest.raises(ObjectCancelledError):
        AccessGate().send(lambda: pytest.fail("it began"), cancellation)


def test_a_key_of_one_source_is_not_replaced_by_another() -> None:
    """A fixed key that has a source's rows refuses another's of the same sync, by both names; its own come again."""
    keys = FixedKeysOfSyncs()
    one, two = Origin(frozenset({"aws"})), Origin(frozenset({"gcp"}))
    with keys.of(bucket="b", sync_id="s").claimed("t", "k", one):
        pass
    with pytest.raises(TableError, match=r"source aws of this sync, and those of gcp .*\{\{UUID\}\}"):
        keys.of(bucket="b", sync_id="s").check("t", "k", two)
    for free in (
        keys.of(bucket="b", sync_id="other"),
        keys.of(bucket="c", sync_id="s"),
        keys.of(bucket="b", sync_id=""),
    ):
        free.check("t", "k", two)
    keys.of(bucket="b", sync_id="s").check("t", "k", one)
    keys.of(bucket="b", sync_id="s").check("t", "k", Origin())
    keys.of(bucket="b", sync_id="s").check("t", "other", two)


def test_a_key_that_was_not_stored_is_free() -> None:
    """A source whose object could not be stored leaves the key to others."""
    keys = FixedKeys()
    with pytest.raises(StoreError), keys.claimed("t", "k", Origin(frozenset({"aws"}))):
        raise StoreError("refused", operation="PutObject", key="k")
    keys.check("t", "k", Origin(frozenset({"gcp"})))


def test_only_the_latest_syncs_are_remembered() -> None:
    """What is known of old syncs is forgotten, so that a service does not grow."""
    keys = FixedKeysOfSyncs()
    with keys.of(bucket="b", sync_id="0").claimed("t", "k", Origin(frozenset({"aws"}))):
        pass
    for number in range(1, 65):
        keys.of(bucket="b", sync_id=str(number))
    keys.of(bucket="b", sync_id="0").check("t", "k", Origin(frozenset({"gcp"})))


@pytest.mark.parametrize("path", ["{{TABLE}}", "{{TABLE}}/{{UUID}}"])
def test_shards_need_keys_of_their_own(path: str) -> None:
    """Rows of a shard at a fixed key fail their table by name; with `{{UUID}}` they are written."""
    store = MemoryStore()

    async def scenario() -> None:
        with stream(store, path=path) as writer:
            writer.insert(rows_of("a", n=[1], _cq_source_name=["aws_1_2"]))
            writer.insert(values("b", 1))
            if "UUID" in path:
                await writer.finish()
            else:
                with pytest.raises(WriteFailedError, match="table a: its rows are of shard aws_1_2, and every shard"):
                    await writer.finish()

    asyncio.run(scenario())
    assert {key.split("/")[0] for key in store.objects} == ({"a", "b"} if "UUID" in path else {"b"})


def test_a_migrate_message_after_rows_writes_nothing() -> None:
    """A table that has rows leaves no empty object, however often and late it is migrated."""
    store = MemoryStore()

    async def scenario() -> None:
        with stream(store, empty_objects=True, max_rows=1) as writer:
            writer.migrate(rows.ipc(rows.schema("a")))
            writer.insert(values("a", 1))
            writer.migrate(rows.ipc(rows.schema("a")))
            while not store.objects:  # noqa: ASYNC110 -- a worker thread will put it there
                await asyncio.sleep(0)
            writer.migrate(rows.ipc(rows.schema("a")))
            await writer.finish()

    asyncio.run(scenario())
    assert content(store) == {"a/0": [1]}
