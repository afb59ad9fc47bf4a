"""Ten minutes of broken bytes on every layer: HTTP/2 frames, gRPC messages, protobuf, Arrow IPC.

The seed is fixed; FUZZ_SECONDS and FUZZ_SEED change how long it runs and what it sends.
"""

from __future__ import annotations

import os
import socket
import struct
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING

import grpc
import h2.config
import h2.connection
import numpy as np
import psutil
import pytest
from cloudquery.plugin_v3 import plugin_pb2 as pb

import cloudquery_cli as cli
import ipc_fuzz
import plugin_client as client
import random_arrow
import rows
from cloudquery_s3.server.http2 import frames
from lake import in_bucket
from s3_servers import moto  # noqa: F401 -- a fixture

if TYPE_CHECKING:
    import subprocess

    from s3_servers import S3Server

SECONDS = float(os.environ.get("FUZZ_SECONDS", "600"))
SEED = int(os.environ.get("FUZZ_SEED", "1"))
BUDGET_BYTES = 64 << 20
CEILING_BYTES = BUDGET_BYTES + (448 << 20)
"""The budget, the process itself, one message that says that it is the largest, and what Python does not give back."""

CHECKS_EACH = 25
METHODS = [b"Write", b"Write", b"Write", b"Read", b"Init", b"GetName", b"TestConnection", b"Close", b"Nothing"]
SMALL_TIMEOUT_S = 0.05


def headers(random: np.random.Generator) -> list[tuple[bytes, bytes]]:
    """The head of a call, mostly a sound one."""
    path = b"/cloudquery.plugin.v3.Plugin/" + METHODS[int(random.integers(len(METHODS)))]
    fields = [(b":method", b"POST"), (b":scheme", b"http"), (b":path", path), (b":authority", b"x")]
    fields += [(b"content-type", b"application/grpc"), (b"te", b"trailers")]
    choice = random.random()
    if choice < 0.1:
        del fields[int(random.integers(len(fields)))]
    elif choice < 0.2:
        at = int(random.integers(len(fields)))
        fields[at] = (fields[at][0], random.bytes(int(random.integers(0, 3_000))))
    elif choice < 0.3:
        odd = [(b"grpc-timeout", b"9" * 9 + b"H"), (b"grpc-encoding", b"gzip"), (b"content-length", b"9" * 5_000)]
        fields.append(odd[int(random.integers(len(odd)))])
    return fields


def payload(random: np.random.Generator) -> bytes:
    """An Arrow IPC payload, sound or broken."""
    schema = ipc_fuzz.random_schema(random)
    sound = rows.ipc(random_arrow.batch(schema, int(random.integers(0, 20)), random))
    return ipc_fuzz.broken(sound, random) if random.random() < 0.6 else sound


def message(random: np.random.Generator) -> bytes:
    """A Write message, sound or broken, with its prefix, which may lie."""
    make = client.migrate if random.random() < 0.2 else client.insert
    raw = make(payload(random)).SerializeToString()
    choice = random.random()
    if choice < 0.2:
        raw = ipc_fuzz.broken(raw, random)
    elif choice < 0.3:
        raw = b"\x12" + b"\xff" * int(random.integers(1, 100_000))
    size = len(raw)
    if random.random() < 0.15:
        size = int(random.choice([0, 1, size - 1, size + 1, 220 << 20, (220 << 20) + 1, 2**32 - 1]))
    return struct.pack(">BI", int(random.random() < 0.03), max(0, size)) + raw


def frame(random: np.random.Generator, streams: int) -> bytes:
    """A frame of any kind, on a stream that may be open."""
    kind = int(random.integers(0, 12))
    sizes = [0, 4, 5, 6, 8, 8, 12, 100, 16_384]
    content = random.bytes(sizes[int(random.integers(len(sizes)))])
    stream = int(random.integers(0, 2 * streams + 3))
    return frames.frame(kind, int(random.integers(256)), stream, content)


