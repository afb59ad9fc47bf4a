"""Writes become commits: what readers of Iceberg tables find after them."""

from __future__ import annotations

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from threading import Barrier
from typing import Any

import duckdb
import pyarrow as pa
import pytest

import rows
from cloudquery_s3.catalogs.iceberg.catalog import Lake
from cloudquery_s3.catalogs.iceberg.commit import SOURCE, SYNC_ID, WRITE_ID
from cloudquery_s3.committed import Conditions, DeleteRecord, DeleteStale, Equality
from cloudquery_s3.errors import CatalogError
from iceberg_lake import SYNC, FolderIO, LakeFolder, schema_of, sync_rows

PAGE = Path(__file__).parents[3] / "docs" / "iceberg.md"


@pytest.fixture
def lake(tmp_path: Path) -> LakeFolder:
    """A lake of its own."""
    return LakeFolder(tmp_path)


def moment(day: int) -> datetime:
    """The sync time of a day's rows."""
    return datetime(2026, 11, day, 9, 8, 34, 503633, tzinfo=UTC)


def equal(column: str, array: pa.Array, **metadata: bytes) -> Equality:
    """A condition, as a source sends it."""
    marks = {f"ARROW:extension:{name}".encode(): value for name, value in metadata.items()}
    schema = pa.schema([pa.field(column, array.type, metadata=marks or None)])
    return Equality(column, rows.ipc(pa.record_batch([array], schema=schema)))


def test_the_catalogue_is_opened_once(lake: LakeFolder) -> None:
    """Tables that are committed at the same time share one catalogue: opened twice, each would make SQLite's tables."""
    started = Barrier(8)

    def catalog(_number: int) -> object:
        started.wait(timeout=30)
        return lake.lake.catalog

    with ThreadPoolExecutor(8) as pool:
        assert len(set(map(id, pool.map(catalog, range(8))))) == 1


