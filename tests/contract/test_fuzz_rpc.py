"""Thousands of broken specs and messages against a plugin process: it lives, and the bucket stays clean."""

from __future__ import annotations

import gzip
import json
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import grpc
import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cloudquery.plugin_v3 import plugin_pb2 as pb

import cloudquery_cli as cli
import ipc_fuzz
import plugin_client as client
import random_arrow
import rows
from lake import in_bucket
from s3_servers import moto  # noqa: F401 -- a fixture

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator

    from s3_servers import Bucket, S3Server

SPECS = 4_000
STREAMS_A_FORMAT = 1_600  # each with one broken message
MOST_THREADS = 150

FORMATS: dict[str, tuple[dict[str, Any], Callable[[bytes], object]]] = {
    "json": ({"format": "json"}, lambda data: [json.loads(line) for line in data.splitlines()]),
    "csv-gzip": ({"format": "csv", "compression": "gzip"}, gzip.decompress),
    "parquet": ({"format": "parquet", "batch_size": 5}, lambda data: pq.read_table(pa.BufferReader(data))),
    "athena": ({"format": "json", "athena": True}, lambda data: [json.loads(line) for line in data.splitlines()]),
}
CALM = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.UNAUTHENTICATED,
}
NOWHERE = "http://127.0.0.1:1"


class Watched:
    """A plugin, and what it logs that it should not have to: errors that it does not know."""

    def __init__(self, process: subprocess.Popen[str], address: str) -> None:
        self.process = process
        self.client = client.Client(address)
        self.unknown: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if "does not know" in line or not line.startswith("{"):
                self.unknown.append(line)

    def check(self) -> None:
        """It lives, answers, knows its errors, and has not kept what it should have let go."""
        assert self.process.poll() is None, "an input ended the plugin"
        assert self.client.stub.GetName(pb.GetName.Request(), timeout=60).name == "s3"
        assert psutil.Process(self.process.pid).num_threads() < MOST_THREADS
        assert self.unknown == []


@contextmanager
def watched() -> Iterator[Watched]:
    """Run a plugin that reaches nothing but loopback, whatever a spec says."""
    only_loopback = {"HTTP_PROXY": NOWHERE, "HTTPS_PROXY": NOWHERE, "NO_PROXY": "127.0.0.1"}
    with cli.plugin_process(environment=only_loopback) as (process, address):
        yield Watched(process, address)


@pytest.fixture
def bucket(moto: S3Server) -> Bucket:  # noqa: F811 -- the fixture's name
    """An empty bucket."""
    return moto.new_bucket()


def outcome(call: Callable[[], object]) -> grpc.StatusCode:
    """How a call ended."""
    try:
        call()
    except grpc.RpcError as error:
        code: grpc.StatusCode = error.code()
        if code not in CALM:
            raise
        return code
    return grpc.StatusCode.OK


ODD_VALUES: list[Any] = [
    *(None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, 1e308, 0.5, "", " ", "0", "null", "\x00", "ß😀", "a" * 5000),
    *([], {}, [[]], {"a": {}}, [None], "{{UUID}}", "{{TABLE}}", "../..", "-1s", "9" * 400, "gzip", "csv", "v1.0"),
]


def odd_spec(spec: dict[str, Any], random: np.random.Generator) -> bytes:
    """A spec that is broken as a document, or as text."""
    document = json.loads(json.dumps(spec))
    for _ in range(int(random.integers(1, 4))):
        within = document
        names = list(within)
        name = names[int(random.integers(len(names)))]
        if isinstance(within[name], dict) and within[name] and random.random() < 0.7:
            within = within[name]
            names = list(within)
            name = names[int(random.integers(len(names)))]
        choice = random.random()
        if choice < 0.6:
            within[name] = ODD_VALUES[int(random.integers(len(ODD_VALUES)))]
        elif choice < 0.8:
            within[name.upper() if choice < 0.7 else name[:-1]] = within.pop(name)
        else:
            del within[name]
        if not document:
            break
    # zero or less would try for ever, as asked
    document = {key: value for key, value in document.items() if key.lower() not in {"max_retries", "max_backoff"}}
    raw = json.dumps({**document, "max_retries": 1}).encode()
    return ipc_fuzz.broken(raw, random).rstrip(b"\0") if random.random() < 0.2 else raw


