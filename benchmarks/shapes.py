"""Ten tables of different shapes: what a codec makes of one says little of another."""

from __future__ import annotations

import itertools
import json
import random
import uuid
from typing import TYPE_CHECKING, Any, Final

import boto3
import pyarrow as pa
from examples.aws_inventory.rows import record_batches
from examples.aws_inventory.tables import IMAGES, INSTANCE_TYPES, OFFERINGS
from moto import mock_aws

from benchmarks.assets import assets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from examples.aws_inventory.tables import Table

OBJECT_ROWS: Final = 10_000
"""The rows of an object at the default `batch_size`; every table has as many, but the smallest."""

_TINY_ROWS: Final = 30
_START_US: Final = 1_760_000_000_000_000
_TIME: Final = pa.timestamp("us", "UTC")
_JSON: Final = {"ARROW:extension:name": "json", "ARROW:extension:metadata": "json-serialized"}
_UUID: Final = {"ARROW:extension:name": "uuid", "ARROW:extension:metadata": "uuid-serialized"}
_SENTENCE: Final = (
    "the request of a user was refused because its token had ended before this service could renew it from cache "
    "connection to upstream closed after retry while worker drained queue for region shard replica leader"
)
_WORDS: Final = _SENTENCE.split()


def shapes(rows: int = OBJECT_ROWS) -> Iterator[tuple[str, pa.RecordBatch]]:
    """Yield each table's name and an object's rows of it; they differ between runs in what moto draws by lot alone."""
    yield "assets: wide, JSON among it", assets(rows)
    yield from _inventory(rows)
    for name, make in _MADE.items():
        dice = random.Random(1)  # noqa: S311 - reproducible data, no secret
        yield name, make(dice, rows)
    yield "tiny: 30 rows of assets", assets(min(rows, _TINY_ROWS))


def _inventory(rows: int) -> Iterator[tuple[str, pa.RecordBatch]]:
    """Yield three tables of the demo's source, of what moto answers for AWS, repeated region by region."""
    with mock_aws():
        ec2 = boto3.client("ec2", "us-east-1", aws_access_key_id="k", aws_secret_access_key="s")  # noqa: S106 - moto
        listed: Mapping[str, tuple[Table, list[Any]]] = {
            "instance types: JSON, lists": (INSTANCE_TYPES, _all(ec2, "describe_instance_types", "InstanceTypes")),
            "offerings: narrow, repetitive": (
                OFFERINGS,
                _all(
                    ec2, "describe_instance_type_offerings", "InstanceTypeOfferings", LocationType="availability-zone"
                ),
            ),
            "images: text, tags": (IMAGES, ec2.describe_images()["Images"]),
        }
    for name, (table, items) in listed.items():
        regions = (f"eu-west-{number}" for number in itertools.count(1))
        repeated = ({**item, "Region": region} for region in regions for item in items)
        batches = list(record_batches(table, itertools.islice(repeated, rows)))
        yield name, pa.Table.from_batches(batches).combine_chunks().to_batches()[0]


def _all(client: Any, operation: str, field: str, **arguments: str) -> list[Any]:
    pages = client.get_paginator(operation).paginate(**arguments)
    return [item for page in pages for item in page[field]]


def _batch(columns: dict[str, pa.Array], **metadata: dict[str, str]) -> pa.RecordBatch:
    fields = [pa.field(name, column.type, metadata=metadata.get(name)) for name, column in columns.items()]
    return pa.record_batch(list(columns.values()), schema=pa.schema(fields))


def _times(dice: random.Random, rows: int) -> pa.Array:
    now, times = _START_US, []
    for _ in range(rows):
        now += dice.randrange(2_000_000)
        times.append(now)
    return pa.array(times, _TIME)


def _metrics(dice: random.Random, rows: int) -> pa.RecordBatch:
    columns = {"at": _times(dice, rows)}
    columns |= {f"gauge_{number}": pa.array([dice.gauss(50, 20) for _ in range(rows)]) for number in range(12)}
    columns |= {f"count_{number}": pa.array([dice.randrange(10**6) for _ in range(rows)]) for number in range(12)}
    return _batch(columns)


def _narrow(dice: random.Random, rows: int) -> pa.RecordBatch:
    return _batch({"id": pa.array(range(rows)), "score": pa.array([dice.randrange(1000) for _ in range(rows)])})


def _ids(dice: random.Random, rows: int) -> pa.RecordBatch:
    ids = [pa.array([dice.randbytes(16) for _ in range(rows)], pa.binary(16)) for _ in range(3)]
    digests = pa.array([dice.randbytes(32).hex() for _ in range(rows)])
    columns = {"id": ids[0], "parent_id": ids[1], "tenant_id": ids[2], "digest": digests}
    return _batch(columns, id=_UUID, parent_id=_UUID, tenant_id=_UUID)


def _logs(dice: random.Random, rows: int) -> pa.RecordBatch:
    def message() -> str:
        return f"{' '.join(dice.choices(_WORDS, k=dice.randrange(5, 25)))} ({dice.randrange(10_000)} ms)"

    return _batch(
        {
            "at": _times(dice, rows),
            "level": pa.array(dice.choices(["INFO", "WARN", "ERROR"], [90, 8, 2], k=rows)),
            "service": pa.array(dice.choices(["api", "worker", "billing", "search"], k=rows)),
            "trace": pa.array([f"{dice.getrandbits(128):032x}" for _ in range(rows)]),
            "message": pa.array([message() for _ in range(rows)]),
        }
    )


def _documents(dice: random.Random, rows: int) -> pa.RecordBatch:
    def document() -> bytes:
        steps = [
            {"step": number, "state": dice.choice(["done", "failed", "skipped"]), "seconds": dice.random() * 100}
            for number in range(dice.randrange(1, 12))
        ]
        value = {"run": str(uuid.UUID(int=dice.getrandbits(128))), "steps": steps, "by": {"user": dice.choice(_WORDS)}}
        return json.dumps(value, separators=(",", ":")).encode()

    columns = {"id": pa.array(range(rows)), "document": pa.array([document() for _ in range(rows)], pa.binary())}
    return _batch(columns, document=_JSON)


def _nested(dice: random.Random, rows: int) -> pa.RecordBatch:
    point = pa.struct([("x", pa.float64()), ("y", pa.float64()), ("label", pa.string())])

    def points() -> list[dict[str, object]]:
        kinds = _WORDS[:8]
        return [
            {"x": round(dice.random() * 180, 4), "y": round(dice.random() * 90, 4), "label": dice.choice(kinds)}
            for _ in range(dice.randrange(6))
        ]

    return _batch(
        {
            "id": pa.array(range(rows)),
            "points": pa.array([points() for _ in range(rows)], pa.list_(point)),
            "members": pa.array([[dice.randrange(10_000) for _ in range(dice.randrange(9))] for _ in range(rows)]),
        }
    )


_MADE: Final[dict[str, Callable[[random.Random, int], pa.RecordBatch]]] = {
    "metrics: numbers": _metrics,
    "narrow: two numbers": _narrow,
    "ids: random bytes": _ids,
    "logs: text": _logs,
    "documents: JSON alone": _documents,
    "nested: lists of structs": _nested,
}