def test_the_query_of_the_page(lake: LakeFolder) -> None:
    """The query of iceberg.md tells how many rows each source has; Trino itself reads tables in a slow test."""
    instances = schema_of("aws_ec2_instances")
    for numbers, source in (([1, 2], "one"), ([9], "two")):
        lake.publish(lake.put(sync_rows(numbers, source=source, schema=instances)))
    (query,) = re.findall(r"```sql\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    with duckdb.connect() as database:
        database.register("instances", lake.table("aws_ec2_instances").scan().to_arrow())
        found = database.sql(query.replace("lake.cloudquery.aws_ec2_instances", "instances")).fetchall()
    assert {(source, count) for source, _, count in found} == {("one", 2), ("two", 1)}


def test_append(lake: LakeFolder) -> None:
    """One commit a table and Write: the rows of its objects, with the ids of sync and Write and the source's name."""
    lake.publish(lake.put(sync_rows([1, 2])), lake.put(sync_rows([3])), lake.put(sync_rows([9], schema=schema_of("u"))))
    write = lake.publish(lake.put(sync_rows([4], source="two")))
    assert lake.column() == [1, 2, 3, 4]
    assert lake.column(table="u") == [9]
    snapshots = lake.table().metadata.snapshots
    assert len(snapshots) == 2
    properties = snapshots[-1].summary.additional_properties
    assert {name: properties[name] for name in (WRITE_ID, SYNC_ID, SOURCE)} == {
        WRITE_ID: write,
        SYNC_ID: SYNC,
        SOURCE: "two",
    }


def test_no_object_is_read_or_written_again(lake: LakeFolder) -> None:
    """Adding objects and deleting stale ones reads no object and writes none: the footers in memory are enough."""
    lake.publish(lake.put(sync_rows([1, 2])), lake.put(sync_rows([3], source="two")))
    objects = [lake.put(sync_rows([4, 5], day=2))]
    before = set(lake.folder.rglob("*.parquet"))
    FolderIO.reads.clear()
    lake.publish(*objects, deletes=[DeleteStale("t", "one", moment(2))])
    assert not [url for url in FolderIO.reads if url.endswith(".parquet")]
    assert set(lake.folder.rglob("*.parquet")) == before
    assert lake.column() == [3, 4, 5]


def test_new_table(lake: LakeFolder) -> None:
    """A table is made from the file's columns, optional all, with a name mapping and the source's description."""
    column = pa.field("c", pa.list_(pa.struct([pa.field("x", pa.int64(), nullable=False)])), nullable=False)
    lake.publish(lake.put(sync_rows([1], schema=schema_of("t", column), c=[{"x": 1}])))
    table = lake.table()
    assert [field.name for field in table.schema().fields if field.required] == []
    assert table.name_mapping() is not None
    assert table.properties["comment"] == "what it is"
    assert table.scan().to_arrow()["c"].to_pylist() == [[{"x": 1}]]


def test_new_columns_are_added(lake: LakeFolder) -> None:
    """A column that is new comes to the table, also within one Write; one that is missing reads NULL."""
    lake.publish(lake.put(sync_rows([1], schema=schema_of("t", pa.field("a", pa.string())), a="a")))
    wider = schema_of("t", pa.field("b", pa.float64()))
    widest = schema_of("t", pa.field("b", pa.float64()), pa.field("c", pa.bool_()))
    lake.publish(lake.put(sync_rows([2], schema=wider, b=0.5)), lake.put(sync_rows([3], schema=widest, c=True)))
    found = sorted(lake.table().scan().to_arrow().to_pylist(), key=lambda row: row["n"])
    assert [(row["n"], row["a"], row["b"], row["c"]) for row in found] == [
        (1, "a", None, None),
        (2, None, 0.5, None),
        (3, None, None, True),
    ]


def test_changed_type_fails_its_table(lake: LakeFolder) -> None:
    """A changed type fails that table, which is named with column and types; the others have their commit."""
    lake.publish(lake.put(sync_rows([1], schema=schema_of("t", pa.field("a", pa.string())), a="a")))
    changed = lake.put(sync_rows([2], schema=schema_of("t", pa.field("a", pa.int64())), a=1))
    with pytest.raises(CatalogError, match=r"1 of 2 tables .* table t: .* a is long and was string"):
        lake.publish(changed, lake.put(sync_rows([9], schema=schema_of("u"))))
    assert lake.column() == [1]
    assert lake.column(table="u") == [9]


@pytest.mark.parametrize("status", ["failed", "interrupted"])
def test_write_without_success(lake: LakeFolder, status: str) -> None:
    """A Write that has not succeeded commits nothing, and deletes nothing."""
    lake.publish(lake.put(sync_rows([1])))
    lake.publish(lake.put(sync_rows([2], day=2)), deletes=[DeleteStale("t", "one", moment(2))], status=status)
    assert lake.column() == [1]


def test_empty_object(lake: LakeFolder) -> None:
    """An object without rows makes the table and adds no file to it."""
    lake.publish(lake.put(sync_rows([])))
    assert lake.column() == []
    assert lake.table().inspect.files().num_rows == 0


def test_objects_of_every_type(lake: LakeFolder) -> None:
    """Columns of every type that all engines read are read as they were written."""
    values = {
        "a": (pa.bool_(), True),
        "b": (pa.int32(), -5),
        "c": (pa.float32(), 0.5),
        "d": (pa.date32(), datetime(2026, 11, 26, tzinfo=UTC).date()),
        "e": (pa.timestamp("us"), datetime(2026, 11, 26, 1, 2, 3, 4)),  # noqa: DTZ001 -- without a zone
        "f": (pa.decimal128(20, 2), Decimal("1.10")),
        "g": (pa.binary(), b"\x00\xff"),
        "h": (pa.map_(pa.string(), pa.list_(pa.int64())), [("k", [1, None])]),
        "i": (pa.struct([("x", pa.string()), ("y", pa.list_(pa.string()))]), {"x": None, "y": ["z"]}),
    }
    schema = schema_of("t", *(pa.field(name, kind) for name, (kind, _) in values.items()))
    lake.publish(lake.put(sync_rows([1], schema=schema, **{name: value for name, (_, value) in values.items()})))
    (found,) = lake.table().scan().to_arrow().to_pylist()
    assert {name: found[name] for name in values} == {name: value for name, (_, value) in values.items()}


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (pa.string(), "x" * 100_000),
        (pa.string(), "\U0010ffff" * 20),
        (pa.string(), ""),
        (pa.string(), None),
        (pa.binary(), b"\xff" * 20),
        (pa.float64(), float("nan")),
        (pa.float64(), float("-inf")),
        (pa.decimal128(38, 0), Decimal(10**38 - 1)),
        (pa.date32(), date(9999, 12, 31)),
        (pa.list_(pa.string()), ["x" * 100_000]),
        (pa.struct([("x", pa.string())]), {"x": None}),
    ],
)
def test_values_without_bounds(lake: LakeFolder, kind: pa.DataType, value: Any) -> None:
    """A column whose bounds are missing or cut is read all the same, and its rows are found and deleted by others."""
    schema = schema_of("t", pa.field("v", kind))
    lake.publish(
        lake.put(sync_rows([1], schema=schema, v=value)), lake.put(sync_rows([2], source="two", schema=schema))
    )
    found = lake.table().scan(row_filter="n == 1").to_arrow()["v"].to_pylist()
    assert str(found) == str([value])
    lake.publish(deletes=[DeleteStale("t", "one", moment(2))])
    assert lake.column() == [2]


