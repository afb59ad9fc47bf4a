"""A plugin at the other end of the CLI, in a process of its own: a source that replays messages, or a counter.

`python -m benchmarks.peer source MESSAGES` sends the messages of a file; `python -m benchmarks.peer counter` is a
destination that counts messages and drops them. Prints its address when it listens.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
from cloudquery.discovery_v1 import discovery_pb2, discovery_pb2_grpc
from cloudquery.plugin_v3 import plugin_pb2, plugin_pb2_grpc

from benchmarks.messages import END_OF_STREAM, Messages

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Peer(plugin_pb2_grpc.PluginServicer, discovery_pb2_grpc.DiscoveryServicer):
    """What a source and a destination have in common, and the one method that each is for."""

    def __init__(self, messages: Messages | None) -> None:
        self._messages = messages

    async def GetVersions(self, _request: Any, _context: Any) -> Any:  # noqa: N802 - the protocol's name
        """Speak protocol 3."""
        return discovery_pb2.GetVersions.Response(versions=[3])

    async def Init(self, _request: Any, _context: Any) -> Any:  # noqa: N802 - the protocol's name
        """Need nothing."""
        return plugin_pb2.Init.Response()

    async def Close(self, _request: Any, _context: Any) -> Any:  # noqa: N802 - the protocol's name
        """Keep nothing."""
        return plugin_pb2.Close.Response()

    async def GetTables(self, _request: Any, _context: Any) -> Any:  # noqa: N802 - the protocol's name
        """Name the tables."""
        schemas = self._messages.schemas if self._messages else []
        return plugin_pb2.GetTables.Response(tables=[schema + END_OF_STREAM for schema in schemas])

    async def Sync(self, _request: Any, _context: Any) -> AsyncIterator[Any]:  # noqa: N802 - the protocol's name
        """Send every message."""
        if self._messages is None:
            return
        for schema in self._messages.schemas:
            table = plugin_pb2.Sync.MessageMigrateTable(table=schema + END_OF_STREAM)
            yield plugin_pb2.Sync.Response(migrate_table=table)
        for payload in self._messages.payloads():
            yield plugin_pb2.Sync.Response(insert=plugin_pb2.Sync.MessageInsert(record=payload))

    async def Write(self, requests: AsyncIterator[Any], _context: Any) -> Any:  # noqa: N802 - the protocol's name
        """Count messages."""
        count = 0
        async for _ in requests:
            count += 1
        return plugin_pb2.Write.Response()


async def _serve(messages: Messages | None) -> None:
    unlimited = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    server = grpc.aio.server(options=unlimited)
    peer = Peer(messages)
    plugin_pb2_grpc.add_PluginServicer_to_server(peer, server)
    discovery_pb2_grpc.add_DiscoveryServicer_to_server(peer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"127.0.0.1:{port}", flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(_serve(Messages.load(Path(sys.argv[2])) if sys.argv[1] == "source" else None))
