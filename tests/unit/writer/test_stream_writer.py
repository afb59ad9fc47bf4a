from __future__ import annotations

import asyncio
import struct
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

import rows
import virtual_time
from cloudquery_s3.committed import DeleteStale
from cloudquery_s3.errors import (
    ClosedError,
    DecodeError,
    ProtocolError,
    StoreError,
    StoreUnavailableError,
    WriteFailedError,
    WriteModeError,
)
from cloudquery_s3.formats.encoder import UnwritableError
from cloudquery_s3.formats.json_lines import JsonLines
from cloudquery_s3.formats.parquet import Parquet
from cloudquery_s3.stores.memory import MemoryStore
from cloudquery_s3.writer import stream_writer
from streams import content, stream, values


def refuse(operation: str, error: type[StoreError] = StoreError, **details: Any) -> Any:
    """A store's hook that refuses an operation on keys that begin with `bad`."""

    def before(called: str, key: str) -> None:
        if called == operation and key.startswith("bad"):
            raise error("refused", operation=called, key=key, **details)

    return before


def test_ok_means_that_every_row_is_there() -> None:
    """After finish, the bucket holds exactly the rows that came, in order, table by table."""
    store = MemoryStore()

    async def scenario() -> dict[str, int]:
        with stream(store, max_rows=2) as writer:
            writer.migrate(rows.ipc(rows.schema("a")))
            writer.insert(values("a", 1, 2, 3))
            writer.insert(values("b", 10))
            writer.insert(values("a", 4, 5))
            await writer.finish()
            return writer.summary.totals()

    totals = asyncio.run(scenario())
    assert content(store) == {"a/0": [1, 2], "b/2": [10], "a/1": [3, 4], "a/3": [5]}
    assert (totals["rows"], totals["objects"], totals["tables"]) == (6, 4, 2)
    assert totals["bytes"] == sum(map(len, store.objects.values()))


def test_an_insert_may_hold_several_batches() -> None:
    """Every batch of a payload is written."""
    store = MemoryStore()

    async def scenario() -> None:
        with stream(store) as writer:
            writer.insert(rows.ipc(rows.batch("a", [1]), rows.batch("a", [2])))
            await writer.finish()

    asyncio.run(scenario())
    assert content(store) == {"a/0": [1, 2]}


@pytest.mark.parametrize("has_rows", [True, False], ids=["rows", "a migrate message"])
def test_more_tables_than_may_be(monkeypatch: pytest.MonkeyPatch, has_rows: bool) -> None:
    """A table too many is refused, by rows or without; those that are known take more rows."""
    monkeypatch.setattr(stream_writer, "MOST_TABLES", 2)
    store = MemoryStore()

    async def scenario() -> None:
        with stream(store, max_rows=1) as writer:
            for table in ("a", "b", "a"):
                writer.insert(values(table, 1))
            take, payload = (
                (writer.insert, values("c", 1)) if has_rows else (writer.migrate, rows.ipc(rows.schema("c")))
            )
            with pytest.raises(ProtocolError, match="more than 2 tables: sync fewer"):
                take(payload)
            await writer.finish()

    asyncio.run(scenario())
    assert [len(made) for made in content(store).values()] == [1, 1, 1]


def test_an_object_ends_when_its_first_row_is_too_old() -> None:
    """The timeout counts from an object's first row, not from the last object's end."""
    store = MemoryStore()

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, virtual_time.VirtualTimeLoop)
        with stream(store, timeout_s=30) as writer:
            await loop.advance(29)
            writer.insert(values("a", 1))
            await loop.advance(29)
            writer.insert(values("a", 2))
            await loop.advance(1)
            writer.insert(values("a", 3))
            await writer.finish()

    virtual_time.run(scenario())
    assert content(store) == {"a/0": [1, 2], "a/1": [3]}


def test_abort_leaves_nothing_open() -> None:
    """An aborted stream leaves no object that was not whole before, and no writer open."""
    store = MemoryStore()

    async def scenario() -> None:
        with stream(store) as writer:
            writer.insert(values("a", 1))
            await writer.abort()

    asyncio.run(scenario())
    assert store.objects == {}
    assert store.open_keys == []