def waits(raw: bytes) -> bool:
    """Whether a spec broken as text says, or leaves it to the default, to try more than once."""
    try:
        document = json.loads(raw)
    except ValueError:
        return False
    return isinstance(document, dict) and document.get("max_retries") != 1


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_specs(bucket: Bucket) -> None:
    """Thousands of broken specs are refused or taken; the plugin then works as before."""
    spec = in_bucket(
        bucket,
        test_write=False,
        format_spec={"version": "v2.6", "max_row_group_length": 1000, "root_repetition": "repeated"},
        compression="",
        no_rotate=False,
        athena=False,
        content_type="",
        endpoint_skip_tls_verify=False,
        acl="private",
        server_side_encryption_configuration={"sse_kms_key_id": "k", "server_side_encryption": "aws:kms"},
        write_empty_objects_for_empty_tables=False,
        batch_size=100,
        batch_size_bytes=1000,
        batch_timeout="1s",
        credentials={"role_session_name": "a", "external_id": "b"},
        aws_debug=False,
        part_size=5 << 20,
    )
    ends: dict[grpc.StatusCode, int] = {}
    with watched() as plugin:
        for seed in range(SPECS):
            raw = odd_spec(spec, np.random.default_rng(seed))
            if not waits(raw):
                end = outcome(lambda raw=raw: plugin.client.init(raw))  # type: ignore[misc] # mypy: default of a lambda
                ends[end] = ends.get(end, 0) + 1
        plugin.check()
        plugin.client.init(in_bucket(bucket, format="json", path="after/{{UUID}}"))
        plugin.client.write([client.insert(rows.batch("t", [1]))])
        plugin.check()
    print(ends)  # noqa: T201 - the figures, with `pytest -s`
    assert ends[grpc.StatusCode.OK] > SPECS / 50
    assert ends[grpc.StatusCode.INVALID_ARGUMENT] > SPECS / 4
    assert bucket.open_uploads() == []
    assert [data for key, data in bucket.objects().items() if "after/" in key] == [b'{"n":1}\n']


def odd_stream(random: np.random.Generator) -> list[bytes]:
    """The messages of a Write, the last one broken: as a message, or as Arrow inside of a sound message."""
    schema = ipc_fuzz.random_schema(random)
    payloads = [
        rows.ipc(random_arrow.batch(schema, int(random.integers(1, 20)), random))
        for _ in range(int(random.integers(1, 5)))
    ]
    stream: list[bytes] = [client.insert(payload).SerializeToString() for payload in payloads]
    # the broken one comes last: what comes behind a refusal is not looked at
    choice = random.random()
    if choice < 0.7:
        payloads[-1] = ipc_fuzz.broken(payloads[-1], random)
    elif choice < 0.8:
        payloads[-1] = payloads[-1][: int(random.integers(len(payloads[-1])))]
    message = client.migrate(payloads[-1]) if random.random() < 0.15 else client.insert(payloads[-1])
    raw = message.SerializeToString()
    return [*stream[:-1], ipc_fuzz.broken(raw, random) if choice > 0.8 else raw]


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", FORMATS)
def test_messages(bucket: Bucket, name: str) -> None:
    """Thousands of broken messages are refused or written; what is in the bucket is whole, and no upload is open."""
    options, read = FORMATS[name]
    ends: dict[grpc.StatusCode, int] = {}
    with watched() as plugin:
        plugin.client.init(in_bucket(bucket, **{"path": "{{TABLE}}/{{UUID}}", "test_write": False, **options}))
        write = plugin.client.channel.stream_unary("/cloudquery.plugin.v3.Plugin/Write")
        for seed in range(STREAMS_A_FORMAT):
            stream = odd_stream(np.random.default_rng([seed, len(name)]))
            end = outcome(lambda stream=stream: write(iter(stream), timeout=60))  # type: ignore[misc] # as above
            ends[end] = ends.get(end, 0) + 1
        plugin.check()
        plugin.client.write([client.insert(rows.batch("after", [1]))])
        plugin.check()
    print(name, ends)  # noqa: T201 - the figures, with `pytest -s`
    assert len(ends) > 1
    assert bucket.open_uploads() == []
    objects = bucket.objects()
    for data in objects.values():
        read(data)
    assert sum(key.startswith("after/") for key in objects) == 1
