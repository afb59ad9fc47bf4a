from __future__ import annotations

import json
import time
from base64 import b64decode
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

import committed_records as committed
import rows
from cloudquery_s3.committed import Checksum, ColumnStatistics, FileStatistics, Origin, fingerprint
from cloudquery_s3.errors import EncodeError, StoreError
from cloudquery_s3.formats import make_format
from cloudquery_s3.formats.encoder import Alterations
from cloudquery_s3.publication.manifest import ManifestBuilder, _bound, instant, json_schema
from specs import parsed

if TYPE_CHECKING:
    from cloudquery_s3.spec import Spec

VALIDATOR = Draft202012Validator(json.loads(json_schema()))
DOCS = Path(__file__).parents[3] / "docs"
MAX_CPU_S = 0.030


def spec(**manifest: Any) -> Spec:
    """A Parquet destination with a manifest."""
    return parsed(bucket="lake", path="data/{{TABLE}}/{{UUID}}.{{FORMAT}}", format="parquet", manifest=manifest)


def document(records: Any = (), end: Any = None, **manifest: Any) -> dict[str, Any]:
    """The manifest of a Write with these records; it fits the published schema."""
    builder = ManifestBuilder(committed.start(), spec=spec(**manifest), sync_id="s-1")
    for one in records:
        builder.add(one)
    made: dict[str, Any] = json.loads(builder.document(end or committed.end()))
    VALIDATOR.validate(made)
    return made


def test_the_whole_document() -> None:
    """A manifest has every field of the Write, and of each object what a reader needs to find and to check it."""
    schema = rows.schema("t", n=pa.int64())
    checksum = Checksum("CRC32", "AAAAAA==", "FULL_OBJECT")
    one = committed.record(schema=schema, checksum=checksum, partition={"region": "eu", "account": None}, retries=2)
    two = committed.record(key="data/t/2.parquet", rows=4, altered={("tags", "not JSON"): 5})
    made = document([one, two], committed.end(schemas={"t": schema, "empty": rows.schema("empty")}), part="3")
    schema_id = fingerprint(schema)
    assert made["schemas"][schema_id]["columns"] == [
        {"name": "n", "arrow": "int64", "parquet": None, "nullable": True, "extension": None}
    ]
    received = pa.ipc.read_schema(pa.py_buffer(b64decode(made["schemas"][schema_id]["arrow_ipc"])))
    assert received.equals(schema, check_metadata=True)
    assert made["tables"]["t"]["entries"][0] == {
        "url": "s3://lake/data/t/1.parquet",
        "mandatory": True,
        "meta": {"content_length": 100, "record_count": 3},
        "key": "data/t/1.parquet",
        "etag": "e",
        "checksum": {"algorithm": "CRC32", "value": "AAAAAA==", "type": "FULL_OBJECT"},
        "schema": schema_id,
        "partition": {"region": "eu", "account": None},
    }
    table = {name: value for name, value in made["tables"]["t"].items() if name != "entries"}
    assert table == {
        "status": "complete",
        "error": None,
        "rows": 7,
        "bytes": 200,
        "objects": 2,
        "altered": {"tags: not JSON": 5},
        "schema": schema_id,
    }
    assert made["tables"]["empty"] | {"schema": ""} == {
        **dict.fromkeys(("rows", "bytes", "objects"), 0),
        "status": "complete",
        "error": None,
        "altered": {},
        "schema": "",
        "entries": [],
    }
    rest = {name: value for name, value in made.items() if name not in {"tables", "schemas", "plugin"}}
    assert rest == {
        "manifest_version": 1,
        "kind": "write",
        "status": "complete",
        "error": None,
        "sync_id": "s-1",
        "attempt_id": "00000000-0000-4000-8000-00000000000a",
        "part": "3",
        "sources": ["aws"],
        "sync_times": ["2026-11-26T09:08:34.503633Z"],
        "sync_group_ids": [],
        "started_at": "2026-11-26T09:08:34.503633Z",
        "ended_at": "2026-11-26T09:09:34.503633Z",
        "bucket": "lake",
        "path": "data/{{TABLE}}/{{UUID}}.{{FORMAT}}",
        "format": "parquet",
        "compression": None,
        "no_rotate": False,
        "rows": 7,
        "bytes": 200,
        "objects": 2,
        "retries": 2,
        "altered_cells": 5,
    }


def test_no_rows() -> None:
    """A Write without rows names no source and no object, and is complete."""
    made = document()
    assert (made["status"], made["sources"], made["tables"], made["part"]) == ("complete", [], {}, None)


def test_everything_is_joined() -> None:
    """Sources, times and groups of all objects are listed once each, in order."""
    origins = [Origin(frozenset({name}), frozenset({f"T{name}"}), frozenset({"g"})) for name in ("b", "a", "b")]
    made = document([committed.record(key=f"{n}", origin=origin) for n, origin in enumerate(origins)])
    assert (made["sources"], made["sync_times"], made["sync_group_ids"]) == (["a", "b"], ["Ta", "Tb"], ["g"])


