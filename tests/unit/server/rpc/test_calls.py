"""The server as gRPC's own client sees it."""

from __future__ import annotations

import asyncio
import itertools
import queue
import threading
import urllib.parse
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rpc_server
from cloudquery_s3.server.limits import Limits
from cloudquery_s3.server.rpc import Call, RpcError, Server, Status
from cloudquery_s3.server.rpc.status import trailers
from waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SIZES = [0, 1, 4, 5, 16_378, 16_379, 16_380, 70_000, 3 << 20]


def stub(channel: grpc.Channel, kind: str, path: str) -> Callable[..., Any]:
    """A method of a channel that passes bytes as they are."""
    method: Callable[..., Any] = getattr(channel, kind)(path, None, None)
    return method


async def echo(call: Call) -> None:
    """Send every message back."""
    async for message in call:
        await call.send(bytes(message))


async def count(call: Call) -> None:
    """Tell how many messages came."""
    await call.send(str(len([message async for message in call])).encode())


async def fail(call: Call) -> None:
    """End with the status and the words of the message."""
    message = bytes(await call.only_message()).decode()
    status, _, words = message.partition(" ")
    raise RpcError(Status(int(status)), words)


async def crash(_call: Call) -> None:
    """Have a fault of its own."""
    raise ZeroDivisionError("oh")


class Hanging:
    """Hangs until it is cancelled, and tells of both."""

    def __init__(self) -> None:
        self.started = threading.Event()
        self.cancelled = threading.Event()

    async def __call__(self, _call: Call) -> None:
        self.started.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled.set()


def test_messages_of_any_size() -> None:
    """Messages of any size, both ways in one call, arrive whole and in order."""
    with rpc_server.connected({"/t/Echo": echo}) as channel:
        messages = [bytes([size % 251]) * size for size in SIZES]
        assert list(stub(channel, "stream_stream", "/t/Echo")(iter(messages), timeout=60)) == messages
        assert stub(channel, "unary_unary", "/t/Echo")(b"one", timeout=60) == b"one"


def test_many_calls_at_once() -> None:
    """Calls of one connection do not wait for each other."""
    hanging = Hanging()
    with rpc_server.connected({"/t/Hang": hanging, "/t/Echo": echo}) as channel:
        stuck = [stub(channel, "unary_unary", "/t/Hang").future(b"") for _ in range(20)]
        assert hanging.started.wait(60)
        answers = [stub(channel, "unary_unary", "/t/Echo").future(bytes([number])) for number in range(60)]
        assert [answer.result(60) for answer in answers] == [bytes([number]) for number in range(60)]
        for call in stuck:
            call.cancel()


@pytest.mark.parametrize("words", ["", "plain", "ünïcode → 日本", "50 % of\ntwo lines\ttab", "a" * 4_000])
@pytest.mark.parametrize("status", [Status.NOT_FOUND, Status.FAILED_PRECONDITION, Status.UNAUTHENTICATED])
def test_statuses(status: Status, words: str) -> None:
    """A method's error reaches the client with its status, and its message to the letter."""
    with rpc_server.connected({"/t/Fail": fail}) as channel, pytest.raises(grpc.RpcError) as raised:
        stub(channel, "unary_unary", "/t/Fail")(f"{int(status)} {words}".encode(), timeout=60)
    assert raised.value.code().value[0] == status
    assert raised.value.details() == words


def test_a_fault_of_a_method() -> None:
    """What a method raises is worded by the server's `explain`, and ends that call alone."""
    with rpc_server.connected({"/t/Crash": crash, "/t/Echo": echo}) as channel:
        with pytest.raises(grpc.RpcError) as raised:
            stub(channel, "unary_unary", "/t/Crash")(b"", timeout=60)
        assert (raised.value.code(), raised.value.details()) == (
            grpc.StatusCode.INTERNAL,
            "/t/Crash: ZeroDivisionError('oh')",
        )
        assert stub(channel, "unary_unary", "/t/Echo")(b"on", timeout=60) == b"on"


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"path": "/t/Nothing"}, grpc.StatusCode.UNIMPLEMENTED),
        ({"message": bytes(2_000)}, grpc.StatusCode.RESOURCE_EXHAUSTED),
        ({"compression": grpc.Compression.Gzip, "message": bytes(900)}, grpc.StatusCode.UNIMPLEMENTED),
    ],
    ids=["no such method", "too large", "compressed"],
)
def test_refused(options: dict[str, Any], status: grpc.StatusCode) -> None:
    """What is not served is refused with a status of its own."""
    with rpc_server.connected({"/t/Echo": echo}, limits=Limits(message_bytes=1_000)) as channel:
        method = stub(channel, "unary_unary", options.get("path", "/t/Echo"))
        with pytest.raises(grpc.RpcError) as raised:
            method(options.get("message", b""), timeout=60, compression=options.get("compression"))
    assert raised.value.code() is status


