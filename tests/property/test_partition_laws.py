"""Partitions by column: each row once, in the right place, in order, whatever the rows, columns and limits."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rows
from cloudquery_s3.errors import WriteFailedError
from cloudquery_s3.object_key import NULL_PARTITION, escaped_value, partition_fields
from cloudquery_s3.stores.memory import MemoryStore
from cloudquery_s3.writer.partitioning import Partitioner
from streams import rows_of, stream

if TYPE_CHECKING:
    from cloudquery_s3.committed import CommittedObject, WriteEnd, WriteStart

TEXTS = st.one_of(st.none(), st.sampled_from(["", "a", "b", "a=b", "x/y", "100%", ".", "..", "é", "\n"]), st.text())
NUMBERS = st.one_of(st.none(), st.integers(-3, 3))


def written(batches: list[bytes], path: str, **options: Any) -> tuple[MemoryStore, Records]:
    """Write payloads, and return what is in the store and what was told of it."""
    store, records = MemoryStore(), Records()

    async def scenario() -> None:
        with stream(store, path=path, publishers=[records], **options) as writer:
            for payload in batches:
                writer.insert(payload)
                if writer.full:
                    await writer.make_room()
            await writer.finish()

    asyncio.run(scenario())
    assert store.open_keys == []
    return store, records


class Records:
    """A publisher that keeps the objects it hears of."""

    def __init__(self) -> None:
        self.objects: list[CommittedObject] = []

    def __call__(self, _start: WriteStart) -> Records:
        return self

    def committed(self, record: CommittedObject) -> None:
        self.objects.append(record)

    async def publish(self, end: WriteEnd) -> None:
        pass


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.lists(st.tuples(TEXTS, NUMBERS), min_size=1, max_size=12), min_size=1, max_size=6),
    st.sampled_from([0, 1, 3]),
    st.sampled_from([1, 2, 100]),
    st.sampled_from([5_000, 1 << 28]),
    st.sampled_from([0, 1 << 20]),
)
def test_each_row_once_in_its_partition_and_in_order(
    messages: list[list[tuple[str | None, int | None]]], max_rows: int, open_partitions: int, budget: int, size: int
) -> None:
    """Every row is in one object, whose key has its values and whose record tells them; a partition keeps its order."""
    number = iter(range(10_000))
    sent = [[(next(number), text, value) for text, value in message] for message in messages]
    payloads = [
        rows.ipc(
            pa.record_batch(
                [
                    pa.array([n for n, _, _ in message], pa.int64()),
                    pa.array([text for _, text, _ in message], pa.string()),
                    pa.array([value for _, _, value in message], pa.int32()),
                ],
                schema=rows.schema("t", n=pa.int64(), text=pa.string(), value=pa.int32()),
            )
        )
        for message in sent
    ]
    path = "{{TABLE}}/text={{COLUMN:text}}/v={{COLUMN:value}}/{{UUID}}"
    limits = {
        "max_rows": max_rows,
        "max_open_partitions": open_partitions,
        "memory_budget": budget,
        "object_size": size,
    }
    store, records = written(payloads, path, **limits)
    found: list[int] = []
    by_partition: dict[tuple[Any, Any], list[list[int]]] = {}
    assert {record.key for record in records.objects} == store.objects.keys()
    for record in sorted(records.objects, key=lambda record: int(record.key.rsplit("/", 1)[1])):
        lines = [json.loads(line) for line in store.objects[record.key].splitlines()]
        values = {(line["text"] or None, line["value"]) for line in lines}
        assert len(values) == 1
        text, value = values.pop()
        assert dict(record.partition) == {"text": text, "value": None if value is None else str(value)}
        folders = [unquote(part.partition("=")[2]) for part in record.key.split("/")[1:3]]
        assert folders == [NULL_PARTITION if text is None else text, NULL_PARTITION if value is None else str(value)]
        by_partition.setdefault((text, value), []).append([line["n"] for line in lines])
        found += [line["n"] for line in lines]
        assert not max_rows or len(lines) <= max_rows
    assert sorted(found) == [n for message in sent for n, _, _ in message]
    for objects in by_partition.values():
        assert [n for one in objects for n in one] == sorted(n for one in objects for n in one)


@given(st.one_of(st.none(), st.text()))
def test_escaped_values_come_back(value: str | None) -> None:
    """A value in a key has no character that would end its folder or its name, and unescaping gives it back."""
    escaped = escaped_value(value)
    assert not set(escaped) & set("/=\n\x00\x7f")
    assert unquote(escaped) == (value or NULL_PARTITION)


@pytest.mark.parametrize(
    ("column", "placeholder", "expected"),
    [
        (pa.array([0, -1, None], pa.timestamp("us", "UTC")), "{{DATE:c}}", ["1970-01-01", "1969-12-31", None]),
        (pa.array([0, -1, None], pa.timestamp("s", "Asia/Tokyo")), "{{HOUR:c}}", ["00", "23", None]),
        (pa.array([2**62, -(2**62)], pa.timestamp("ns")), "{{YEAR:c}}", ["2116", "1823"]),
        (pa.array([86_400_000, None], pa.date64()), "{{DATE:c}}", ["1970-01-02", None]),
        (pa.array([3_000_000, 59, None], pa.date32()), "{{YEAR:c}}", ["10183", "1970", None]),
        (pa.array([59, None], pa.date32()), "{{MONTH:c}}-{{DAY:c}}-{{HOUR:c}}", ["03", None]),
        (pa.array([59, None], pa.date32()), "{{COLUMN:c}}", ["1970-03-01", None]),
        (pa.array([True, None, False]), "{{COLUMN:c}}", ["true", None, "false"]),
        (pa.array([2**64 - 1, 0], pa.uint64()), "{{COLUMN:c}}", ["18446744073709551615", "0"]),
        (pa.array(["x", "", None]).dictionary_encode(), "{{COLUMN:c}}", ["x", None]),
        (pa.array(["x", "y"], pa.large_string()), "{{COLUMN:c}}", ["x", "y"]),
        (pa.array(["x", "y"], pa.string_view()), "{{COLUMN:c}}", ["x", "y"]),
        (pa.array(["x", "y", "y", "x", "y"], pa.string_view()), "{{COLUMN:c}}", ["x", "y"]),
    ],
)
def test_values_of_each_type(column: pa.Array, placeholder: str, expected: list[str | None]) -> None:
    """A value in a key is what the text formats write for it; timestamps count in UTC; years may be any."""
    batch = pa.record_batch([column], names=["c"])
    partitioner = Partitioner("t", partition_fields(placeholder))
    partitioner.check(batch.schema)
    assert [partition[0] for partition, _ in partitioner.split(batch)] == expected


@pytest.mark.parametrize(
    ("value", "placeholder", "message"),
    [
        ([1.5], "{{COLUMN:c}}", r"table t: \{\{COLUMN:c\}\} in 'path' cannot hold values of type double"),
        ([[1]], "{{COLUMN:c}}", r"cannot hold values of type list"),
        (["x"], "{{DATE:c}}", r"has no value in a column of type string: use a column of dates or timestamps"),
    ],
)
def test_types_that_make_no_keys(value: list[Any], placeholder: str, message: str) -> None:
    """A column whose type makes no keys fails its table at the first row, by column and type; others are complete."""
    with pytest.raises(WriteFailedError, match=message):
        written([rows_of("t", c=value), rows_of("u", n=[1])], f"{{{{TABLE}}}}/{placeholder}/{{{{UUID}}}}")


def test_a_column_that_a_table_has_not() -> None:
    """A table without the column is one partition, whose value is NULL, and so is its empty object."""
    path = "{{TABLE}}/r={{COLUMN:r}}/{{UUID}}"
    store, _ = written([rows_of("t", n=[1, 2])], path)
    assert list(store.objects) == [f"t/r={NULL_PARTITION}/0"]


def test_too_many_values_fail_the_table() -> None:
    """More than 10,000 distinct values fail the table by the column's name and the number."""
    with pytest.raises(WriteFailedError, match="more than 10,000 distinct values of n, which 'path' has"):
        written([rows_of("t", n=list(range(10_001)))], "{{TABLE}}/{{COLUMN:n}}/{{UUID}}")


def test_one_value_costs_no_copy() -> None:
    """A batch of one partition is handed on as it is."""
    batch = pa.record_batch({"r": ["x"] * 3, "n": [1, 2, 3]})
    ((partition, same),) = Partitioner("t", partition_fields("{{COLUMN:r}}")).split(batch)
    assert partition == ("x",)
    assert same is batch
