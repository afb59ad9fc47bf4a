from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import h2.events
import pytest
from hypothesis import given
from hypothesis import strategies as st

import memory_connection as mc
import virtual_time
from cloudquery_s3.server.http2 import Connection, ErrorCode, OpenConnections, frames
from cloudquery_s3.server.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

PING = b"8letters"
GREETING = frames.PREFACE + frames.settings({})


def of_kind(kind: type[Any], events: list[Any]) -> list[Any]:
    """The events of one kind."""
    return [event for event in events if isinstance(event, kind)]


def frames_of(octets: bytes) -> list[tuple[int, bytes]]:
    """Type and payload of each frame."""
    found = []
    while octets:
        word, _, _ = frames.HEAD.unpack_from(octets)
        end = frames.HEAD.size + (word >> 8)
        found.append((word & 0xFF, octets[frames.HEAD.size : end]))
        octets = octets[end:]
    return found


def on_a_loop(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a test where there is an event loop."""
    virtual_time.run(test())


@given(st.lists(st.binary(max_size=40_000), max_size=8), st.data())
def test_any_reads(bodies: list[bytes], data: st.DataObject) -> None:
    """However a client's bytes are cut by the socket, its data arrives whole and in order."""

    async def test() -> None:
        joined = mc.Joined()
        joined.request()
        for body in bodies:
            for start in range(0, len(body), 16_000):
                joined.client.send_data(1, body[start : start + 16_000])
        octets = joined.client.data_to_send()
        joined.send(octets, pieces=data.draw(st.lists(st.integers(0, len(octets)), max_size=12)))
        assert joined.exchanges[0].data == b"".join(bodies)

    on_a_loop(test)


@given(st.data())
def test_any_bytes(data: st.DataObject) -> None:
    """Whatever bytes come, the server raises nothing: it answers, resets a stream, or hangs up with a reason."""

    async def test() -> None:
        joined = mc.Joined()
        joined.request()
        joined.client.send_data(1, b"x" * 100)
        joined.client.ping(PING)
        joined.client.send_headers(3, mc.REQUEST, end_stream=True)
        octets = bytearray(joined.client.data_to_send())
        for at, value in data.draw(st.lists(st.tuples(st.integers(0, len(octets) - 1), st.integers(0, 255)))):
            octets[at] = value
        octets += data.draw(st.binary(max_size=64))
        joined.send(bytes(octets))
        joined.server.connection_lost(None)
        assert all(exchange.events[-1:] == ["aborted"] for exchange in joined.exchanges)

    on_a_loop(test)


def test_frames_of_one_read_keep_their_order() -> None:
    """Data of one read is handed on together, by stream, and always before what comes behind it."""
    seen: list[tuple[int, int]] = []

    class Pieces(mc.Recorded):
        def data_received(self, pieces: Sequence[memoryview]) -> None:
            seen.append((self.stream.number, len(pieces)))
            super().data_received(pieces)

    async def test() -> None:
        joined = mc.Joined(lambda stream: Pieces(stream, releases=True))
        for number in (1, 3):
            joined.request(number)
        padded = frames.frame(frames.DATA, frames.PADDED, 3, b"\x02" + b"d" + bytes(2))
        data = [(1, b"a"), (1, b"b"), (3, b"c")]
        octets = b"".join(frames.data_frame(*one) for one in data) + padded + frames.data_frame(1, b"e", end=True)
        joined.send(octets + frames.data_frame(3, b"f") + frames.rst_stream(3, ErrorCode.CANCEL))
        assert seen == [(1, 2), (3, 1), (3, 1), (1, 1), (3, 1)]
        assert [bytes(exchange.data) for exchange in joined.exchanges] == [b"abe", b"cdf"]
        assert [exchange.events for exchange in joined.exchanges] == [["end"], ["aborted"]]

    on_a_loop(test)


def test_what_is_not_read_holds_the_client_back() -> None:
    """A stream that nobody takes data from stands still after its window; the others of its connection move on."""

    async def test() -> None:
        joined = mc.Joined(releases=False)
        joined.request(1)
        first = joined.client.local_flow_control_window(1)
        for _ in range(first // 16_384):
            joined.client.send_data(1, bytes(16_384))
            joined.flush()
        assert joined.client.local_flow_control_window(1) < 16_384
        joined.request(3)
        assert joined.client.local_flow_control_window(3) == first
        joined.exchanges[0].stream.release(first // 2)
        joined.received()
        assert joined.client.local_flow_control_window(1) >= first // 2

    on_a_loop(test)


def test_more_than_the_window() -> None:
    """A client that sends more than it may has its stream reset."""

    async def test() -> None:
        joined = mc.Joined(releases=False)
        joined.request(1)
        window = joined.client.local_flow_control_window(1)
        for _ in range(window // 16_384 + 1):
            joined.send(frames.data_frame(1, bytes(16_384)))
        (reset,) = of_kind(h2.events.StreamReset, joined.received())
        assert reset.error_code == ErrorCode.FLOW_CONTROL_ERROR
        assert joined.exchanges[0].events == ["aborted"]

    on_a_loop(test)


def test_data_goes_as_the_client_takes_it() -> None:
    """An answer larger than the client's windows is sent piece by piece as they open, in frames that it takes."""

    async def test() -> None:
        joined = mc.Joined()
        joined.request(end=True)
        stream = joined.exchanges[0].stream
        stream.send_headers([(":status", "200")])
        body = bytes(range(256)) * 1_000
        sending = asyncio.ensure_future(stream.send_data(body))
        got = b""
        while not sending.done():
            await asyncio.sleep(0)
            for event in of_kind(h2.events.DataReceived, joined.received()):
                got += event.data
                assert len(event.data) <= frames.DEFAULT_FRAME_BYTES
                joined.client.acknowledge_received_data(event.flow_controlled_length, 1)
            joined.flush()
        stream.send_headers([("x-end", "1")], end=True)
        assert of_kind(h2.events.StreamEnded, joined.received())
        assert got == body

    on_a_loop(test)


def test_a_client_that_does_not_read() -> None:
    """While the socket is full nothing more is sent; a client that asks all the same is hung up on, not waited for."""

    async def test() -> None:
        joined = mc.Joined()
        joined.request(end=True)
        stream = joined.exchanges[0].stream
        joined.server.pause_writing()
        sending = asyncio.ensure_future(stream.send_data(b"later"))
        await asyncio.sleep(0)
        assert not joined.transport.written
        joined.server.resume_writing()
        await sending
        assert joined.transport.written
        joined.transport.unread_bytes = 2 << 20
        joined.send(frames.frame(frames.PING, 0, 0, PING))
        assert joined.transport.aborted

    on_a_loop(test)


def test_a_whole_answer_to_half_a_request() -> None:
    """Answered before its end, a request is cut short without an error, and what is still on its way is ignored."""

    async def test() -> None:
        joined = mc.Joined()
        joined.request()
        joined.exchanges[0].stream.send_headers([(":status", "200")], end=True)
        late = frames.data_frame(1, b"late") + frames.data_frame(1, b"later", end=True)
        joined.send(late)
        events = joined.received()
        assert of_kind(h2.events.StreamEnded, events)
        assert [event.error_code for event in of_kind(h2.events.StreamReset, events)] == [ErrorCode.NO_ERROR]
        assert joined.exchanges[0].data == b""
        joined.request(3, end=True)
        assert joined.exchanges[1].events == ["end"]

    on_a_loop(test)


def test_a_client_that_goes() -> None:
    """A reset aborts its stream, a lost connection all of them; what has ended is not aborted."""

    async def test() -> None:
        joined = mc.Joined()
        for stream in (1, 3, 5):
            joined.request(stream)
        joined.client.reset_stream(1, ErrorCode.CANCEL)
        joined.flush()
        joined.exchanges[1].stream.send_headers([(":status", "200")], end=True)
        joined.server.connection_lost(None)
        assert [exchange.events for exchange in joined.exchanges] == [["aborted"], [], ["aborted"]]
        assert not joined.connections

    on_a_loop(test)


def test_many_streams() -> None:
    """More streams than a connection may have are refused, and the connection goes on."""

    async def test() -> None:
        joined = mc.Joined()
        most = joined.client.remote_settings.max_concurrent_streams
        block = frames.header_frames  # h2 itself would not send so many
        for number in range(1, 2 * most + 1, 2):
            joined.request(number)
        head = joined.client.encoder.encode(mc.REQUEST)
        joined.send(block(2 * most + 1, head, end=False, most_bytes=16_384))
        assert len(joined.exchanges) == most
        refused = frames.rst_stream(2 * most + 1, ErrorCode.REFUSED_STREAM)
        assert bytes(joined.transport.written) == refused
        assert not joined.transport.is_closing()

    on_a_loop(test)


def test_small_reads_gather() -> None:
    """After a small read the socket is left alone for a millisecond, after a large one it is not."""

    async def test() -> None:
        joined = mc.Joined()
        loop = asyncio.get_running_loop()
        assert isinstance(loop, virtual_time.VirtualTimeLoop)
        await loop.advance(0.0015)
        assert joined.transport.reading
        joined.request()
        assert not joined.transport.reading
        await loop.advance(0.0015)
        assert joined.transport.reading
        joined.send(frames.data_frame(1, bytes(16_000)) * 5)  # the buffer grows with what comes
        await loop.advance(0.0015)
        joined.send(frames.data_frame(1, bytes(16_000)) * 5)
        assert joined.transport.reading

    on_a_loop(test)


@pytest.mark.parametrize(
    ("octets", "code"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", ErrorCode.PROTOCOL_ERROR),
        (frames.PREFACE + frames.frame(frames.PING, 0, 0, PING), ErrorCode.PROTOCOL_ERROR),
        (GREETING + frames.frame(frames.DATA, 0, 0, bytes(16_385)), ErrorCode.FRAME_SIZE_ERROR),
        (GREETING + frames.header_frames(1, bytes(70_000), end=True, most_bytes=16_384), ErrorCode.ENHANCE_YOUR_CALM),
        (
            GREETING + frames.header_frames(1, b"\xff\xff\xff\xff\xff", end=True, most_bytes=9),
            ErrorCode.COMPRESSION_ERROR,
        ),
        (GREETING + frames.frame(frames.DATA, frames.PADDED, 1, b"\x09short"), ErrorCode.PROTOCOL_ERROR),
    ],
    ids=["http1", "no settings", "size", "long headers", "compression", "idle"],
)
def test_hanging_up(octets: bytes, code: ErrorCode) -> None:
    """What breaks a connection ends it, with a GOAWAY that says why."""

    async def test() -> None:
        transport = mc.MemoryTransport()
        server = Connection(lambda stream: mc.Recorded(stream, releases=True), OpenConnections(Limits()))
        server.connection_made(transport)
        mc.feed(server, octets)
        assert transport.is_closing()
        *_, (kind, payload) = frames_of(bytes(transport.written))
        assert (kind, frames.UINT32.unpack_from(payload, 4)[0]) == (frames.GOAWAY, code)

    on_a_loop(test)


def closed_with(joined: mc.Joined) -> ErrorCode:
    """Why the server has hung up."""
    (end,) = of_kind(h2.events.ConnectionTerminated, joined.received())
    assert joined.transport.is_closing()
    return ErrorCode(end.error_code)


def test_a_client_that_says_nothing() -> None:
    """A connection on which no client introduces itself is closed after a while."""

    async def test() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, virtual_time.VirtualTimeLoop)
        limits = Limits()
        transport, connections = mc.MemoryTransport(), OpenConnections[Connection](limits)
        server = Connection(lambda stream: mc.Recorded(stream, releases=True), connections)
        server.connection_made(transport)
        mc.feed(server, frames.PREFACE[:20])
        await loop.advance(limits.greeting_s - 1)
        assert not transport.is_closing()
        await loop.advance(2)
        assert transport.is_closing()

    on_a_loop(test)


@pytest.mark.parametrize("kept", [False, True])
def test_idle_connections(kept: bool) -> None:
    """A connection without calls is closed after some minutes, unless something lives as long as it does."""

    async def test() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, virtual_time.VirtualTimeLoop)
        joined, idle_s = mc.Joined(), Limits().idle_s
        joined.server.kept = kept
        joined.request(1, end=True)
        for _ in range(5):
            await loop.advance(idle_s)
        assert not joined.transport.is_closing()  # the call runs
        joined.exchanges[0].stream.send_headers([(":status", "200")], end=True)
        await loop.advance(idle_s / 2 - 1)
        assert not joined.transport.is_closing()
        for _ in range(4):
            await loop.advance(idle_s / 2)
        assert joined.transport.is_closing() is not kept

    on_a_loop(test)


def test_too_many_connections() -> None:
    """Beyond the limit the oldest idle connection is closed for the next; those with calls or a destination stay."""

    async def test() -> None:
        connections = OpenConnections[Connection](Limits(connections=3))

        def opened(greeting: bytes = b"") -> tuple[Connection, mc.MemoryTransport]:
            transport = mc.MemoryTransport()
            server = Connection(lambda stream: mc.Recorded(stream, releases=True), connections)
            server.connection_made(transport)
            mc.feed(server, greeting)
            return server, transport

        clients = [opened(GREETING), opened(GREETING), opened(), opened()]
        clients[0][0].kept = True
        assert [transport.is_closing() for _, transport in clients] == [False, False, True, False]
        clients[2][0].connection_lost(None)
        mc.feed(clients[3][0], GREETING)
        clients.append(opened())
        assert [transport.is_closing() for _, transport in clients] == [False, True, True, False, False]
        clients[1][0].connection_lost(None)
        for at in (3, 4):
            clients[at][0].kept = True
        refused = opened()
        assert refused[1].is_closing()
        assert b"too many connections" in refused[1].written

    on_a_loop(test)


@pytest.mark.parametrize(
    ("octets", "code"),
    [
        (frames.frame(frames.SETTINGS, 0, 0, frames.SETTING.pack(4, 65_535) * 65), ErrorCode.ENHANCE_YOUR_CALM),
        (
            frames.frame(frames.HEADERS, 0, 1, b"\x82") + frames.frame(frames.CONTINUATION, 0, 1) * 40,
            ErrorCode.ENHANCE_YOUR_CALM,
        ),
        (
            frames.frame(frames.HEADERS, 0, 1, b"\x82") + frames.frame(frames.CONTINUATION, 0, 1, bytes(9_000)) * 2,
            ErrorCode.ENHANCE_YOUR_CALM,
        ),
    ],
    ids=["settings", "empty continuations", "headers"],
)
def test_what_is_too_much(octets: bytes, code: ErrorCode) -> None:
    """A client that sends far more of something than it needs is hung up on."""

    async def test() -> None:
        joined = mc.Joined()
        joined.received()
        joined.send(octets)
        assert closed_with(joined) is code

    on_a_loop(test)


@pytest.mark.parametrize("length", ["9" * 5_000, "-1", "1.5", "", "٣", "0x10"])
def test_a_length_that_is_none(length: str) -> None:
    """A `content-length` that is no number ends that request alone."""

    async def test() -> None:
        joined = mc.Joined()
        block = joined.client.encoder.encode([*mc.REQUEST, ("content-length", length)], huffman=False)
        joined.send(frames.header_frames(1, block, end=False, most_bytes=16_384))
        joined.client.send_headers(3, mc.REQUEST, end_stream=True)
        said = bytes(joined.transport.written)
        joined.send(joined.client.data_to_send())
        assert (frames.RST_STREAM, frames.UINT32.pack(ErrorCode.PROTOCOL_ERROR)) in frames_of(said)
        assert [exchange.stream.number for exchange in joined.exchanges] == [3]

    on_a_loop(test)


def test_answers_that_are_not_read() -> None:
    """A client that asks and never reads is hung up on before its answers fill the memory."""

    async def test() -> None:
        joined = mc.Joined()
        for number in (1, 3):
            joined.request(number, end=True)
        joined.exchanges[0].stream.send_headers([(":status", "200")], end=True)
        joined.transport.unread_bytes = Limits().unread_bytes + 1
        joined.exchanges[1].stream.send_headers([(":status", "200")], end=True)
        assert joined.transport.aborted

    on_a_loop(test)


def test_others_have_their_turn() -> None:
    """After some work on one connection others have their turn, and nothing of what came is lost."""

    async def test() -> None:
        joined = mc.Joined()
        pings = frames.frame(frames.PING, 0, 0, PING) * 500
        room = joined.server.get_buffer(-1)
        room[: len(pings)] = pings
        joined.transport.written = bytearray()
        joined.server.buffer_updated(len(pings))
        first = len(frames_of(bytes(joined.transport.written)))
        assert 0 < first < 500
        assert not joined.transport.reading
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(frames_of(bytes(joined.transport.written))) == 500
        assert joined.transport.reading

    on_a_loop(test)


def test_windows_shrink_with_their_number() -> None:
    """All streams of all connections share what may come of them before it is taken; each has a least."""

    async def test() -> None:
        limits = Limits()
        connections = OpenConnections[Connection](limits)

        class Crowd:
            def __init__(self, streams: int) -> None:
                self.stream_count = streams

        assert connections.window_bytes == limits.window_bytes
        total = 0
        for streams in (1, 3, 60, 1_000):
            connections.add(Crowd(streams))  # type: ignore[arg-type] # all that is asked of one
            total += streams
            assert total * connections.window_bytes <= limits.all_windows_bytes + total * limits.least_window_bytes
        assert connections.window_bytes == limits.least_window_bytes

    on_a_loop(test)


def test_a_preface_in_pieces() -> None:
    """A client's first bytes may come one by one."""

    async def test() -> None:
        transport = mc.MemoryTransport()
        server = Connection(lambda stream: mc.Recorded(stream, releases=True), OpenConnections(Limits()))
        server.connection_made(transport)
        mc.feed(server, GREETING, range(len(GREETING)))
        assert not transport.is_closing()

    on_a_loop(test)