def test_types_that_iceberg_lacks(lake: LakeFolder) -> None:
    """Types that Iceberg lacks reach it as the portable ones, without a loss: unsigned, wide, of other units."""
    fields = [
        pa.field("u32", pa.uint32()),
        pa.field("u64", pa.uint64()),
        pa.field("f16", pa.float16()),
        pa.field("ms", pa.timestamp("ms", tz="UTC")),
        pa.field("ns", pa.timestamp("ns")),
        pa.field("time", pa.time64("ns")),
        pa.field("nothing", pa.null()),
        pa.field("wide", pa.decimal256(50, 4)),
    ]
    moment = datetime(2026, 11, 26, 1, 2, 3, 4000, tzinfo=UTC)
    cells = {"u32": 2**32 - 1, "u64": 2**64 - 1, "f16": 0.5, "ms": moment, "wide": Decimal("1.1000")}
    lake.publish(lake.put(sync_rows([1], schema=schema_of("t", *fields), **cells)))
    (found,) = lake.table().scan().to_arrow().to_pylist()
    assert (found["u32"], found["u64"], found["f16"], found["ms"]) == (2**32 - 1, 2**64 - 1, 0.5, moment)
    assert found["nothing"] is None


def test_stale_rows_of_one_source(lake: LakeFolder) -> None:
    """A source's older rows go in the commit that brings its newer ones; other sources keep theirs, whatever age."""
    long = "a-name-that-begins-like-others-"
    for source in ("1", "2"):
        lake.publish(lake.put(sync_rows([int(source)], source=long + source)))
    lake.publish(lake.put(sync_rows([11], source=long + "1", day=3)), deletes=[DeleteStale("t", long + "1", moment(3))])
    assert lake.column() == [2, 11]
    lake.publish(lake.put(sync_rows([22], source=long + "2", day=2)), deletes=[DeleteStale("t", long + "2", moment(2))])
    assert lake.column() == [11, 22]


def test_stale_rows_without_new_ones(lake: LakeFolder) -> None:
    """A source that has no rows any more leaves none; in a table that there is not, nothing is deleted."""
    lake.publish(lake.put(sync_rows([1])))
    lake.publish(deletes=[DeleteStale("t", "one", moment(2)), DeleteStale("nowhere", "one", moment(2))])
    assert lake.column() == []
    assert lake.lake.load("nowhere") is None


