"""How a call ends."""

from __future__ import annotations

import urllib.parse
from enum import IntEnum
from typing import Final

_PLAIN: Final = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")
_CUT: Final = "…"
_WITHIN_A_LETTER: Final = "89AB"
"""The first digits of the bytes of UTF-8 that do not begin a letter."""


class Status(IntEnum):
    """gRPC's status codes."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


class RpcError(Exception):
    """A call ends with this status and message."""

    def __init__(self, status: Status, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def trailers(status: Status, message: str, message_bytes: int) -> list[tuple[str, str]]:
    """Return the header fields that tell of a call's end; the message takes no more than so many bytes in them.

    What no text of Unicode can hold (a byte of an environment variable that is not UTF-8) becomes a question mark.
    """
    fields = [("grpc-status", str(int(status)))]
    shown = _cut(message, message_bytes)
    return [*fields, ("grpc-message", shown)] if shown else fields


def _cut(message: str, most_bytes: int) -> str:
    """Return the beginning of a message, as gRPC encodes it, in at most so many bytes."""
    beginning = message[: max(0, most_bytes)]  # no letter takes less than a byte
    encoded = _encoded(beginning)
    if len(beginning) == len(message) and len(encoded) <= most_bytes:
        return encoded
    mark = _encoded(_CUT)
    end = most_bytes - len(mark)
    if end <= 0:
        return ""
    escape = encoded.rfind("%", max(0, end - 2), end)
    end = end if escape < 0 else escape
    while encoded[end : end + 1] == "%" and encoded[end + 1] in _WITHIN_A_LETTER:
        end -= 3
    return encoded[:end] + mark


def _encoded(text: str) -> str:
    return urllib.parse.quote(text, safe=_PLAIN, errors="replace")
