"""A program that serves HTTP/2 as the plugin does, with nothing of gRPC on top: every request is answered when it ends.

`python http2_program.py` prints its port, and ends with its input.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

from cloudquery_s3.server.http2 import Connection, Connections, OpenConnections, Stream
from cloudquery_s3.server.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Sequence


class Page:
    """Answers a whole request with a few letters."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._answering: asyncio.Task[None] | None = None

    def data_received(self, pieces: Sequence[memoryview]) -> None:
        """Let more come."""
        self._stream.release(sum(map(len, pieces)))

    def end_received(self) -> None:
        """Answer."""
        self._answering = asyncio.get_running_loop().create_task(self._answer())

    def aborted(self) -> None:
        """Give up."""
        if self._answering is not None:
            self._answering.cancel()

    async def _answer(self) -> None:
        self._stream.send_headers([(":status", "200"), ("content-type", "text/plain")])
        await self._stream.send_data(b"hello")
        self._stream.send_headers([("x-end", "1")], end=True)


async def main() -> None:
    """Serve."""
    connections: Connections = OpenConnections(Limits())
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(Page, connections), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201 -- that is how it tells its port
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(main())
