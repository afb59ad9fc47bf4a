"""One Write into a real server, and what must be true of it afterwards."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import io
import json
import logging
import random
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

import pyarrow as pa
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet as pq

import rows
from cloudquery_s3.errors import PluginError
from cloudquery_s3.formats import make_format
from cloudquery_s3.server.destination import Destination, write_context
from cloudquery_s3.spec import Spec
from cloudquery_s3.stores.s3 import S3Store, settings_of
from cloudquery_s3.stores.s3_settings import MIB
from specs import INVOCATION_ID
from wire_server import NoPause

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudquery_s3.cancellation import Cancellation
    from cloudquery_s3.committed import CommittedObject, WriteEnd
    from cloudquery_s3.writer.budget import MemoryBudget
    from s3_servers import Bucket

FORMATS: Final = ("parquet", "json", "csv")
RETRY: Final = "sending again"
LEFT_OPEN: Final = "multipart upload is left"
MAY_BE_LEFT: Final = "multipart upload may be left"
MAY_BE_THERE: Final = "the object may be there, whole"


def text_batch(table: str, start: int, count: int, cell_bytes: int) -> pa.RecordBatch:
    """Rows `start` to `start + count` with a column of text that does not compress."""
    dice = random.Random(start)  # noqa: S311 - the same rows in every run
    cells: list[object] = [base64.b64encode(dice.randbytes(cell_bytes * 3 // 4)).decode() for _ in range(count)]
    return rows.batch(table, list(range(start, start + count)), s=cells)


SMALL: Final = [text_batch(table, start, 10, 20) for start in (0, 10) for table in ("one", "two")]
"""Two tables of 20 rows, each row 20 bytes of text."""

LARGE: Final = [text_batch("one", start, 48, 64 << 10) for start in range(0, 192, 48)] + [SMALL[1]]
"""A table of 12 MiB, and a small one."""


@dataclass
class Warnings(logging.Handler):
    """Collects what the plugin logs at WARNING and above."""

    records: list[logging.LogRecord] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(logging.WARNING)

    __hash__ = logging.Handler.__hash__

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def of(self, text: str) -> list[logging.LogRecord]:
        """Those whose message holds a text."""
        return [record for record in self.records if text in record.getMessage()]

    def __enter__(self) -> Self:
        logging.getLogger("cloudquery_s3").addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger("cloudquery_s3").removeHandler(self)


class ReopeningPause(NoPause):
    """Retries without waiting; calls `reopen` when one thread has failed twice in a row."""

    def __init__(self, reopen: Callable[[], None]) -> None:
        super().__init__()
        self._reopen = reopen
        self._sleeps: Counter[int] = Counter()

    def sleep(self, seconds: float, cancellation: Cancellation) -> None:
        super().sleep(seconds, cancellation)
        self._sleeps[threading.get_ident()] += 1
        if self._sleeps[threading.get_ident()] == 2:
            self._reopen()


class Records:
    """A publisher that keeps what it is told, in order: the objects, and then the end."""

    def __init__(self) -> None:
        self.objects: list[CommittedObject] = []
        self.ends: list[WriteEnd] = []

    def committed(self, record: CommittedObject) -> None:
        assert not self.ends, "an object was committed after the Write was published"
        self.objects.append(record)

    async def publish(self, end: WriteEnd) -> None:
        self.ends.append(end)


@dataclass
class Delivery:
    """How a Write ended, and what it said of itself."""

    sent: list[pa.RecordBatch]
    file_format: str
    error: PluginError | None
    records: Records | None
    warnings: Warnings

    def check(self, bucket: Bucket) -> None:
        """Hold the outcome against what is in the bucket.

        Always: every object is whole, no row is there twice, no upload is open that no WARNING names, and the records
        tell what exists. After OK: every row is there.
        """
        objects = bucket.objects()
        found = {key: read(data, self.file_format) for key, data in objects.items()}
        expected = by_table(self.sent)
        made: dict[str, dict[int, str]] = {}
        for key, table_rows in found.items():
            table = made.setdefault(key.split("/")[0].split(".")[0], {})
            assert not table.keys() & table_rows.keys(), "a row is there twice"
            table.update(table_rows)
        if self.error is None:
            assert made == expected
        else:
            assert all(made[table].items() <= expected[table].items() for table in made)
        self._check_uploads(bucket.open_uploads())
        self._check_records({key: (len(objects[key]), len(found[key])) for key in objects})
        self._check_retries()

    def _check_uploads(self, uploads: list[str]) -> None:
        named = [vars(record)["key"] for record in self.warnings.of(LEFT_OPEN) + self.warnings.of(MAY_BE_LEFT)]
        assert set(uploads) <= set(named), "an upload was left open in silence"

    def _check_records(self, objects: dict[str, tuple[int, int]]) -> None:
        if self.records is not None:
            assert [end.status == "complete" for end in self.records.ends] == [self.error is None]
        listed = {record.key: (record.size_bytes, record.rows) for record in self._committed()}
        unsure = {vars(record)["key"] for record in self.warnings.of(MAY_BE_THERE)}
        known = {key: figures for key, figures in objects.items() if key not in unsure}
        assert listed == known, "the records do not tell what exists"
        assert sum(record.retries for record in self._committed()) <= len(self.warnings.of(RETRY))

    def _committed(self) -> list[CommittedObject]:
        return self.records.objects if self.records else []

    def _check_retries(self) -> None:
        for record in self.warnings.of(RETRY):
            said = vars(record)
            assert record.levelno == logging.WARNING
            assert said["key"]
            assert said["operation"]
            assert said["attempt"] >= 1
            assert said["cause"]


def read(data: bytes, file_format: str) -> dict[int, str]:
    """An object's rows, `s` by `n`; fails where it is not whole."""
    if file_format == "parquet":
        table = pq.read_table(pa.BufferReader(data))
    elif file_format == "csv":
        assert data.endswith(b"\n")
        table = pa.csv.read_csv(io.BytesIO(data), pa.csv.ReadOptions(block_size=max(len(data), 1)))
    else:
        assert data.endswith(b"\n")
        parsed = [json.loads(line) for line in data.splitlines()]
        return _by_number([one["n"] for one in parsed], [one["s"] for one in parsed])
    return _by_number(table["n"].to_pylist(), table["s"].to_pylist())