def connection(random: np.random.Generator) -> bytes:
    """All that a client sends on one connection."""
    sender = h2.connection.H2Connection(
        h2.config.H2Configuration(header_encoding=None, validate_outbound_headers=False)
    )
    sender.initiate_connection()
    out = bytearray(sender.data_to_send())
    calls = int(random.integers(1, 12))
    for number in range(calls):
        stream = 2 * number + 1
        block = sender.encoder.encode(headers(random), huffman=bool(random.random() < 0.5))
        out += frames.header_frames(stream, block, end=bool(random.random() < 0.05), most_bytes=16_384)
        data = b"".join(message(random) for _ in range(int(random.integers(0, 4))))[:60_000]
        for start in range(0, len(data), 16_384):
            out += frames.data_frame(stream, data[start : start + 16_384])
        if random.random() < 0.5:
            out += frames.data_frame(stream, b"", end=True)
        if random.random() < 0.4:
            out += frame(random, calls)
    choice = random.random()
    if choice < 0.3:
        for _ in range(int(random.integers(1, 6))):
            out[int(random.integers(len(out)))] = int(random.integers(256))
    elif choice < 0.4:
        out = bytearray(random.bytes(int(random.integers(1, 5_000))))
    return bytes(out)


def raw(address: str, random: np.random.Generator) -> str:
    """Send such a connection's bytes, in pieces; read or do not read what comes."""
    octets = connection(random)
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=20) as sender:
        sender.settimeout(SMALL_TIMEOUT_S)
        try:
            while octets:
                size = int(random.integers(1, 70_000))
                sender.sendall(octets[:size])
                octets = octets[size:]
            if random.random() < 0.7:
                while sender.recv(65_536):
                    pass
        except TimeoutError:
            return "raw: open"
        except OSError:
            return "raw: refused"
    return "raw: closed"


def stream(plugin: client.Client, random: np.random.Generator) -> str:
    """A Write of broken messages by gRPC's own client: it reaches what is behind the framing."""
    write = plugin.channel.stream_unary("/cloudquery.plugin.v3.Plugin/Write")
    messages = [message(random)[5:] for _ in range(int(random.integers(1, 6)))]
    try:
        write(iter(messages), timeout=60)
    except grpc.RpcError as error:
        return f"stream: {error.code().name}"
    return "stream: OK"


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_broken_bytes(moto: S3Server) -> None:  # noqa: F811 -- the fixture's name
    """Whatever bytes come, the plugin lives, answers others, and stays below a ceiling of memory."""
    bucket = moto.new_bucket()
    spec = in_bucket(
        bucket, path="t/{{UUID}}", format="json", test_write=False, memory_budget=BUDGET_BYTES, max_retries=1
    )
    only_loopback = {"HTTP_PROXY": "http://127.0.0.1:1", "HTTPS_PROXY": "http://127.0.0.1:1", "NO_PROXY": "127.0.0.1"}
    ends: Counter[str] = Counter()
    with cli.plugin_process(environment=only_loopback) as (process, address):
        unknown = watch(process)
        plugin = client.Client(address)
        plugin.init(spec)
        peak, deadline, number = 0, time.monotonic() + SECONDS, 0
        while time.monotonic() < deadline:
            random = np.random.default_rng([SEED, number])
            ends[stream(plugin, random) if random.random() < 0.4 else raw(address, random)] += 1
            peak = max(peak, psutil.Process(process.pid).memory_info().rss)
            assert peak < CEILING_BYTES, f"seed {SEED}, number {number}"
            number += 1
            if number % CHECKS_EACH == 0:
                assert process.poll() is None, f"seed {SEED}, number {number}: an input ended the plugin"
                assert plugin.stub.GetName(pb.GetName.Request(), timeout=60).name == "s3"
                assert unknown == [], f"seed {SEED}, number {number}"
        plugin.init({**spec, "path": "after/{{UUID}}"})
        plugin.write([client.insert(rows.batch("t", [1]))])
    print(number, f"{peak >> 20} MiB", dict(ends))  # noqa: T201 - the figures, with `pytest -s`
    assert [data for key, data in bucket.objects().items() if key.startswith("after/")] == [b'{"n":1}\n']
    assert bucket.open_uploads() == []


def watch(process: subprocess.Popen[str]) -> list[str]:
    """Read a plugin's log as it comes; gives the lines that tell of an error that it does not know."""
    unknown: list[str] = []

    def read() -> None:
        assert process.stdout is not None
        odd = ("does not know", "cannot be explained")
        unknown.extend(
            line for line in process.stdout if not line.startswith("{") or any(words in line for words in odd)
        )

    threading.Thread(target=read, daemon=True).start()
    return unknown
