"""Processes that are measured from outside: the plugin, a bare gRPC server, the sink, the client."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psutil  # type: ignore[import-untyped] # it ships no type information

from benchmarks.certificate import self_signed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.messages import Messages

REPOSITORY: Final = Path(__file__).parent.parent
MALLOC: Final = {"MALLOC_TRIM_THRESHOLD_": str(1 << 30), "MALLOC_MMAP_THRESHOLD_": str(1 << 30)}
"""Lets glibc keep freed memory, as the plugin tells it at its start: a floor must not cost more for want of that."""

_LEAN_GRPC: Final = {"GRPC_EXPERIMENTS": "-event_engine_listener"}
"""gRPC's newer listener wakes a thread for every message; without it receiving costs grpcio a third less."""

_AUTHORITY: Final = "AWS_CA_BUNDLE"
_WAIT_S: Final = 30


@dataclass(frozen=True, slots=True)
class Usage:
    """What a Write cost a server.

    Attributes:
        cpu_s: CPU-seconds, user and system, of the process and its children, from the Write's begin to its answer.
        seconds: how long that was.
        peak_rss_bytes: the most memory that the process ever held, 0 where the system does not tell.
        init_s: how long Init took; 0 where there was none.
    """

    cpu_s: float
    seconds: float
    peak_rss_bytes: int
    init_s: float


@contextmanager
def running(*arguments: str, environment: dict[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    """Run a module of Python, and end it."""
    process = subprocess.Popen(  # noqa: S603 - our own programs
        [sys.executable, "-m", *arguments],
        cwd=REPOSITORY,
        env=os.environ if environment is None else environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(_WAIT_S)
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


@contextmanager
def sink(latency_s: float = 0.0) -> Iterator[str]:
    """Run the S3 server that keeps nothing and answers after so long; yields its address."""
    with running("benchmarks.sink", str(latency_s)) as process:
        yield f"http://127.0.0.1:{line(process)}"


@contextmanager
def tls_sink() -> Iterator[str]:
    """Run that server behind TLS; yields its address. Plugins that start meanwhile trust its certificate."""
    before = os.environ.get(_AUTHORITY)
    with tempfile.TemporaryDirectory() as folder:
        certificate = str(self_signed(Path(folder)))
        os.environ[_AUTHORITY] = certificate
        try:
            with running("benchmarks.sink", "0", certificate) as process:
                yield f"https://127.0.0.1:{line(process)}"
        finally:
            os.environ.pop(_AUTHORITY)
            os.environ.update({_AUTHORITY: before} if before is not None else {})


@contextmanager
def plugin(*more: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the plugin as the CLI does, with more arguments; yields it and its address, once it listens."""
    with tempfile.TemporaryDirectory() as folder:
        socket = f"{folder}/plugin.sock"
        own = {name: value for name, value in os.environ.items() if name not in MALLOC}  # that is the plugin's concern
        arguments = ("serve", "--network", "unix", "--address", socket, "--log-level", "error", *more)
        with running("cloudquery_s3.cli", *arguments, environment=own) as it:
            _await_socket(socket)
            yield it, f"unix:{socket}"


@contextmanager
def receiver(kind: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run a server that only receives (`benchmarks.receiver`); yields it and its address, once it listens."""
    with tempfile.TemporaryDirectory() as folder:
        socket = f"{folder}/receiver.sock"
        with running("benchmarks.receiver", kind, socket, environment=os.environ | _LEAN_GRPC) as it:
            _await_socket(socket)
            yield it, f"unix:{socket}"


@contextmanager
def peer(*arguments: str) -> Iterator[str]:
    """Run a plugin for the other end of the CLI (`benchmarks.peer`); yields its address."""
    with running("benchmarks.peer", *arguments) as process:
        yield line(process)


def measure(server: subprocess.Popen[str], address: str, messages: Messages, spec: dict[str, Any] | None) -> Usage:
    """Send messages to a server, from a process of its own, and return what they cost the server.

    Raises:
        RuntimeError: the client failed; the server refused something.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "messages")
        messages.save(path)
        arguments = [address, str(path), *([json.dumps(spec)] if spec is not None else [])]
        with running("benchmarks.client", *arguments) as client:
            ready = json.loads(line(client))
            before = cpu_s(server.pid)
            assert client.stdin is not None  # noqa: S101 - for the type checker
            print(file=client.stdin, flush=True)
            answer = json.loads(line(client))
            if "error" in answer:
                raise RuntimeError(answer["error"])
            used_s = cpu_s(server.pid) - before
    return Usage(used_s, answer["seconds"], peak_rss(server.pid), ready.get("init_s", 0))


def start_s() -> float:
    """Return how long a fresh plugin takes until it listens."""
    started = time.perf_counter()
    with plugin():
        return time.perf_counter() - started


def cpu_s(pid: int) -> float:
    """Return the CPU-seconds, user and system, of a process and its children."""
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    return float(sum(times.user + times.system for times in (one.cpu_times() for one in family)))


def peak_rss(pid: int) -> int:
    """Return the most memory in bytes that a process ever held; 0 where the system does not tell."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return 0
    return next(int(line.split()[1]) * 1024 for line in status.read_text().splitlines() if line.startswith("VmHWM"))


def line(process: subprocess.Popen[str]) -> str:
    """Return the next line that a process prints.

    Raises:
        RuntimeError: it ended.
    """
    assert process.stdout is not None  # noqa: S101 - for the type checker
    line = process.stdout.readline()
    if not line:
        raise RuntimeError(f"{process.args!r} ended with status {process.wait(_WAIT_S)} and said nothing")
    return line.strip()


def _await_socket(path: str) -> None:
    deadline = time.perf_counter() + _WAIT_S
    while not Path(path).exists():
        if time.perf_counter() > deadline:
            raise RuntimeError(f"no server listens at {path} after {_WAIT_S} s")
        time.sleep(0.005)
