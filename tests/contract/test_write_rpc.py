"""The Write RPC over real gRPC: cancellation, faults while the client is silent, several streams, Close at any time."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from cloudquery.plugin_v3 import plugin_pb2 as pb

import cloudquery_cli as cli
import plugin_client as client
import rows
from lake import in_bucket
from s3_servers import moto  # noqa: F401 -- a fixture

if TYPE_CHECKING:
    from collections.abc import Callable

    from s3_servers import Bucket


def spec(bucket: Bucket, **options: Any) -> dict[str, Any]:
    """JSON lines at `{{TABLE}}/{{UUID}}`, without a test write."""
    return in_bucket(bucket, **{"path": "{{TABLE}}/{{UUID}}", "format": "json", "test_write": False, **options})


def eventually(condition: Callable[[], bool]) -> bool:
    """Whether a condition comes true within ten seconds."""
    deadline = time.monotonic() + 10
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def test_cancelled_write_leaves_nothing(plugin: client.Client, bucket: Bucket) -> None:
    """A cancelled Write leaves neither an object of the rows that were open nor an upload."""
    plugin.init(spec(bucket, batch_size=2))
    write = plugin.open_write()
    write.send(client.insert(rows.batch("a", [1, 2, 3])))
    assert eventually(lambda: len(bucket.objects()) == 1)
    write.call.cancel()
    plugin.close()
    assert list(bucket.objects().values()) == [b'{"n":1}\n{"n":2}\n']
    assert bucket.open_uploads() == []


def test_a_fault_ends_a_silent_stream(plugin: client.Client, bucket: Bucket) -> None:
    """A bucket that goes away ends the Write at once, although the client sends nothing more."""
    plugin.init(spec(bucket, batch_size=1))
    bucket.server.client().delete_bucket(Bucket=bucket.name)
    write = plugin.open_write()
    write.send(client.insert(rows.batch("a", [1])))
    with pytest.raises(grpc.RpcError, match=bucket.name) as raised:
        write.call.result(timeout=20)
    assert raised.value.code() is grpc.StatusCode.FAILED_PRECONDITION


def test_close_in_mid_stream(plugin: client.Client, bucket: Bucket) -> None:
    """Close ends a running Write with an error, leaves nothing of its open rows, and the next Init works."""
    plugin.init(spec(bucket, batch_size=2))
    write = plugin.open_write()
    write.send(client.insert(rows.batch("a", [1, 2, 3])))
    assert eventually(lambda: len(bucket.objects()) == 1)
    plugin.close()
    with pytest.raises(grpc.RpcError) as raised:
        write.call.result(timeout=20)
    assert raised.value.code() is grpc.StatusCode.ABORTED
    assert len(bucket.objects()) == 1
    plugin.init(spec(bucket))
    plugin.write([client.insert(rows.batch("a", [1]))])
    assert len(bucket.objects()) == 2


def test_concurrent_streams(plugin: client.Client, bucket: Bucket) -> None:
    """Two Writes at once do not touch each other: one ends while the other goes on."""
    plugin.init(spec(bucket))
    one, other = plugin.open_write(), plugin.open_write()
    one.send(client.insert(rows.batch("a", [1])))
    other.send(client.insert(rows.batch("a", [2])))
    one.end()
    assert len(bucket.objects()) == 1
    other.send(client.insert(rows.batch("a", [3])))
    other.end()
    assert len(bucket.objects()) == 2


def test_init_under_a_running_write(plugin: client.Client, bucket: Bucket) -> None:
    """A Write that runs when Init comes again goes on to where it was meant to go."""
    plugin.init(spec(bucket, path="old/{{TABLE}}/{{UUID}}", batch_size=2))
    write = plugin.open_write()
    write.send(client.insert(rows.batch("a", [1, 2, 3])))
    assert eventually(lambda: len(bucket.objects()) == 1)
    plugin.init(spec(bucket, path="new/{{TABLE}}/{{UUID}}"))
    write.end()
    plugin.write([client.insert(rows.batch("a", [2]))])
    assert sorted(key.split("/")[0] for key in bucket.objects()) == ["new", "old", "old"]


def test_write_without_init() -> None:
    """Without a destination, Write says that Init is missing, or that it was told not to connect."""
    with cli.plugin_process() as (_, address):
        plugin = client.Client(address)
        plugin.close()
        with pytest.raises(grpc.RpcError, match="call Init first"):
            plugin.write([])
        plugin.init(None, no_connection=True)
        with pytest.raises(grpc.RpcError, match="no_connection"):
            plugin.write([])
        plugin.close()


@pytest.mark.parametrize(
    ("message", "words"),
    [(b"\x7a\x06\x0a\x04rows", "unknown field 15"), (b"", "none of its fields 1, 2, 3, 4, 5 is set")],
    ids=["unknown", "empty"],
)
def test_a_newer_kind_of_rows(plugin: client.Client, bucket: Bucket, message: bytes, words: str) -> None:
    """A message that this plugin does not know ends the Write with an error: it is not left out of an OK."""
    plugin.init(spec(bucket))
    write = plugin.channel.stream_unary("/cloudquery.plugin.v3.Plugin/Write")
    insert = client.insert(rows.batch("t", [1])).SerializeToString()
    with pytest.raises(grpc.RpcError, match=words) as raised:
        write(iter([insert, message, insert]), timeout=60)
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert bucket.objects() == {}


def test_many_failures(plugin: client.Client, bucket: Bucket) -> None:
    """A Write of which many tables fail says which failed first and how many more did, in at most 4 KiB."""
    plugin.init(spec(bucket, path="{{TABLE_HYPHEN}}.json", no_rotate=True))
    messages = []
    for number in range(12):
        name = f"{'x' * 400}_{number}"
        messages += [client.insert(rows.batch(name, [1])), client.insert(rows.batch(name.replace("_", "-"), [1]))]
    with pytest.raises(grpc.RpcError) as raised:
        plugin.write(messages)
    details = raised.value.details()
    assert len(details.encode()) <= 4 << 10
    assert re.search(r"; and \d+ more, see the log$", details)
    assert "12 of 24 tables are not complete" in details


@pytest.mark.parametrize(
    "message",
    [
        client.insert(b""),
        client.insert(b"\x00" * 100),
        client.insert(rows.ipc(rows.schema("a"))),
        client.insert(rows.ipc(rows.batch("a", [1, 2, 3]))[:20]),
        client.migrate(b"nonsense"),
        pb.Write.Request(),
        pb.Write.Request(flush=pb.Write.MessageFlush(id=1)),
    ],
    ids=["empty", "zeros", "no batch", "truncated", "schema", "nothing", "flush"],
)
def test_malformed_messages(plugin: client.Client, bucket: Bucket, message: Any) -> None:
    """Whatever a client sends, the plugin answers, stays alive and writes nothing of it."""
    plugin.init(spec(bucket))
    try:
        plugin.write([message])
    except grpc.RpcError as error:
        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT  # noqa: PT017 -- some of them are no error
    assert bucket.objects() == {}


@pytest.mark.parametrize("raw", [b"", b"null", b"[]", b"{", b'"text"', b"\xff\xfe"])
def test_malformed_specs(plugin: client.Client, raw: bytes) -> None:
    """A spec that is no JSON object is an ordinary error."""
    with pytest.raises(grpc.RpcError) as raised:
        plugin.init(raw)
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_a_message_of_200_mib(plugin: client.Client, bucket: Bucket) -> None:
    """A message as large as the CLI lets through is written."""
    plugin.init(spec(bucket, format="parquet"))
    blob = rows.batch("big", [1], blob=[b"z" * (199 << 20)])
    plugin.write([client.insert(blob)])
    assert len(bucket.objects()) == 1


def test_rows_after_a_delete(plugin: client.Client, bucket: Bucket) -> None:
    """A delete that overtakes rows, as the CLI sends them, fails the Write at its end; each row is delivered before."""
    plugin.init(spec(bucket))
    delete = pb.Write.Request(delete_record=pb.Write.MessageDeleteRecord(table_name="t"))
    with pytest.raises(grpc.RpcError, match="write_mode: append") as raised:
        plugin.write([client.insert(rows.batch("t", [1])), delete, client.insert(rows.batch("t", [2]))])
    assert raised.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert list(bucket.objects().values()) == [b'{"n":1}\n{"n":2}\n']


def test_fixed_keys_beyond_the_budget(plugin: client.Client, bucket: Bucket) -> None:
    """Where open objects of fixed keys take the whole budget, and none can be sent on, rows still come in."""
    plugin.init(spec(bucket, path="{{TABLE}}", no_rotate=True, memory_budget=16 << 20, format="csv"))
    text = "x" * 900_000
    plugin.write([client.insert(rows.batch(f"t{number % 30}", [number], text=[text])) for number in range(60)])
    assert len(bucket.objects()) == 30
