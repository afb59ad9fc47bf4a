"""Laws of gRPC's messages: out of pieces of any size come the messages that went in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudquery_s3.server.rpc import RpcError, Status
from cloudquery_s3.server.rpc.messages import MessageReader, framed


@given(st.lists(st.binary(max_size=300), max_size=12), st.data())
def test_any_pieces(messages: list[bytes], data: st.DataObject) -> None:
    """Cut at any places, a stream of messages gives the same ones, each as soon as its last byte is there."""
    octets = b"".join(map(framed, messages))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(octets)), max_size=20)))
    ends = np.cumsum([len(framed(message)) for message in messages])
    reader, got = MessageReader(1_000), []
    for start, end in zip([0, *cuts], [*cuts, len(octets)], strict=True):
        got += reader.feed(memoryview(octets)[start:end])
        assert len(got) == int((ends <= end).sum())
        assert reader.within == (end not in {0, *ends.tolist()})
    assert [bytes(message) for message in got] == messages


@given(st.integers(1, 400))
def test_alignment(size: int) -> None:
    """A message that came in pieces ends at an address that is a multiple of 8."""
    reader = MessageReader(1_000)
    octets = memoryview(framed(bytes(size)))
    reader.feed(octets[:5])
    (message,) = reader.feed(octets[5:])
    assert (np.frombuffer(message, np.uint8).ctypes.data + size) % 8 == 0


@pytest.mark.parametrize(
    ("octets", "status"),
    [(framed(bytes(1_001)), Status.RESOURCE_EXHAUSTED), (b"\x01" + framed(b"x")[1:], Status.INTERNAL)],
    ids=["too large", "compressed"],
)
def test_refused(octets: bytes, status: Status) -> None:
    """A message that is larger than allowed, or compressed, is refused at its first bytes."""
    with pytest.raises(RpcError) as raised:
        MessageReader(1_000).feed(memoryview(octets)[:6])
    assert raised.value.status is status