@pytest.mark.parametrize("file_format", [JsonLines(), Parquet()], ids=["json", "parquet"])
def test_encoding_ahead_of_the_end(file_format: JsonLines | Parquet) -> None:
    """Rows can be encoded before the end is certain: no object shows for it, and those of the end are the same."""
    encoded: list[str] = []
    ahead, at_once = MemoryStore(lambda operation, _key: encoded.append(operation)), MemoryStore()

    async def scenario(store: MemoryStore, *, encode: bool, finish: bool = True) -> None:
        with stream(store, file_format=file_format) as writer:
            writer.insert(values("a", 1, 2))
            writer.insert(values("b", 3))
            if encode:
                writer.encode()
                while encoded.count("Write") < 2:  # noqa: ASYNC110 -- worker threads will put it there
                    await asyncio.sleep(0.001)
                assert store.objects == {}
            await (writer.finish() if finish else writer.abort())
        assert store.open_keys == []

    asyncio.run(scenario(ahead, encode=True, finish=False))
    assert ahead.objects == {}
    encoded.clear()
    asyncio.run(scenario(ahead, encode=True))
    asyncio.run(scenario(at_once, encode=False))
    assert ahead.objects == at_once.objects


def test_encoding_ahead_within_the_budget() -> None:
    """What is encoded before the end waits in memory, so no more of it is than may be in flight, and a table's part."""
    store = MemoryStore()

    async def scenario() -> None:
        with stream(store, memory_budget=100_000) as writer:
            for number in range(40):
                writer.insert(values(f"t{number}", *range(50)))
            budget = writer._context.budget
            one_table = budget.held_bytes // 40
            writer.encode()
            assert budget.encoding_bytes < 100_000 // 3 + 2 * one_table
            await writer.finish()

    asyncio.run(scenario())
    assert len(store.objects) == 40


def test_objects_committed_before_an_abort_stay() -> None:
    """What was committed before an abort stays, whole; what was open is gone."""
    store = MemoryStore()

    async def scenario() -> None:
        with stream(store, max_rows=2) as writer:
            writer.insert(values("a", 1, 2, 3))
            while not store.objects:  # noqa: ASYNC110 -- a worker thread will put it there
                await asyncio.sleep(0.001)
            await writer.abort()

    asyncio.run(scenario())
    assert content(store) == {"a/0": [1, 2]}
    assert store.open_keys == []


def test_one_table_failing_does_not_stop_the_others() -> None:
    """A table whose object cannot be stored is named in the error; the other tables are complete."""
    store = MemoryStore(refuse("PutObject"))

    async def scenario() -> None:
        with stream(store, max_rows=1) as writer:
            writer.insert(values("bad", 1))
            writer.insert(values("good", 1))
            writer.insert(values("bad", 2))
            writer.insert(values("good", 2))
            with pytest.raises(WriteFailedError, match=r"1 of 2 tables .* PutObject bad/[02]: refused"):
                await writer.finish()
            assert writer.summary.table("good").rows == 2
            assert writer.summary.table("bad").rows == 0

    asyncio.run(scenario())
    assert sorted(store.objects) == ["good/1", "good/3"]
    assert store.open_keys == []


def denied(*prefixes: str) -> Any:
    """A store's hook that denies access to keys with one of these prefixes."""

    def before(called: str, key: str) -> None:
        if called == "PutObject" and key.startswith(prefixes):
            raise StoreUnavailableError("denied", operation=called, key=key, status=403, code="AccessDenied")

    return before


def test_a_store_that_refuses_everyone_ends_the_stream() -> None:
    """A refusal that holds for every table ends the stream at once, and its caller is told."""
    told: list[bool] = []
    store = MemoryStore(denied(""))

    async def scenario() -> None:
        with stream(store, max_rows=1, on_fatal=lambda: told.append(True)) as writer:
            writer.insert(values("one", 1))
            writer.insert(values("two", 1, 2, 3))
            with pytest.raises(StoreUnavailableError):
                await writer.finish()
            with pytest.raises(StoreUnavailableError):
                writer.insert(values("two", 4))

    asyncio.run(scenario())
    assert told == [True]
    assert store.open_keys == []


def test_a_table_that_the_store_refuses_fails_alone() -> None:
    """A policy that denies one table's prefix fails that table by name, once another key has been stored."""
    store = MemoryStore(denied("bad"))

    async def scenario() -> None:
        with stream(store, max_rows=1) as writer:
            writer.insert(values("good", 1))
            while not store.objects:  # noqa: ASYNC110 -- a worker thread will put it there
                await asyncio.sleep(0.001)
            writer.insert(values("bad", 1))
            writer.insert(values("good", 2))
            with pytest.raises(WriteFailedError, match=r"1 of 2 tables .* table bad: PutObject bad/1: denied"):
                await writer.finish()

    asyncio.run(scenario())
    assert content(store) == {"good/0": [1], "good/2": [2]}
    assert store.open_keys == []


