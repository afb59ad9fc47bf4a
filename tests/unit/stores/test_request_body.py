from __future__ import annotations

import hashlib
import zlib

from hypothesis import given
from hypothesis import strategies as st

from cloudquery_s3.stores.body import Body

CHUNKS = st.lists(st.binary(max_size=300) | st.integers(0, 3_000_000).map(bytes), max_size=12)


@given(CHUNKS)
def test_a_body_is_its_chunks(chunks: list[bytes]) -> None:
    """However it is cut for sending, a body is its chunks in order, every time it is read."""
    body, whole = Body(chunks), b"".join(chunks)
    for _ in range(2):
        assert b"".join(body) == whole
    assert body.size_bytes == len(whole)
    assert all(0 < len(piece) <= 1024**2 for piece in body)


@given(CHUNKS)
def test_digests_are_those_of_the_whole(chunks: list[bytes]) -> None:
    """Both checksums equal those of the joined bytes, as another library computes them."""
    body, whole = Body(chunks), b"".join(chunks)
    assert body.sha256 == hashlib.sha256(whole).digest()
    assert body.crc32 == zlib.crc32(whole).to_bytes(4, "big")


def test_large_chunks_are_not_copied() -> None:
    """A large chunk is sent from where it lies."""
    chunk = bytes(3_000_000)
    assert all(piece.obj is chunk for piece in Body([chunk]))
