"""Large messages on their way: their memory grows with what has come, and they share a bound."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

import virtual_time
from cloudquery_s3.server.limits import Limits
from cloudquery_s3.server.rpc.call import Call
from cloudquery_s3.server.rpc.large_messages import LargeMessages
from cloudquery_s3.server.rpc.messages import MessageReader, framed
from cloudquery_s3.server.rpc.status import RpcError

if TYPE_CHECKING:
    from typing import Any

LIMITS = Limits(least_window_bytes=100, window_bytes=1_000, large_messages_bytes=3_000, message_bytes=5_000)


class Stream:
    """A stream that lets a client send as much as it has been released."""

    peer: Any = None
    header_bytes = None
    window_bytes = 1_000

    def __init__(self) -> None:
        self.may_send = 100
        self.ended = False

    def release(self, size: int) -> None:
        self.may_send += size

    def send_headers(self, _fields: object, *, end: bool = False) -> None:
        self.ended = end

    def reset(self, _code: object) -> None:
        self.ended = True


class Sender:
    """A client that sends as much of its bytes as its stream may take."""

    def __init__(self, shared: LargeMessages, octets: bytes) -> None:
        self.stream = Stream()
        self.call = Call(self.stream, LIMITS, shared)  # type: ignore[arg-type] # the parts that are used
        self.rest = octets

    def send(self) -> bool:
        """Send what may be sent; whether that was anything."""
        size = min(len(self.rest), self.stream.may_send)
        self.stream.may_send -= size
        piece, self.rest = self.rest[:size], self.rest[size:]
        if piece:
            self.call.data_received([memoryview(piece)])
        return bool(piece)


def send_all(senders: list[Sender]) -> None:
    """Let all send until none may."""
    while [sender for sender in senders if sender.send()]:
        pass


@given(
    st.lists(st.lists(st.integers(0, 5_000), min_size=1, max_size=4), min_size=1, max_size=8),
    st.randoms(use_true_random=False),
)
def test_all_come_through(sizes: list[list[int]], random: Any) -> None:
    """Whatever many clients send at once, it is held in bounds, and every message comes through when it is taken."""

    async def test() -> None:
        shared = LargeMessages(LIMITS)
        senders = [Sender(shared, b"".join(framed(bytes(size)) for size in lengths)) for lengths in sizes]
        left = [list(lengths) for lengths in sizes]
        while any(left):
            send_all(senders)
            assert shared.held_bytes <= 2 * LIMITS.large_messages_bytes + LIMITS.message_bytes + 100 * len(senders)
            waiting = [at for at, lengths in enumerate(left) if lengths and senders[at].call._waiting]
            assert waiting, "nobody gets on"
            at = random.choice(waiting)
            assert await senders[at].call.ready()
            assert len(senders[at].call.take()) == left[at].pop(0)
        assert shared.held_bytes == 0
        assert not shared._incomplete

    virtual_time.run(test())


def test_a_call_that_ends_gives_back() -> None:
    """A call that ends in the midst of a message stands in nobody's way."""

    async def test() -> None:
        shared = LargeMessages(LIMITS)
        senders = [Sender(shared, framed(bytes(4_500))) for _ in range(3)]
        send_all(senders)
        assert [len(sender.rest) > 0 for sender in senders] == [False, True, True]
        assert shared.held_bytes < 9_000
        senders[1].call.end(0)  # type: ignore[arg-type] # OK
        await senders[0].call.ready()
        senders[0].call.end(0)  # type: ignore[arg-type] # OK
        send_all([senders[2]])
        assert not senders[2].rest
        assert await senders[2].call.ready()

    virtual_time.run(test())


def test_messages_before_a_wrong_one_are_served() -> None:
    """Of data that is handed on together, the messages in front of one that is refused are there to be taken."""

    async def test() -> None:
        call = Sender(LargeMessages(LIMITS), b"").call
        call.data_received([memoryview(framed(b"one")), memoryview(b"\x01" + framed(b"two")[1:])])
        assert await call.ready()
        assert call.take() == b"one"
        with pytest.raises(RpcError, match="compressed"):
            await call.ready()

    virtual_time.run(test())


def test_memory_follows_what_came() -> None:
    """A message that says that it is large takes no more memory than some times what has come of it."""
    reader = MessageReader(220 << 20)
    prefix = framed(b"")[:1] + (220 << 20).to_bytes(4, "big")
    assert reader.feed(memoryview(prefix + b"x")) == []
    assert len(reader._message) <= 64 << 10
    come = 1
    for _ in range(64):
        reader.feed(memoryview(bytes(16_384)))
        come += 16_384
        assert len(reader._message) <= max(64 << 10, 4 * come)
    assert reader.filled == come


def test_messages_of_about_the_same_size_have_their_memory_at_once() -> None:
    """A message up to twice as large as the one before it has all its memory at once, and is not copied as it grows."""
    reader = MessageReader(220 << 20)
    assert len(reader.feed(memoryview(framed(bytes(90_000)))[:16_384])) == 0
    assert len(reader.feed(memoryview(framed(bytes(90_000)))[16_384:])) == 1
    reader.feed(memoryview(framed(bytes(180_000)))[:16_384])
    assert len(reader._message) == 180_000


@pytest.mark.parametrize("size", [65_536, 65_537, 300_001, 5_000_003])
def test_the_end_is_aligned(size: int) -> None:
    """A message that grew ends at an address that is a multiple of 8, as one that came at once."""
    data = bytes(number % 251 for number in range(1_000)) * (size // 1_000 + 1)
    octets = framed(data[:size])
    reader, got = MessageReader(220 << 20), []
    for start in range(0, len(octets), 16_384):
        got += reader.feed(memoryview(octets)[start : start + 16_384])
    (message,) = got
    assert isinstance(message, memoryview)
    assert bytes(message) == data[:size]
    assert (message.nbytes + len(message.obj) - message.nbytes) % 8 == 0  # type: ignore[arg-type] # a bytearray


def test_nothing_waits_for_a_loop() -> None:
    """Counting needs no event loop: what is received before a call is served counts as well."""
    shared = LargeMessages(LIMITS)

    async def test() -> None:
        sender = Sender(shared, framed(bytes(2_000)))
        send_all([sender])
        assert shared.held_bytes == 2_000

    asyncio.run(test())