def test_stale_rows_in_a_mixed_file(lake: LakeFolder) -> None:
    """A file that matches in part is written again without the rows that go."""
    mixed = pa.RecordBatch.from_pylist(
        [*sync_rows([1], day=1).to_pylist(), *sync_rows([2], day=2).to_pylist()], schema=schema_of()
    )
    lake.publish(lake.put(mixed))
    lake.publish(lake.put(sync_rows([3], day=2)), deletes=[DeleteStale("t", "one", moment(2))])
    assert lake.column() == [2, 3]


def test_rows_by_primary_key(lake: LakeFolder) -> None:
    """Without a DeleteStale, rows of a table with a primary key replace those that have it, and only those."""
    value = pa.field("v", pa.string())
    schema = schema_of("t", value, key="n")
    lake.publish(lake.put(sync_rows([1, 2], schema=schema, v="old")), lake.put(sync_rows([3], schema=schema, v="old")))
    lake.publish(lake.put(sync_rows([2, 4], day=2, schema=schema, v="new")))
    found = {row["n"]: row["v"] for row in lake.table().scan().to_arrow().to_pylist()}
    assert lake.column() == [1, 2, 3, 4]
    assert found == {1: "old", 2: "new", 3: "old", 4: "new"}


def test_one_key_twice_in_a_write(lake: LakeFolder) -> None:
    """Of several new rows with one key the last one stays, within an object and between objects."""
    schema = schema_of("t", pa.field("v", pa.string()), key="n")
    first = sync_rows([1, 1, 2], schema=schema)
    first = first.set_column(3, schema.field(3), pa.array(["a", "b", "c"]))
    lake.publish(lake.put(first), lake.put(sync_rows([2], schema=schema, v="d")))
    assert sorted((row["n"], row["v"]) for row in lake.table().scan().to_arrow().to_pylist()) == [(1, "b"), (2, "d")]


def test_key_of_several_columns(lake: LakeFolder) -> None:
    """Keys of several columns are told apart, whatever texts they hold, and NULL is a value like any other."""
    schema = schema_of("t", pa.field("a", pa.string()), pa.field("b", pa.binary()), key="a b")
    keys = [("x\x1f", b"y"), ("x", b"\x1fy"), ("x\\", b"y"), ("x", b"\\y"), (None, b"y"), ("\\0", b"y"), ("", None)]
    data = sync_rows(range(len(keys)), schema=schema)
    data = data.set_column(3, schema.field(3), pa.array([a for a, _ in keys]))
    data = data.set_column(4, schema.field(4), pa.array([b for _, b in keys], pa.binary()))
    lake.publish(lake.put(data))
    assert lake.column() == list(range(len(keys)))
    for number, (a, b) in enumerate(keys):
        lake.publish(lake.put(sync_rows([100 + number], schema=schema, a=a, b=b)))
    assert lake.column() == [100 + number for number in range(len(keys))]


def test_delete_record(lake: LakeFolder) -> None:
    """A DeleteRecord's groups of conditions all hold; one condition of an OR group is enough; no group is every row."""
    schema = schema_of("t", pa.field("v", pa.string()))
    lake.publish(lake.put(sync_rows([1, 2, 3], schema=schema, v="a")), lake.put(sync_rows([4], schema=schema, v="b")))
    either = Conditions(any_of=True, equalities=(equal("n", pa.array([1])), equal("n", pa.array([4]))))
    of_a = Conditions(any_of=False, equalities=(equal("v", pa.array(["a"])),))
    lake.publish(deletes=[DeleteRecord("t", (either, of_a))])
    assert lake.column() == [2, 3, 4]
    lake.publish(lake.put(sync_rows([5], schema=schema)), deletes=[DeleteRecord("t", ())])
    assert lake.column() == [5]


