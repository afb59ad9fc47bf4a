"""The long runs: millions of rows, ten gigabytes, a thousand syncs. Their figures are in `docs/guarantees.md`."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import psutil
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import cloudquery_cli as cli
import plugin_client as client
import rows
from faults.delivery import text_batch
from faults.discarding_server import discarding_server
from faults.plugin_log import PluginLog
from lake import in_bucket
from s3_servers import real_server  # noqa: F401 -- a fixture
from waiting import eventually

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator

    from s3_servers import S3Server

pytestmark = [pytest.mark.slow]

MIB: Final = 1 << 20
BESIDES_BYTES: Final = 256 * MIB
"""What a plugin takes beside its memory budget: the interpreter, Arrow, gRPC's and the allocator's own buffers."""


@dataclass
class Footprint:
    """What a process takes, sampled.

    Attributes:
        rss: resident bytes.
        threads: their number.
        files: open file descriptors.
    """

    rss: int
    threads: int
    files: int

    @classmethod
    def of(cls, process: subprocess.Popen[str]) -> Footprint:
        """Look now."""
        seen = psutil.Process(process.pid)
        return cls(seen.memory_info().rss, seen.num_threads(), seen.num_fds())

    def __str__(self) -> str:
        return f"{self.rss / MIB:.0f} MiB, {self.threads} threads, {self.files} files"


@dataclass
class Peak:
    """The most resident bytes that a process had."""

    rss: int = 0
    done: threading.Event = field(default_factory=threading.Event)


@contextmanager
def watched(process: subprocess.Popen[str]) -> Iterator[Peak]:
    """Sample a process every 20 ms until the block ends."""
    peak, seen = Peak(), psutil.Process(process.pid)

    def watch() -> None:
        while not peak.done.wait(0.02):
            peak.rss = max(peak.rss, seen.memory_info().rss)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peak
    finally:
        peak.done.set()
        thread.join()


def write(address: str, messages: Iterator[Any]) -> None:
    """Write messages, with no deadline that a loaded machine could miss."""
    client.Client(address).stub.Write(messages, timeout=3000)


TABLES: Final = 200
MESSAGES_EACH: Final = 100
ROWS_EACH: Final = 1000


@pytest.mark.server
def test_twenty_million_rows(real_server: S3Server, record_property: Callable[[str, object], None]) -> None:  # noqa: F811
    """20 million rows of 200 tables are all in the bucket, once, and the process stayed inside its memory."""
    bucket, budget = real_server.new_bucket(), 128 * MIB

    def messages() -> Iterator[Any]:
        for number in range(MESSAGES_EACH):
            values = pa.array(range(number * ROWS_EACH, (number + 1) * ROWS_EACH), pa.int64())
            for table in range(TABLES):
                schema = rows.schema(f"t{table}", n=pa.int64(), s=pa.string())
                yield client.insert(pa.record_batch([values, pc.cast(values, pa.string())], schema=schema))

    with cli.plugin_process() as (process, address), watched(process) as peak:
        log = PluginLog(process)
        client.Client(address).init(in_bucket(bucket, memory_budget=budget))
        write(address, messages())
        (ended,) = log.await_lines("write ended", 1)
    assert ended["rows"] == TABLES * MESSAGES_EACH * ROWS_EACH == 20_000_000
    each = MESSAGES_EACH * ROWS_EACH
    found: dict[str, list[pa.ChunkedArray]] = {}
    for key, data in bucket.objects().items():
        found.setdefault(key.split("/")[1], []).extend(pq.read_table(pa.BufferReader(data), columns=["n"])["n"].chunks)
    for numbers in found.values():
        assert pa.chunked_array(numbers).sort().combine_chunks().equals(pa.array(range(each), pa.int64()))
    assert len(found) == TABLES
    report(record_property, peak_mib=peak.rss // MIB, objects=ended["objects"], bytes=ended["bytes"])
    assert peak.rss <= budget + BESIDES_BYTES


@pytest.mark.parametrize("file_format", ["parquet", "json"])
def test_ten_gigabytes_in_one_object(record_property: Callable[[str, object], None], file_format: str) -> None:
    """A `no_rotate` table of 10 GiB goes up in parts, every byte of it, and the process stays inside its memory."""
    budget, message = 128 * MIB, client.insert(text_batch("big", 0, 64, 64 << 10))
    with discarding_server() as server, cli.plugin_process() as (process, address), watched(process) as peak:
        log = PluginLog(process)
        options = {"no_rotate": True, "path": "{{TABLE}}", "format": file_format, "memory_budget": budget}
        client.Client(address).init(spec(server.endpoint, **options))
        write(address, (message for _ in range(2560)))
        (ended,) = log.await_lines("write ended", 1)
    assert ended["rows"] == 2560 * 64
    assert ended["bytes"] == server.received["UploadPart"]
    report(record_property, peak_mib=peak.rss // MIB, bytes=ended["bytes"], parts=server.calls["UploadPart"])
    assert peak.rss <= budget + BESIDES_BYTES


@pytest.mark.parametrize("file_format", ["parquet", "json"])
def test_a_store_that_stands_still(record_property: Callable[[str, object], None], file_format: str) -> None:
    """While the store answers nothing, the process takes what its budget allows and no more; then all goes on."""
    budget = 128 * MIB
    numbers = [list(range(start, start + 2000)) for start in range(0, 40_000, 2000)]
    wide = [
        client.insert(rows.batch(f"t{table}", values, **{f"a_column_of_numbers_{i}": values for i in range(20)}))
        for table in range(20)
        for values in numbers
    ]  # 125 MiB
    with discarding_server() as server, cli.plugin_process() as (process, address), watched(process) as peak:
        log = PluginLog(process)
        client.Client(address).init(spec(server.endpoint, format=file_format, memory_budget=budget))
        server.open.clear()
        writing = threading.Thread(target=write, args=(address, (one for _ in range(6) for one in wide)))
        writing.start()
        settled = Settled(peak)
        assert eventually(settled, within_s=120)
        server.open.set()
        writing.join()
        (ended,) = log.await_lines("write ended", 1)
    assert ended["rows"] == 6 * 20 * 40_000
    report(record_property, peak_mib=peak.rss // MIB, still_mib=settled.rss // MIB, bytes=ended["bytes"])
    assert peak.rss <= budget + BESIDES_BYTES


@dataclass
class Settled:
    """Whether a peak has not grown in two seconds: asked every 10 ms."""

    peak: Peak
    rss: int = 0
    times: int = 0

    def __call__(self) -> bool:
        self.times = self.times + 1 if self.rss == self.peak.rss and self.rss else 0
        self.rss = self.peak.rss
        return self.times >= 200


@pytest.mark.server
def test_a_thousand_syncs(real_server: S3Server, record_property: Callable[[str, object], None]) -> None:  # noqa: F811
    """Init, Write and Close 1,000 times leave a process as it was: memory, threads and file descriptors do not grow."""
    bucket = real_server.new_bucket()
    batches = [client.insert(text_batch(table, 0, 100, 100)) for table in ("one", "two")]
    with cli.plugin_process() as (process, address):
        PluginLog(process)
        seen: list[Footprint] = []
        for number in range(1, 1001):
            plugin = client.Client(address)
            plugin.init(in_bucket(bucket, path="{{TABLE}}", no_rotate=True))
            plugin.write(batches)
            plugin.close()
            plugin.channel.close()
            if number % 100 == 0:
                seen.append(Footprint.of(process))
        report(record_property, **{f"after_{100 * (i + 1)}": one for i, one in enumerate(seen)})
    assert seen[-1].threads <= seen[0].threads + 2  # some of them come and go
    assert seen[-1].files <= seen[0].files + 2
    assert seen[-1].rss - seen[1].rss <= 8 * MIB
    assert sorted(bucket.objects()) == ["one", "two"]


def spec(endpoint: str, **options: Any) -> dict[str, Any]:
    """A destination at a server that is no real one."""
    return {
        "bucket": "bkt",
        "region": "us-east-1",
        "endpoint": endpoint,
        "path": "{{TABLE}}/{{UUID}}",
        "use_path_style": True,
        "test_write": False,
        "max_retries": 1,
        **options,
    }


def report(record_property: Callable[[str, object], None], **figures: object) -> None:
    """Show figures with the test's result: run with `-rA`, or `--junit-xml`."""
    for name, value in figures.items():
        record_property(name, value)
        print(f"{name}: {value}")  # noqa: T201 - a figure is what the run is for
