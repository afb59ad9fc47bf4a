"""Each stage alone, in this process or in a bare server's, beside the library call that it cannot do without."""

from __future__ import annotations

import itertools
import json
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from benchmarks import floors, processes
from benchmarks.cases import FORMATS, ROWS_PER_MESSAGE, rows_of
from benchmarks.messages import split
from cloudquery_s3.cancellation import Cancellation
from cloudquery_s3.formats import make_format
from cloudquery_s3.formats.encoder import Alterations
from cloudquery_s3.ipc import IpcReader, decode
from cloudquery_s3.spec import Spec
from cloudquery_s3.stores.s3 import s3_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pyarrow as pa

    from benchmarks.messages import Messages
    from cloudquery_s3.ipc import ReceivedBatch, UndecodedPayload

REPEATS: Final = 5
OBJECT_ROWS: Final = 10_000
"""The rows of an object at the default `batch_size`."""


@dataclass(frozen=True, slots=True)
class Stage:
    """CPU-seconds per million rows of a stage and of its floor.

    Attributes:
        name: the stage.
        detail: the format, or the rows per message.
        ours: what the plugin's code costs.
        floor: what the bare library calls cost.
    """

    name: str
    detail: str
    ours: float
    floor: float


def spec_json(form: str, endpoint: str) -> dict[str, object]:
    """Return the spec of a destination with this format, at its defaults."""
    file_format, _, gzipped = form.partition(".")
    return {
        "bucket": "bench",
        "region": "us-east-1",
        "path": "bench/{{TABLE}}/{{UUID}}.{{FORMAT}}",
        "format": file_format,
        **({"compression": "gzip"} if gzipped else {}),
        "endpoint": endpoint,
        "use_path_style": True,
        "test_write": False,
    }


def parse_spec(form: str, endpoint: str) -> Spec:
    """Return that spec as the plugin understands it."""
    return Spec.parse(json.dumps(spec_json(form, endpoint)).encode(), invocation_id="bench")


def measure(data: pa.RecordBatch, sink: str, *, quick: bool, most: int | None = None) -> Iterator[Stage]:
    """Yield every stage, measured with so many rows at most."""
    for size in ROWS_PER_MESSAGE:
        messages = split(data, rows_per_message=size, rows=rows_of(size, quick=quick, most=most))
        yield _receive(messages, size)
        yield from _decode(split(data, rows_per_message=size, rows=min(data.num_rows, 2000 * size)), size)
    batch = data.slice(0, OBJECT_ROWS)
    for form in FORMATS:
        yield _encode(form, batch)
    for form in FORMATS:
        yield _upload(form, batch, sink)


def _receive(messages: Messages, size: int) -> Stage:
    costs = []
    for mode in ("read", "drop"):
        with processes.receiver(mode) as (server, address):
            usage = processes.measure(server, address, messages, None)
            costs.append(usage.cpu_s / (messages.count * size) * 1e6)
    return Stage("receive", f"{size:,} rows a message", costs[0], costs[1])


def _decode(messages: Messages, size: int) -> Iterator[Stage]:
    reader = IpcReader()
    payloads = list(messages.payloads())
    received = [one for payload in payloads for one in _as_received(reader.read(payload))]
    per_object = max(1, OBJECT_ROWS // size)
    objects = [received[start : start + per_object] for start in range(0, len(received), per_object)]
    rows = messages.count * size
    ours = _cost(lambda: [decode(one) for one in objects], rows)
    yield Stage("decode", f"{size:,} rows a message", ours, _cost(lambda: floors.decode(messages), rows))


def _as_received(batches: list[ReceivedBatch] | UndecodedPayload) -> list[ReceivedBatch]:
    assert isinstance(batches, list)  # noqa: S101 - for the type checker
    return batches


def _encode(form: str, batch: pa.RecordBatch) -> Stage:
    file_format = make_format(parse_spec(form, "http://127.0.0.1:1"))

    def encode() -> None:
        encoder = file_format.encoder(batch.schema, Alterations())
        encoder.write([batch])
        encoder.finish()

    return Stage("encode", form, _cost(encode, OBJECT_ROWS), _cost(lambda: floors.ENCODERS[form](batch), OBJECT_ROWS))


def _upload(form: str, batch: pa.RecordBatch, sink: str) -> Stage:
    chunks = floors.ENCODERS[form](batch)
    store = s3_store(parse_spec(form, sink), content_type="application/octet-stream")
    names = itertools.count()

    def put() -> None:
        writer = store.open(f"bench/{next(names)}", Cancellation())
        writer.write(chunks)
        writer.commit()

    try:
        return Stage("upload", form, _cost(put, OBJECT_ROWS), _cost(lambda: floors.upload(sink, [chunks]), OBJECT_ROWS))
    finally:
        store.close()


CREDENTIALS: Final = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench"}  # the sink asks for none


def _cost(work: Callable[[], object], rows: int) -> float:
    """Return the median CPU-seconds per million rows of some work on `rows` rows, all threads together."""
    work()
    costs = []
    for _ in range(REPEATS):
        started = time.process_time()
        work()
        costs.append(time.process_time() - started)
    return statistics.median(costs) / rows * 1e6