def test_delete_record_by_uuid(lake: LakeFolder) -> None:
    """A value of CloudQuery's own types is compared as the files have it."""
    mark = {"ARROW:extension:name": "uuid"}
    schema = schema_of("t", pa.field("id", pa.binary(16), metadata=mark))
    lake.publish(lake.put(sync_rows([1], schema=schema, id=b"0" * 16)), lake.put(sync_rows([2], schema=schema)))
    condition = equal("id", pa.array([b"0" * 16], pa.binary(16)), name=b"uuid")
    lake.publish(deletes=[DeleteRecord("t", (Conditions(any_of=False, equalities=(condition,)),))])
    assert lake.column() == [2]


def test_delete_record_with_tables_below(lake: LakeFolder) -> None:
    """Rows go with their parents, at every depth."""
    texts = (pa.field("_cq_id", pa.string()), pa.field("_cq_parent_id", pa.string()))
    for table, of_parents in (("t", ""), ("child", "t-"), ("grandchild", "child-")):
        schema = schema_of(table, *texts)
        for number in (1, 2):
            own = {"_cq_id": f"{table}-{number}", "_cq_parent_id": f"{of_parents}{number}"}
            lake.publish(lake.put(sync_rows([number], schema=schema, **own)))
    condition = Conditions(any_of=False, equalities=(equal("n", pa.array([1])),))
    relations = (("grandchild", "child"), ("child", "t"), ("nowhere", "t"))
    lake.publish(deletes=[DeleteRecord("t", (condition,), relations)])
    assert [lake.column(table=table) for table in ("t", "child", "grandchild")] == [[2], [2], [2]]


def test_delete_by_a_column_that_is_not_there(lake: LakeFolder) -> None:
    """A wish that names a column that the table lacks fails the table by name, and shows no value."""
    lake.publish(lake.put(sync_rows([1])))
    condition = Conditions(any_of=False, equalities=(equal("x", pa.array(["s3cret"])),))
    with pytest.raises(CatalogError, match="table t: rows cannot be deleted by x") as raised:
        lake.publish(deletes=[DeleteRecord("t", (condition,))])
    assert "s3cret" not in str(raised.value)


def test_two_tables_of_one_name(tmp_path: Path) -> None:
    """Two tables that would be one Iceberg table are refused, both by name, before anything is committed."""
    lake = LakeFolder(tmp_path)
    options = replace(lake.spec.iceberg, table="{{TABLE_HYPHEN}}")
    lake.lake = Lake(replace(lake.spec, iceberg=options))
    records = [lake.put(sync_rows([1], schema=schema_of(table))) for table in ("a_b", "a-b")]
    with pytest.raises(CatalogError, match="tables a-b and a_b would be one Iceberg table"):
        lake.publish(*records)
    assert lake.lake.load("a_b") is None


def in_a_process(program: str) -> str:
    """What a program prints, in a process of its own."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_nothing_is_imported_unless_asked_for() -> None:
    """A destination without tables imports neither pyiceberg nor what Glue needs."""
    program = """
import json, sys
from cloudquery_s3.server import destination
from cloudquery_s3.catalogs import catalog_publishers
from cloudquery_s3.spec import Spec
spec = {"bucket": "b", "region": "r", "path": "{{TABLE}}/{{UUID}}", "format": "parquet"}
assert catalog_publishers(Spec.parse(json.dumps(spec).encode(), invocation_id="i"), sync_id="i") == []
print([name for name in sys.modules if name.startswith(("pyiceberg", "cloudquery_s3.catalogs."))])
"""
    assert in_a_process(program) == "[]"


def test_without_the_extra() -> None:
    """Where pyiceberg is not installed, a spec with tables is refused by the name of the extra."""
    program = """
import sys
sys.modules["pyiceberg"] = None  # as if it were not there
from cloudquery_s3.catalogs.iceberg import require_pyiceberg
from cloudquery_s3.errors import SpecError
try:
    require_pyiceberg()
except SpecError as error:
    print(error)
"""
    assert "pip install 'cloudquery-destination-s3[iceberg]'" in in_a_process(program)