def test_not_one_message() -> None:
    """A call that takes one message is refused with none, or two."""
    with rpc_server.connected({"/t/Fail": fail}) as channel:
        for messages in ([], [b"5 a", b"5 b"]):
            with pytest.raises(grpc.RpcError) as raised:
                stub(channel, "stream_unary", "/t/Fail")(iter(messages), timeout=60)
            assert raised.value.code() is grpc.StatusCode.INTERNAL


def test_a_client_that_gives_up() -> None:
    """A cancelled call, and one whose time is over, cancel the method that serves it."""
    for timeout in (None, 0.05):
        hanging = Hanging()
        with rpc_server.connected({"/t/Hang": hanging}) as channel:
            call = stub(channel, "unary_unary", "/t/Hang").future(b"", timeout=timeout)
            assert hanging.started.wait(60)
            if timeout is None:
                call.cancel()
            assert hanging.cancelled.wait(60)


def test_an_answer_before_the_end() -> None:
    """A client that still sends gets the status of a call that has ended, and its connection goes on."""

    async def first_only(call: Call) -> None:
        async for message in call:
            raise RpcError(Status.ABORTED, bytes(message[:5]).decode())

    with rpc_server.connected({"/t/First": first_only, "/t/Count": count}) as channel:
        endless = itertools.repeat(b"again" + bytes(100_000))
        with pytest.raises(grpc.RpcError) as raised:
            stub(channel, "stream_unary", "/t/First")(endless, timeout=60)
        assert (raised.value.code(), raised.value.details()) == (grpc.StatusCode.ABORTED, "again")
        assert stub(channel, "stream_unary", "/t/Count")(iter([b"x" * 50_000] * 500), timeout=60) == b"500"


def test_a_method_that_takes_nothing() -> None:
    """While a method takes no message its client is held back; when it goes on, every message is there."""
    go_on = threading.Event()
    sent = itertools.count()
    numbers: queue.SimpleQueue[int] = queue.SimpleQueue()

    async def late(call: Call) -> None:
        await asyncio.get_running_loop().run_in_executor(None, go_on.wait, 60)
        await count(call)

    def messages() -> Iterator[bytes]:
        for _ in range(400):
            numbers.put(next(sent))
            yield bytes(100_000)

    with rpc_server.connected({"/t/Late": late}) as channel:
        answer = stub(channel, "stream_unary", "/t/Late").future(messages(), timeout=60)
        assert eventually(lambda: numbers.qsize() > 40)
        assert numbers.qsize() < 400
        go_on.set()
        assert answer.result() == b"400"


def test_stopping() -> None:
    """A server that stops takes no more calls, and lets one that runs end by itself."""
    go_on = threading.Event()

    async def slow(call: Call) -> None:
        await asyncio.get_running_loop().run_in_executor(None, go_on.wait, 60)
        await call.send(b"done")

    with rpc_server.serving({"/t/Slow": slow}) as (server, address), grpc.insecure_channel(address) as channel:
        running = stub(channel, "unary_unary", "/t/Slow").future(b"", timeout=60)
        assert eventually(lambda: bool(server._calls))
        (call,) = server._calls
        stopping = asyncio.run_coroutine_threadsafe(server.stop(60), call.get_loop())
        assert eventually(lambda: server._stopping)
        with pytest.raises(grpc.RpcError) as raised:
            stub(channel, "unary_unary", "/t/Slow")(b"", timeout=60)
        assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
        go_on.set()
        assert running.result() == b"done"
        stopping.result(60)


def test_addresses() -> None:
    """A name is listened at with every address that it has here; an address that nobody has here is an error."""

    async def listen(host: str) -> tuple[int, list[str]]:
        server = Server({}, rpc_server.explained)
        port = await server.listen(host, 0)
        bound = [listener.sockets[0].getsockname() for listener in server._listeners]
        await server.stop(0)
        return port, [name[0] for name in bound if name[1] == port]

    port, hosts = asyncio.run(listen("localhost"))
    assert port
    assert "127.0.0.1" in hosts
    with pytest.raises(OSError, match=r"192\.0\.2\.1"):
        asyncio.run(listen("192.0.2.1"))  # set aside for documentation


