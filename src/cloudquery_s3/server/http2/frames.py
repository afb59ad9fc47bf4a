"""The layout of frames, and the frames that a server sends.

Source: RFC 9113, sections 4 and 6.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from cloudquery_s3.server.http2.faults import ConnectionFault, ErrorCode

if TYPE_CHECKING:
    from collections.abc import Mapping

# Plain numbers: the type of each frame received is compared with them.
DATA: Final = 0x0
HEADERS: Final = 0x1
PRIORITY: Final = 0x2
RST_STREAM: Final = 0x3
SETTINGS: Final = 0x4
PUSH_PROMISE: Final = 0x5
PING: Final = 0x6
GOAWAY: Final = 0x7
WINDOW_UPDATE: Final = 0x8
CONTINUATION: Final = 0x9

END_STREAM: Final = 0x1
ACK: Final = 0x1
END_HEADERS: Final = 0x4
PADDED: Final = 0x8
HAS_PRIORITY: Final = 0x20

HEAD: Final = struct.Struct(">IBI")
"""Length and type in one number, flags, stream."""

UINT32: Final = struct.Struct(">I")
SETTING: Final = struct.Struct(">HI")
_GOAWAY: Final = struct.Struct(">II")

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""What a client begins a connection with."""

DEFAULT_WINDOW: Final = 65_535
DEFAULT_FRAME_BYTES: Final = 16_384
"""The most that a frame may carry until its receiver allows more."""

MOST_FRAME_BYTES: Final = 2**24 - 1
PING_BYTES: Final = 8
PRIORITY_BYTES: Final = 5
MOST_WINDOW: Final = 2**31 - 1
STREAM_MASK: Final = 2**31 - 1


class Setting(IntEnum):
    """What a side of a connection tells about itself."""

    HEADER_TABLE_SIZE = 1
    ENABLE_PUSH = 2
    MAX_CONCURRENT_STREAMS = 3
    INITIAL_WINDOW_SIZE = 4
    MAX_FRAME_SIZE = 5
    MAX_HEADER_LIST_SIZE = 6


def frame(kind: int, flags: int, stream: int, payload: bytes | memoryview = b"") -> bytes:
    """Return a whole frame."""
    return b"".join((HEAD.pack(len(payload) << 8 | kind, flags, stream), payload))


def settings(values: Mapping[Setting, int]) -> bytes:
    """Return the frame that announces them."""
    return frame(SETTINGS, 0, 0, b"".join(SETTING.pack(name, value) for name, value in values.items()))


def window_update(stream: int, increment: int) -> bytes:
    """Return the frame that lets the peer send so many bytes more; stream 0 is the connection."""
    return frame(WINDOW_UPDATE, 0, stream, UINT32.pack(increment))


def rst_stream(stream: int, code: ErrorCode) -> bytes:
    """Return the frame that ends a stream at once."""
    return frame(RST_STREAM, 0, stream, UINT32.pack(code))


def goaway(last_stream: int, code: ErrorCode, reason: str = "") -> bytes:
    """Return the frame that ends a connection: streams above `last_stream` have not been looked at."""
    return frame(GOAWAY, 0, 0, _GOAWAY.pack(last_stream, code) + reason.encode(errors="replace"))


def header_frames(stream: int, block: bytes, *, end: bool, most_bytes: int) -> bytes:
    """Return a header block as one HEADERS frame, and CONTINUATION frames where it is longer than a frame may be."""
    pieces = [block[start : start + most_bytes] for start in range(0, len(block), most_bytes)] or [b""]
    last = len(pieces) - 1
    return b"".join(
        frame(
            CONTINUATION if index else HEADERS,
            (END_HEADERS if index == last else 0) | (END_STREAM if end and not index else 0),
            stream,
            piece,
        )
        for index, piece in enumerate(pieces)
    )


def data_frame(stream: int, payload: bytes | memoryview, *, end: bool = False) -> bytes:
    """Return a DATA frame."""
    return frame(DATA, END_STREAM if end else 0, stream, payload)


def unpadded(flags: int, payload: memoryview) -> memoryview:
    """Return what a frame carries, without its padding.

    Raises:
        ConnectionFault: there is more padding than frame.
    """
    if not flags & PADDED:
        return payload
    if not payload or payload[0] >= len(payload):
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a frame has more padding than content")
    return payload[1 : len(payload) - payload[0]]


def require_size(right: bool) -> None:  # noqa: FBT001 - a condition
    """Return if a frame has a size that its kind allows.

    Raises:
        ConnectionFault: it has not.
    """
    if not right:
        raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "a frame of a wrong size")