@pytest.mark.parametrize("payload", [b"", b"\x00" * 64, values("a", 1)[:20]])
def test_what_is_not_arrow_is_an_error(payload: bytes) -> None:
    """A payload that is not an Arrow IPC stream is a DecodeError, or holds no row; never a crash."""
    store = MemoryStore()

    async def scenario() -> None:
        with stream(store) as writer:
            try:
                writer.insert(payload)
            except DecodeError:
                await writer.abort()
            else:
                await writer.finish()

    asyncio.run(scenario())
    assert store.objects == {}


TEXT = rows.ipc(rows.batch("bad", [1, 2], s=["ab", "cd"]))


@pytest.mark.parametrize(
    "payload",
    [
        TEXT[:-40],
        TEXT.replace(struct.pack("<3i", 0, 2, 4), struct.pack("<3i", 0, 2, 2**30)),
        rows.ipc(rows.batch("bad", [1], abcdefgh=[2])).replace(b"abcdefgh", b"abc\xff\xfefgh"),
    ],
    ids=["cut short", "an offset that leads outside", "a column name that is not UTF-8"],
)
def test_an_unsound_payload_fails_its_table_alone(payload: bytes) -> None:
    """Whatever is wrong with a payload that says its table, the error names that table, and the others are written."""
    store = MemoryStore()

    async def scenario() -> None:
        with stream(store) as writer:
            writer.insert(values("good", 1))
            writer.insert(payload)
            writer.insert(values("good", 2))
            with pytest.raises(WriteFailedError, match="1 of 2 tables are not complete: table bad: "):
                await writer.finish()

    asyncio.run(scenario())
    assert len(store.objects) == 1


ZSTD = pa.ipc.IpcWriteOptions(compression="zstd")


@pytest.mark.parametrize("waits", [True, False])
def test_rows_that_a_worker_must_decode_keep_their_order(waits: bool) -> None:
    """A compressed payload is decoded off the loop; what comes after it is appended after it, and all is delivered."""
    store = MemoryStore()

    async def scenario() -> None:
        with stream(store) as writer:
            writer.insert(values("a", 1))
            writer.insert(rows.ipc(rows.batch("a", [2]), options=ZSTD))
            assert writer.full
            writer.insert(values("a", 3))
            if waits:
                await writer.make_room()
                assert not writer.full
            await writer.finish()

    asyncio.run(scenario())
    assert content(store) == {"a/0": [1, 2, 3]}


def test_rotation_counts_what_a_dictionary_is_written_out_to() -> None:
    """A small payload whose rows are large once they are written out makes as many objects as those rows would."""
    store = MemoryStore()
    texts = pa.array(["x" * 100_000]).dictionary_encode().take(pa.array([0] * 200))
    sent = rows.schema("a", n=pa.int64(), s=texts.type)
    payload = rows.ipc(pa.record_batch([pa.array(range(200)), texts], schema=sent))
    assert len(payload) < 200_000

    async def scenario() -> None:
        with stream(store, max_bytes=1 << 20) as writer:
            writer.insert(payload)
            await writer.finish()

    asyncio.run(scenario())
    assert max(map(len, store.objects.values())) < 1_100_000
    assert sorted(n for numbers in content(store).values() for n in numbers) == list(range(200))


def test_a_payload_that_does_not_fit_into_memory_fails_its_table_alone() -> None:
    """A payload that decodes to more than the budget is refused with its size; the other tables are written."""
    store = MemoryStore()
    bomb = rows.ipc(rows.batch("bad", [1], s=["x" * (64 << 20)]), options=ZSTD)

    async def scenario() -> None:
        with stream(store, memory_budget=32 << 20) as writer:
            writer.insert(bomb)
            writer.insert(values("good", 1))
            with pytest.raises(WriteFailedError, match=r"1 of 2 tables .* table bad: a payload of \d+ bytes takes 671"):
                await writer.finish()

    asyncio.run(scenario())
    assert list(content(store).values()) == [[1]]


def test_a_record_must_name_its_table() -> None:
    """A schema without cq:table_name is a ProtocolError that says what is missing."""

    async def scenario() -> None:
        with stream(MemoryStore()) as writer, pytest.raises(ProtocolError, match="cq:table_name"):
            writer.insert(rows.ipc(pa.record_batch({"n": [1]})))

    asyncio.run(scenario())


