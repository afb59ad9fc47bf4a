"""What the plugin costs before it writes: its start, Init, and the memory that it holds then."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import grpc
from cloudquery.plugin_v3 import plugin_pb2, plugin_pb2_grpc

from benchmarks import processes
from benchmarks.stages import spec_json

if TYPE_CHECKING:
    from collections.abc import Iterable

COLUMNS: Final = ("", "MiB resident", "of it its own", "CPU-s", "listens after, s")
TURNS: Final = 5
_MIB: Final = 2**20
_SETTLED_S: Final = 0.5
_WAIT_S: Final = 30

LIBRARIES: Final = "asyncio google.protobuf.descriptor_pool numpy pyarrow pyarrow.compute pyarrow.parquet urllib3"
"""What no plugin of this kind can do without: its memory is the floor."""

_FLOOR: Final = """
import importlib, os, sys, time
os.environ |= {"ARROW_DEFAULT_MEMORY_POOL": "system", "OPENBLAS_NUM_THREADS": "1"}
for name in sys.argv[1:]: importlib.import_module(name)
print(time.process_time(), flush=True)
sys.stdin.read()
"""


class Rest(NamedTuple):
    """A process that waits.

    Attributes:
        resident: bytes of memory, mapped files among them.
        own: bytes that it shares with no file and no other process.
        cpu_s: CPU-seconds since its start.
        listens_s: how long it took to listen; 0 where it does not.
    """

    resident: int
    own: int
    cpu_s: float
    listens_s: float


def rows(turns: int = TURNS) -> list[tuple[str, ...]]:
    """Return the cells: the plugin after Init, and the floor."""
    after = [_plugin("parquet") for _ in range(turns)]
    return [
        _cells("the plugin after Init, Parquet", after),
        _cells("the libraries alone (floor)", [_floor() for _ in range(turns)]),
    ]


def _plugin(form: str) -> Rest:
    started = time.perf_counter()
    with processes.plugin() as (server, address):
        listens_s = time.perf_counter() - started
        spec = json.dumps(spec_json(form, "http://127.0.0.1:1")).encode()
        with grpc.insecure_channel(address) as channel:
            grpc.channel_ready_future(channel).result(_WAIT_S)  # the socket's file is there a moment before it listens
            plugin_pb2_grpc.PluginStub(channel).Init(plugin_pb2.Init.Request(spec=spec, invocation_id="bench"))
        time.sleep(_SETTLED_S)
        return _rest(server.pid, processes.cpu_s(server.pid), listens_s)


def _floor() -> Rest:
    command = [sys.executable, "-c", _FLOOR, *LIBRARIES.split()]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own program
        assert process.stdout is not None  # noqa: S101 - for the type checker
        cpu_s = float(process.stdout.readline())
        found = _rest(process.pid, cpu_s, 0)
        process.communicate()
    return found


def _rest(pid: int, cpu_s: float, listens_s: float) -> Rest:
    told = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    sizes = {name: int(value.split()[0]) * 1024 for name, _, value in (line.partition(":") for line in told[1:])}
    return Rest(sizes["Rss"], sizes["Private_Clean"] + sizes["Private_Dirty"], cpu_s, listens_s)


def _cells(name: str, rests: Iterable[Rest]) -> tuple[str, ...]:
    middle = Rest(*(statistics.median(values) for values in zip(*rests, strict=True)))
    listens = f"{middle.listens_s:.2f}" if middle.listens_s else ""
    return (name, f"{middle.resident / _MIB:.0f}", f"{middle.own / _MIB:.0f}", f"{middle.cpu_s:.2f}", listens)
