"""A gRPC client of the plugin, for what the CLI does not do on demand."""

from __future__ import annotations

import json
import queue
from typing import TYPE_CHECKING, Any

import grpc
from cloudquery.plugin_v3 import plugin_pb2 as pb
from cloudquery.plugin_v3 import plugin_pb2_grpc

import cloudquery_cli as cli
import rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pyarrow as pa


class Client:
    """Talks to a plugin at an address; each call has a deadline."""

    def __init__(self, address: str, *options: tuple[str, int]) -> None:
        self.channel = grpc.insecure_channel(address, [*cli.UNLIMITED, *options])
        self.stub = plugin_pb2_grpc.PluginStub(self.channel)

    def init(self, spec: dict[str, Any] | bytes | None, **options: Any) -> None:
        """Init with a spec, as a document or as it stands on the wire."""
        request = pb.Init.Request(spec=encoded(spec), invocation_id="11111111-2222-4333-8444-555555555555", **options)
        self.stub.Init(request, timeout=60)

    def write(self, requests: Iterable[Any]) -> None:
        """Write messages and wait for the answer."""
        self.stub.Write(iter(requests), timeout=60)

    def open_write(self) -> OpenWrite:
        """Begin a Write whose messages come one by one."""
        return OpenWrite(self.stub)

    def close(self) -> None:
        """Call Close."""
        self.stub.Close(pb.Close.Request(), timeout=60)


def encoded(spec: dict[str, Any] | bytes | None) -> bytes:
    """A spec as it stands on the wire."""
    return spec if isinstance(spec, bytes) else json.dumps(spec).encode()


class OpenWrite:
    """A Write stream that stays open until it is told otherwise."""

    def __init__(self, stub: Any) -> None:
        self._messages: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.call = stub.Write.future(self._iterate(), timeout=60)

    def send(self, message: Any) -> None:
        """Send one message."""
        self._messages.put(message)

    def end(self) -> Any:
        """End the stream and return the answer."""
        self._messages.put(None)
        return self.call.result()

    def _iterate(self) -> Iterator[Any]:
        while (message := self._messages.get()) is not None:
            yield message


def insert(batch: pa.RecordBatch | bytes) -> Any:
    """An Insert of a batch, or of raw bytes."""
    record = batch if isinstance(batch, bytes) else rows.ipc(batch)
    return pb.Write.Request(insert=pb.Write.MessageInsert(record=record))


def migrate(schema: pa.Schema | bytes) -> Any:
    """A MigrateTable of a schema, or of raw bytes."""
    table = schema if isinstance(schema, bytes) else rows.ipc(schema)
    return pb.Write.Request(migrate_table=pb.Write.MessageMigrateTable(table=table))
