"""How a call ends."""

from __future__ import annotations

import urllib.parse
from enum import IntEnum
from typing import Final

_PLAIN: Final = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")


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


def trailers(status: Status, message: str = "") -> list[tuple[str, str]]:
    """Return the header fields that tell of a call's end."""
    fields = [("grpc-status", str(int(status)))]
    return [*fields, ("grpc-message", urllib.parse.quote(message, safe=_PLAIN))] if message else fields
