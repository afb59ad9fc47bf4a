"""What a peer does wrong, and how far that reaches.

Source: RFC 9113, section 5.4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloudquery_s3.server.http2.frames import ErrorCode


class ConnectionFault(Exception):  # noqa: N818 - the RFC's errors are codes; this is what raises one
    """The connection cannot go on: it ends with a GOAWAY that says why."""

    def __init__(self, code: ErrorCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class StreamFault(Exception):  # noqa: N818 - as above
    """One stream cannot go on: it is reset; the others are not concerned."""

    def __init__(self, stream: int, code: ErrorCode, reason: str) -> None:
        super().__init__(reason)
        self.stream = stream
        self.code = code
