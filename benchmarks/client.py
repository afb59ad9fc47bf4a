"""The source's side, in a process of its own: sends the messages of a file and reports how long that took.

`python -m benchmarks.client ADDRESS MESSAGES [SPEC]`: with a spec, Init comes first, and a small Write that wakes what
is loaded on first use. Prints a line of JSON when it is ready, sends at the first line of input, prints another.
"""

from __future__ import annotations

import itertools
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import grpc
from cloudquery.plugin_v3 import plugin_pb2, plugin_pb2_grpc

from benchmarks.messages import Messages

if TYPE_CHECKING:
    from collections.abc import Iterable

_UNLIMITED: Final = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
_WRITE: Final = "/cloudquery.plugin.v3.Plugin/Write"


def main(address: str, path: str, spec: str | None = None) -> None:
    """Run the conversation."""
    messages = Messages.load(Path(path))
    channel = grpc.insecure_channel(address, _UNLIMITED)
    grpc.channel_ready_future(channel).result(timeout=30)
    ready: dict[str, Any] = {}
    if spec is not None:
        started = time.perf_counter()
        plugin_pb2_grpc.PluginStub(channel).Init(plugin_pb2.Init.Request(spec=spec.encode(), invocation_id="bench"))
        ready["init_s"] = time.perf_counter() - started
        _write(channel, itertools.islice(messages.requests(), 1))
    print(json.dumps(ready), flush=True)
    sys.stdin.readline()
    started = time.perf_counter()
    answer: dict[str, Any] = {}
    try:
        _write(channel, messages.requests())
    except grpc.RpcError as error:
        answer["error"] = error.details()
    print(json.dumps(answer | {"seconds": time.perf_counter() - started}), flush=True)
    channel.close()


def _write(channel: grpc.Channel, requests: Iterable[bytes]) -> None:
    write = channel.stream_unary(_WRITE, request_serializer=None, response_deserializer=None)
    write(iter(requests))


if __name__ == "__main__":
    main(*sys.argv[1:])