def test_deletes_are_refused_by_name() -> None:
    """A delete ends the Write with an error that names `write_mode: append`; every row is delivered all the same."""
    store = MemoryStore()

    async def scenario() -> None:
        with stream(store) as writer:
            writer.insert(values("a", 1))
            writer.delete(DeleteStale("t", "s", datetime(2026, 11, 26, tzinfo=UTC)))
            writer.insert(values("b", 2))
            with pytest.raises(WriteModeError, match="write_mode: append"):
                await writer.finish()
            await writer.abort()

    asyncio.run(scenario())
    assert content(store) == {"a/0": [1], "b/1": [2]}


def test_an_interrupted_stream_says_so() -> None:
    """A stream whose destination is closed under it raises a ClosedError and leaves nothing behind."""
    store = MemoryStore()

    async def scenario() -> None:
        with stream(store) as writer:
            writer.insert(values("a", 1))
            writer.end(ClosedError("closed"))
            with pytest.raises(ClosedError):
                await writer.finish()
            await writer.abort()

    asyncio.run(scenario())
    assert store.objects == {}
    assert store.open_keys == []


def test_changed_columns_begin_a_new_object() -> None:
    """Rows with other columns go into an object of their own: no value lands under another column's name."""
    store = MemoryStore()

    async def scenario() -> None:
        with stream(store, file_format=Parquet(version="v2Latest", max_row_group_length=0)) as writer:
            writer.insert(rows.ipc(rows.batch("a", [1], s=["x"], t=["y"])))
            writer.insert(rows.ipc(rows.batch("a", [2], t=["y"], s=["x"])))
            writer.insert(rows.ipc(rows.batch("a", [3])))
            await writer.finish()

    asyncio.run(scenario())
    tables = [pa.parquet.read_table(pa.BufferReader(data)).to_pylist() for data in store.objects.values()]
    assert sorted(tables, key=str) == sorted(
        [[{"n": 1, "s": "x", "t": "y"}], [{"n": 2, "t": "y", "s": "x"}], [{"n": 3}]], key=str
    )


def test_changed_columns_with_a_fixed_key_are_an_error() -> None:
    """Without `{{UUID}}` a Parquet table whose columns change fails by name, and leaves no object (promise 4)."""
    store = MemoryStore()

    async def scenario() -> None:
        parquet = Parquet(version="v2Latest", max_row_group_length=0)
        with stream(store, path="{{TABLE}}", file_format=parquet) as writer:
            writer.insert(rows.ipc(rows.batch("a", [1])))
            writer.insert(rows.ipc(rows.batch("a", [2], s=["x"])))
            with pytest.raises(WriteFailedError, match="its columns changed"):
                await writer.finish()

    asyncio.run(scenario())
    assert store.objects == {}


def test_changed_columns_share_a_json_object() -> None:
    """Without `{{UUID}}` a JSON table whose columns change stays one object: each line describes itself."""
    store = MemoryStore()

    async def scenario() -> None:
        with stream(store, path="{{TABLE}}") as writer:
            writer.insert(rows.ipc(rows.batch("a", [1])))
            writer.insert(rows.ipc(rows.batch("a", [2], s=["x"])))
            await writer.finish()

    asyncio.run(scenario())
    assert store.objects["a"].decode().splitlines() == ['{"n":1}', '{"n":2,"s":"x"}']


@pytest.mark.parametrize("path", ["{{TABLE}}", "{{TABLE}}/{{UUID}}"])
@pytest.mark.parametrize("empty_objects", [False, True])
def test_a_table_whose_key_is_too_long_fails_alone(path: str, empty_objects: bool) -> None:
    """A table that no key can name fails by name, migrated or with rows; the others are complete."""
    store, long = MemoryStore(), "t" * 2000

    async def scenario() -> None:
        with stream(store, path=path, empty_objects=empty_objects) as writer:
            for table in (long, "good"):
                writer.migrate(rows.ipc(rows.schema(table)))
                writer.insert(values(table, 1))
            with pytest.raises(WriteFailedError, match="1 of 2 tables"):
                await writer.finish()

    asyncio.run(scenario())
    assert list(content(store).values()) == [[1]]
    assert store.open_keys == []


class OnlyGood(JsonLines):
    """A format that has no place for the columns of tables called `bad`."""

    def encoder(self, schema: pa.Schema, alterations: Any) -> Any:
        if schema.metadata[b"cq:table_name"] == b"bad":
            raise UnwritableError("no place for column n")
        return super().encoder(schema, alterations)


