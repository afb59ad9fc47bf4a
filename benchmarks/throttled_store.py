"""An S3 server as slow as one is told, and with S3's limit on a prefix: above it a write is answered with SlowDown.

Run as a process of its own: `python -m benchmarks.throttled_store LATENCY_S WRITES_PER_S` prints its port, then, at the
end of input, a line of JSON with the writes that it has accepted and refused. A prefix is what a key begins with, up to
its second slash: S3 itself decides by load where to part its keys.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Final

from benchmarks.sink import Sink, reply

_BODY: Final = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
SLOW_DOWN: Final = b"HTTP/1.1 503 Slow Down\r\nContent-Type: application/xml\r\nContent-Length: %d\r\n\r\n%s" % (
    len(_BODY),
    _BODY,
)


@dataclass
class Limit:
    """How many writes a prefix takes: so many a second, and no more than a second's at once.

    Attributes:
        per_s: the limit.
        accepted: the writes that were let through, over all prefixes.
        refused: those that were not.
    """

    per_s: float
    accepted: int = 0
    refused: int = 0
    _left: dict[bytes, float] = field(default_factory=dict)
    _seen_s: dict[bytes, float] = field(default_factory=lambda: defaultdict(float))

    def lets_through(self, path: bytes, now_s: float) -> bool:
        """Return whether the write of this path may be accepted, and count it."""
        prefix = b"/".join(path.split(b"?", 1)[0].split(b"/")[:4])  # "", bucket, and two parts of the key
        left = self._left.get(prefix, self.per_s) + (now_s - self._seen_s[prefix]) * self.per_s
        left = min(self.per_s, left)
        self._seen_s[prefix] = now_s
        self._left[prefix] = left - 1 if left >= 1 else left
        if left < 1:
            self.refused += 1
            return False
        self.accepted += 1
        return True


class ThrottledSink(Sink):
    """One connection."""

    def __init__(self, latency_s: float, limit: Limit) -> None:
        super().__init__()
        self._latency_s = latency_s
        self._limit = limit

    def _send(self, method: bytes, path: bytes) -> None:
        loop = asyncio.get_running_loop()
        counts = method in (b"PUT", b"POST")
        answer = reply(method, path) if not counts or self._limit.lets_through(path, loop.time()) else SLOW_DOWN
        loop.call_later(self._latency_s, self._transport.write, answer)


async def _serve(latency_s: float, limit: Limit) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: ThrottledSink(latency_s, limit), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    print(json.dumps({"accepted": limit.accepted, "refused": limit.refused}), flush=True)
    server.close()


if __name__ == "__main__":
    asyncio.run(_serve(float(sys.argv[1]), Limit(float(sys.argv[2]))))