def _by_number(numbers: list[int], texts: list[str]) -> dict[int, str]:
    assert len(set(numbers)) == len(numbers), "a row is twice in one object"
    return dict(zip(numbers, texts, strict=True))


def by_table(batches: list[pa.RecordBatch]) -> dict[str, dict[int, str]]:
    """Rows by table, `s` by `n`."""
    tables: dict[str, dict[int, str]] = {}
    for batch in batches:
        name = batch.schema.metadata[b"cq:table_name"].decode()
        tables.setdefault(name, {}).update(_by_number(batch["n"].to_pylist(), batch["s"].to_pylist()))
    return tables


@dataclass
class Way:
    """How rows go to a bucket: the spec's options, and a store's settings that no user has."""

    bucket: Bucket
    endpoint: str
    file_format: str
    options: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    pause: NoPause = field(default_factory=NoPause)
    budget: MemoryBudget | None = None
    records: Records = field(default_factory=Records)

    def destination(self) -> Destination:
        """Connect: a destination as Init makes it, but for the settings."""
        document = {
            "bucket": self.bucket.name,
            "region": "us-east-1",
            "endpoint": self.endpoint,
            "use_path_style": True,
            "path": "{{TABLE}}/{{UUID}}.{{FORMAT}}",
            "format": self.file_format,
            **self.options,
        }
        spec = Spec.parse(json.dumps(document).encode(), invocation_id=INVOCATION_ID)
        file_format = make_format(spec)
        usual = {"single_put_max_bytes": 6 * MIB}
        settings = settings_of(spec, content_type=file_format.content_type)
        store = S3Store(dataclasses.replace(settings, **{**usual, **self.settings}), self.pause)
        context = write_context(spec, store, file_format=file_format, sync_id=INVOCATION_ID)
        publishers = [lambda _start: self.records, *context.publishers]
        context = dataclasses.replace(context, budget=self.budget or context.budget, publishers=publishers)
        return Destination(spec, store, context, sync_id=INVOCATION_ID)

    def deliver(self, batches: list[pa.RecordBatch]) -> Delivery:
        """Write these rows as the Write RPC does."""
        with Warnings() as warnings:
            try:
                destination = self.destination()
            except PluginError as error:
                return Delivery(batches, self.file_format, error, None, warnings)
            try:
                error = asyncio.run(_write(destination, [rows.ipc(batch) for batch in batches]))
            finally:
                destination.retire()
        return Delivery(batches, self.file_format, error, self.records, warnings)


async def _write(destination: Destination, payloads: list[bytes]) -> PluginError | None:
    stream = destination.open_stream(lambda: None)
    try:
        for payload in payloads:
            stream.insert(payload)
            if stream.full:
                await stream.make_room()
        await stream.finish()
    except PluginError as error:
        await stream.abort()
        return error
    finally:
        destination.end_stream(stream)
    return None