@pytest.mark.parametrize("status", ["failed", "interrupted"])
def test_no_table_of_an_incomplete_write_is_complete(status: str) -> None:
    """In a failed or interrupted Write no table is complete, whatever became of the table itself."""
    error = StoreError("no", operation="PutObject", key="k")
    failures = {"u": EncodeError("u", "cannot be written"), "never": EncodeError("never", "x" * 5000)}
    made = document(
        [committed.record("t"), committed.record("u")], committed.end(status, error=error, failures=failures)
    )
    assert made["error"] == "PutObject k: no"
    assert {table["status"] for table in made["tables"].values()} == {status}
    assert made["tables"]["t"]["error"] is None
    assert made["tables"]["u"]["error"] == "table u: cannot be written"
    assert len(made["tables"]["never"]["error"]) == 2000


def test_statistics() -> None:
    """With `statistics` an entry has each flat column's NULLs and bounds, as Parquet's footer has them; else none."""
    table = pa.table({"n": [3, None, 1], "s": ["b", "a", None], "l": [[1], None, [2]]})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    footer = pq.read_metadata(pa.BufferReader(sink.getvalue()))
    one = committed.record(statistics=FileStatistics(footer=footer))
    assert document([one], statistics=True)["tables"]["t"]["entries"][0]["columns"] == {
        "n": {"null_count": 1, "min": 1, "max": 3},
        "s": {"null_count": 1, "min": "a", "max": "b"},
    }
    assert "columns" not in document([one])["tables"]["t"]["entries"][0]


def test_bounds() -> None:
    """Bounds are JSON values that lose nothing; what has no JSON form, or a long one, is left out."""
    eastern = timezone(timedelta(hours=2))
    cases: list[tuple[Any, Any]] = [
        (None, None), (True, True), (1.5, 1.5), (float("nan"), None), (float("-inf"), None), (2**53, str(2**53)),
        (-(2**53) + 1, -(2**53) + 1), (b"\xff", "/w=="), ("x" * 256, "x" * 256), ("x" * 257, None),
        (date(1, 2, 3), "0001-02-03"), (Decimal("1.10"), "1.10"),
        (datetime(2026, 1, 1, 2, tzinfo=eastern), "2026-01-01T00:00:00.000000Z"),
        (datetime(2026, 1, 1, 2), "2026-01-01T02:00:00.000000"),  # noqa: DTZ001 - a timestamp without a zone
    ]  # fmt: skip
    assert [_bound(value) for value, _ in cases] == [expected for _, expected in cases]


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(), st.dates(), st.times(), st.decimals(),
    st.datetimes(), st.datetimes(timezones=st.just(UTC)),
)  # fmt: skip


@given(SCALARS, SCALARS)
def test_any_bounds_fit_the_schema(minimum: Any, maximum: Any) -> None:
    """Whatever Parquet's footer holds, the document is JSON that fits the schema."""

    class Known(FileStatistics):
        def columns(self) -> dict[str, ColumnStatistics]:
            return {"c": ColumnStatistics(None, minimum, maximum)}

    document([committed.record(statistics=Known())], statistics=True)


@given(st.datetimes(timezones=st.timezones()), st.datetimes(timezones=st.timezones()))
def test_instants_sort_as_moments(one: datetime, other: datetime) -> None:
    """The texts of two moments compare as the moments do."""
    assert (instant(one) < instant(other)) == (one.astimezone(UTC) < other.astimezone(UTC))


def test_the_published_schema() -> None:
    """The schema is valid, and the one in the documentation is the package's; a wrong document does not fit it."""
    Draft202012Validator.check_schema(json.loads(json_schema()))
    assert (DOCS / "manifest.schema.json").read_text(encoding="utf-8") == json_schema()
    made = document([committed.record()])
    for wrong in ({"status": "done"}, {"manifest_version": 2}, {"rows": -1}, {"kind": "x"}, {"started_at": "today"}):
        assert not VALIDATOR.is_valid(made | wrong)
    assert not VALIDATOR.is_valid({name: value for name, value in made.items() if name != "tables"})


def test_physical_types() -> None:
    """Columns of Parquet objects have their physical types, but for nested ones; a later object counts, too."""
    columns = {"n": pa.int32(), "a.b": pa.string(), "s": pa.struct([("x", pa.int64())]), "l": pa.list_(pa.int64())}
    schema = rows.schema("t", **columns, at=pa.timestamp("us"))
    encoder = make_format(spec()).encoder(schema, Alterations())
    first = committed.record(schema=schema)
    second = committed.record(key="2", schema=schema, statistics=encoder.finish().statistics)
    (described,) = document([first, second])["schemas"].values()
    assert {column["name"]: column["parquet"] for column in described["columns"]} == {
        "n": "INT32",
        "a.b": "BYTE_ARRAY",
        "s": None,
        "l": None,
        "at": "INT64",
    }


def test_its_cost() -> None:
    """A thousand objects of 50 tables and 21 columns cost no more than 30 ms of processor time, the best of a few."""
    schema = pa.schema([pa.field(f"column_{n}", pa.string()) for n in range(21)], metadata={"cq:table_name": "t"})
    records = committed.many(50, 1000, schema, checksum=Checksum("CRC32", "AAAAAA==", "FULL_OBJECT"))
    schemas = {one.table: one.schema for one in records}

    def cpu_s() -> float:
        began = time.process_time()
        builder = ManifestBuilder(committed.start(), spec=spec(), sync_id="s")
        for one in records:
            builder.add(one)
        assert len(builder.document(committed.end(schemas=schemas))) < 500_000
        return time.process_time() - began

    assert min(cpu_s() for _ in range(5)) < MAX_CPU_S