class Talkative(JsonLines):
    """A format whose library quotes a cell in its exception."""

    def encoder(self, schema: pa.Schema, alterations: Any) -> Any:  # noqa: ARG002 -- the protocol's signature
        raise pa.ArrowInvalid("Could not convert 's3cret' with type str")


def test_an_error_quotes_no_cell(caplog: pytest.LogCaptureFixture) -> None:
    """What a library says of a cell reaches neither the error nor the log."""

    async def scenario() -> None:
        with stream(MemoryStore(), file_format=Talkative()) as writer:
            writer.insert(values("a", 1))
            with pytest.raises(WriteFailedError, match=r"table a: .* an unexpected ArrowInvalid") as caught:
                await writer.finish()
            assert "s3cret" not in str(caught.value)

    asyncio.run(scenario())
    assert "s3cret" not in caplog.text


@pytest.mark.parametrize("empty_objects", [False, True])
def test_a_schema_that_a_format_refuses_fails_its_table_alone(empty_objects: bool) -> None:
    """A table whose columns the format refuses fails by name, with rows or without; the others are complete."""
    store = MemoryStore()

    async def scenario() -> None:
        with stream(store, file_format=OnlyGood(), empty_objects=empty_objects) as writer:
            writer.migrate(rows.ipc(rows.schema("bad")))
            if not empty_objects:
                writer.insert(values("bad", 1))
            writer.insert(values("good", 1))
            with pytest.raises(WriteFailedError, match=r"table bad: .* no place for column n"):
                await writer.finish()

    asyncio.run(scenario())
    assert list(content(store).values()) == [[1]]
    assert store.open_keys == []


def test_two_tables_never_share_a_key() -> None:
    """Where two tables' names make one fixed key, the second fails by name instead of replacing the first."""
    store = MemoryStore()

    async def scenario() -> None:
        with stream(store, path="{{TABLE_HYPHEN}}") as writer:
            writer.insert(values("a_b", 1))
            writer.insert(values("a-b", 2))
            with pytest.raises(WriteFailedError, match="its key a-b is that of table a_b"):
                await writer.finish()

    asyncio.run(scenario())
    assert content(store) == {"a-b": [1]}


def test_an_interrupted_block_of_inserts_stays_one_object() -> None:
    """With a fixed key, a migrate message between a table's inserts does not make it overwrite itself."""
    store = MemoryStore()

    async def scenario() -> None:
        with stream(store, path="{{TABLE}}") as writer:
            writer.insert(values("a", 1))
            writer.migrate(rows.ipc(rows.schema("b")))
            writer.insert(values("a", 2))
            await writer.finish()

    asyncio.run(scenario())
    assert content(store) == {"a": [1, 2]}


def test_a_table_without_rows_leaves_an_empty_object_if_asked() -> None:
    """With empty objects on, a migrated table without rows leaves one object, also when it was migrated twice."""
    store = MemoryStore()

    async def scenario() -> None:
        parquet = Parquet(version="v2Latest", max_row_group_length=0)
        with stream(store, file_format=parquet, empty_objects=True) as writer:
            writer.migrate(rows.ipc(rows.schema("empty")))
            writer.migrate(rows.ipc(rows.schema("full")))
            writer.migrate(rows.ipc(rows.schema("empty")))
            writer.insert(values("full", 1))
            await writer.finish()

    asyncio.run(scenario())
    counts = {key: pa.parquet.read_table(pa.BufferReader(data)).num_rows for key, data in store.objects.items()}
    assert counts == {"empty/0": 0, "full/1": 1}


@pytest.mark.parametrize("path", ["{{TABLE}}", "{{TABLE}}/{{UUID}}"])
def test_a_small_budget_loses_nothing(path: str) -> None:
    """With a memory budget far below the data, every row still arrives, in order, and the budget ends empty."""
    store = MemoryStore()

    async def scenario() -> tuple[int, int, int]:
        with stream(store, path=path, memory_budget=20_000) as writer:
            for start in range(0, 5000, 50):
                writer.insert(values("a", *range(start, start + 50)))
                writer.insert(values("b", *range(start, start + 50)))
                if writer.full:
                    await writer.make_room()
            await writer.finish()
            budget = writer._context.budget
            return budget.held_bytes, budget.encoding_bytes, budget.uploading_bytes

    assert asyncio.run(scenario()) == (0, 0, 0)
    made = content(store)
    for table in ("a", "b"):
        keys = sorted(
            (key for key in made if key.split("/")[0] == table),
            key=lambda key: int(key.split("/")[-1] if "/" in key else 0),
        )
        assert [row for key in keys for row in made[key]] == list(range(5000))