class Odd(BaseException):
    """What no code expects: a panic of a library, an exit."""


@pytest.mark.parametrize("kind", [Odd, SystemExit, KeyboardInterrupt, GeneratorExit, MemoryError, RecursionError])
def test_whatever_is_raised(kind: type[BaseException]) -> None:
    """Whatever a method raises, its call ends with an answer, and the server goes on."""

    async def panic(_call: Call) -> None:
        raise kind("oh")

    with rpc_server.connected({"/t/Panic": panic, "/t/Echo": echo}) as channel:
        with pytest.raises(grpc.RpcError) as raised:
            stub(channel, "unary_unary", "/t/Panic")(b"", timeout=60)
        assert raised.value.code() is grpc.StatusCode.INTERNAL
        assert stub(channel, "unary_unary", "/t/Echo")(b"on", timeout=60) == b"on"


class WordlessError(Exception):
    """An error that cannot even be shown."""

    def __str__(self) -> str:
        raise ZeroDivisionError

    __repr__ = __str__


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (WordlessError(), "an error of the kind WordlessError; the log may say more"),
        (RpcError(Status.INTERNAL, "profile lake\udcff"), "profile lake?"),
        (ValueError("\ud800"), "'\\ud800'"),
    ],
    ids=["wordless", "surrogate", "another"],
)
def test_errors_that_are_hard_to_word(error: Exception, words: str) -> None:
    """An error that cannot be worded, or has what no text of Unicode has, ends its call all the same."""

    async def fails(_call: Call) -> None:
        raise error

    with rpc_server.connected({"/t/Fails": fails}) as channel, pytest.raises(grpc.RpcError) as raised:
        stub(channel, "unary_unary", "/t/Fails")(b"", timeout=60)
    assert raised.value.code() is grpc.StatusCode.INTERNAL
    assert words in raised.value.details()


@pytest.mark.parametrize("letter", ["a", "%", "é", "\n", "日"])
def test_long_errors(letter: str) -> None:
    """An error's text takes at most 4 KiB on the wire; a longer one is cut between letters, and shows that."""
    fields = dict(trailers(Status.INTERNAL, letter * 300_000, 4_096))
    assert 4_000 < len(fields["grpc-message"]) <= 4_096
    shown = urllib.parse.unquote(fields["grpc-message"])
    assert shown == letter * (len(shown) - 1) + "…"


@given(st.text(), st.integers(-10, 200))
def test_errors_within_bounds(text: str, room: int) -> None:
    """However little a client takes, the text fits, and is the error's or its beginning."""
    shown = dict(trailers(Status.INTERNAL, text, room)).get("grpc-message", "")
    assert len(shown) <= max(0, room)
    found = urllib.parse.unquote(shown)
    assert found == text or (found[:-1] == text[: len(found) - 1] and found.endswith("…")) or not found


def test_a_client_that_takes_short_headers() -> None:
    """A client that says how long the headers may be that it takes is sent no longer ones."""
    takes = ("grpc.max_metadata_size", 800), ("grpc.absolute_max_metadata_size", 800)
    with (
        rpc_server.serving({"/t/Fail": fail}) as (_, address),
        grpc.insecure_channel(address, takes) as channel,
        pytest.raises(grpc.RpcError) as raised,
    ):
        stub(channel, "unary_unary", "/t/Fail")(f"5 {'x' * 3_000}".encode(), timeout=60)
    assert raised.value.code() is grpc.StatusCode.NOT_FOUND
    assert raised.value.details().startswith("xxxx")
    assert len(raised.value.details()) < 800


def test_a_request_that_does_not_come() -> None:
    """A call that takes one message does not wait for it for ever."""
    with rpc_server.connected({"/t/Fail": fail}, limits=Limits(request_s=0.05)) as channel:
        never = threading.Event()
        with pytest.raises(grpc.RpcError) as raised:
            stub(channel, "stream_unary", "/t/Fail")(iter(lambda: never.wait(60) and b"", b""), timeout=50)
        never.set()
    assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert "did not come whole" in raised.value.details()
