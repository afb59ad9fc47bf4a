"""Header blocks: put together from frames, and compressed for each direction of a connection.

Source: RFC 9113, section 4.3, and RFC 7541, which `hpack` implements.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from hpack import Decoder, Encoder, HPACKError

from cloudquery_s3.server.http2.faults import ConnectionFault, ErrorCode

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloudquery_s3.server.limits import Limits

_FIELD_BYTES: Final = 32
"""What each field counts in a header list beside its name and value (RFC 9113, section 6.5.2)."""


@dataclass(frozen=True, slots=True)
class HeaderBlock:
    """The header fields of one HEADERS frame and what continues it.

    Attributes:
        stream: the stream's number.
        ends_stream: whether the request ends with it.
        fields: names and values.
    """

    stream: int
    ends_stream: bool
    fields: list[tuple[bytes, bytes]]


class HeaderReader:
    """Puts the blocks of one connection together.

    Attributes:
        stream: the stream whose block is not complete yet, or None.
    """

    def __init__(self, limits: Limits) -> None:
        self.stream: int | None = None
        self._limits = limits
        self._ends_stream = False
        self._octets = bytearray()
        self._frames = 0
        self._decoder = Decoder(max_header_list_size=limits.header_bytes)

    def begin(self, stream: int, *, ends_stream: bool) -> None:
        """Begin a block; `add` comes next."""
        self.stream = stream
        self._ends_stream = ends_stream
        self._octets.clear()
        self._frames = 0

    def add(self, piece: memoryview, *, last: bool) -> HeaderBlock | None:
        """Take a frame's piece of the block; return the whole with the last one.

        Raises:
            ConnectionFault: it is too long, or cannot be decompressed.
        """
        self._octets += piece
        self._frames += 1
        if len(self._octets) > self._limits.header_bytes or self._frames > self._limits.header_frames:
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "the headers of a request are too long")
        if not last:
            return None
        stream, self.stream = cast("int", self.stream), None
        try:
            fields = self._decoder.decode(bytes(self._octets), raw=True)
        except HPACKError as error:
            raise ConnectionFault(ErrorCode.COMPRESSION_ERROR, f"headers cannot be decompressed: {error}") from error
        return HeaderBlock(stream, self._ends_stream, cast("list[tuple[bytes, bytes]]", list(fields)))


class HeaderWriter:
    """Compresses what a server sends on one connection.

    Not by Huffman coding: the time that `hpack` takes for it grows with the square of a value's length.
    """

    def __init__(self) -> None:
        self._encoder = Encoder()

    def limit(self, table_bytes: int) -> None:
        """Take note of how large a table the peer keeps."""
        self._encoder.header_table_size = min(table_bytes, self._encoder.header_table_size)

    def block(self, fields: Iterable[tuple[str, str]]) -> bytes:
        """Return a header block."""
        return self._encoder.encode(list(fields), huffman=False)


def list_bytes(fields: Iterable[tuple[str, str]]) -> int:
    """Return the size of a header list, as SETTINGS_MAX_HEADER_LIST_SIZE counts it."""
    return sum(len(name) + len(value) + _FIELD_BYTES for name, value in fields)
