"""A catalogue that fails, before or after it has done what it was asked: rows are there once, or not at all."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyiceberg.exceptions import (
    CommitFailedException,
    CommitStateUnknownException,
    ForbiddenError,
    ServiceUnavailableError,
)

from cloudquery_s3.catalogs.iceberg.commit import ATTEMPTS, WRITE_ID
from cloudquery_s3.catalogs.iceberg.relations import children_first
from cloudquery_s3.committed import DeleteRecord, DeleteStale
from cloudquery_s3.errors import CatalogError
from faulty_catalog import PERMANENT, FaultyCatalog, faulty_lake
from iceberg_lake import LakeFolder, schema_of, sync_rows

if TYPE_CHECKING:
    from pathlib import Path

    from cloudquery_s3.committed import Delete


@pytest.fixture
def lake(tmp_path: Path) -> LakeFolder:
    """A lake whose catalogue can fail."""
    return faulty_lake(tmp_path)


ERRORS = [
    CommitFailedException("conflict"),
    CommitStateUnknownException("500"),
    ServiceUnavailableError("503"),
    ConnectionError("reset by peer"),
]
STALE = [DeleteStale("t", "one", datetime(2026, 11, 2, 9, 8, 34, 503633, tzinfo=UTC))]


@pytest.mark.parametrize("deletes", [[], STALE], ids=["append", "replace"])
@pytest.mark.parametrize("present", [False, True], ids=["new table", "table"])
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize(
    ("call", "when"), [("load_table", "before"), ("commit_table", "before"), ("commit_table", "after")]
)
def test_a_fault_that_passes(
    lake: LakeFolder, call: str, when: str, error: Exception, present: bool, deletes: list[Delete]
) -> None:
    """A Write whose catalogue fails once or twice ends well, and its rows are there exactly once."""
    if present:
        lake.publish(lake.put(sync_rows([1])))
    times = 1 if when == "after" else 2
    FaultyCatalog.faults[call] = (when, error, times)
    write = lake.publish(lake.put(sync_rows([2, 3], day=2)), deletes=deletes)
    assert FaultyCatalog.faults[call][2] == 0
    assert lake.column() == ([] if deletes or not present else [1]) + [2, 3]
    of_write = [s for s in lake.table().metadata.snapshots if s.summary.additional_properties.get(WRITE_ID) == write]
    assert len(of_write) == (2 if deletes and present else 1)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_a_namespace_that_fails_once(lake: LakeFolder, when: str, error: Exception) -> None:
    """The namespace's creation may fail, or its answer be lost: the tables in it have their rows once all the same."""
    FaultyCatalog.faults["create_namespace"] = (when, error, 1)
    lake.publish(lake.put(sync_rows([1])), lake.put(sync_rows([2], schema=schema_of("u"))))
    assert FaultyCatalog.faults["create_namespace"][2] == 0
    assert (lake.column(), lake.column(table="u")) == ([1], [2])


@pytest.mark.parametrize("present", [False, True], ids=["new table", "table"])
@pytest.mark.parametrize("error", [*ERRORS, ForbiddenError("no")], ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("call", ["load_table", "commit_table"])
def test_a_fault_that_stays(lake: LakeFolder, call: str, error: Exception, present: bool) -> None:
    """A Write whose catalogue never works fails, names table and objects, and changes nothing."""
    if present:
        lake.publish(lake.put(sync_rows([1])))
    FaultyCatalog.faults[call] = ("before", error, PERMANENT)
    record = lake.put(sync_rows([2], day=2))
    with pytest.raises(CatalogError, match=f"table t: .*{record.key}"):
        lake.publish(record, deletes=STALE)
    assert PERMANENT - FaultyCatalog.faults[call][2] <= ATTEMPTS
    FaultyCatalog.faults.clear()
    assert (lake.column() if present else lake.lake.load("t")) == ([1] if present else None)
    lake.publish(lake.put(sync_rows([3], day=2)), deletes=STALE)
    assert lake.column() == [3]


def test_one_table_of_several(lake: LakeFolder) -> None:
    """A table that fails does not keep the others from theirs, and the error stays short however many there are."""
    FaultyCatalog.faults["create_namespace"] = ("before", ForbiddenError("no"), PERMANENT)
    records = [lake.put(sync_rows([1], schema=schema_of(f"table_{number}"))) for number in range(60)]
    with pytest.raises(CatalogError, match=r"60 of 60 tables .* and 55 more, see the log") as raised:
        lake.publish(*records)
    assert len(str(raised.value)) < 4096


def test_parents_stay_where_their_children_do(lake: LakeFolder) -> None:
    """Rows below others go first; where they cannot, their parents stay, and the next wish finds all of them."""
    texts = (pa.field("_cq_id", pa.string()), pa.field("_cq_parent_id", pa.string()))
    tables = ("a_parent", "child", "other")
    for table in tables:
        ids = {"_cq_id": f"id of {table}", "_cq_parent_id": "id of a_parent"}
        lake.publish(lake.put(sync_rows([1], schema=schema_of(table, *texts), **ids)))
    wish = DeleteRecord("a_parent", (), (("child", "a_parent"),))
    FaultyCatalog.of_tables["child"] = ForbiddenError("no")
    records = [lake.put(sync_rows([2], schema=schema_of(table, *texts))) for table in ("a_parent", "other")]
    said = rf"table a_parent: no commit to Iceberg, since that to child failed.*{records[0].key}"
    with pytest.raises(CatalogError, match=said):
        lake.publish(*records, deletes=[wish])
    assert [lake.column(table=table) for table in tables] == [[1], [1], [1, 2]]
    FaultyCatalog.of_tables.clear()
    FaultyCatalog.committed.clear()
    lake.publish(records[0], deletes=[wish])
    assert [lake.column(table=table) for table in tables] == [[2], [], [1, 2]]
    assert FaultyCatalog.committed == ["child", "a_parent"]


PAIRS = st.lists(st.tuples(*[st.sampled_from("abcd")] * 2), max_size=8)


@given(PAIRS)
def test_no_table_waits_for_itself(pairs: list[tuple[str, str]]) -> None:
    """Whatever is said to be below what, the tables can be put in an order; what contradicts nothing earlier holds."""
    first = children_first(pairs)
    order = list(TopologicalSorter(first).static_order())
    assert all(order.index(child) < order.index(parent) for parent, children in first.items() for child in children)
    if pairs and pairs[0][0] != pairs[0][1]:
        assert pairs[0][0] in first[pairs[0][1]]


def test_no_secret_in_an_error(tmp_path: Path) -> None:
    """What the catalogue's client says never shows a property that may be secret."""
    lake = faulty_lake(tmp_path)
    properties = {**lake.spec.iceberg.catalog, "token": "t0p-s3cret", "credential": "id:s3cret-too"}
    lake = LakeFolder(tmp_path, properties)
    FaultyCatalog.faults["commit_table"] = ("before", ForbiddenError("bad t0p-s3cret and id:s3cret-too"), PERMANENT)
    with pytest.raises(CatalogError) as raised:
        lake.publish(lake.put(sync_rows([1])))
    assert "s3cret" not in str(raised.value)
    assert "<token>" in str(raised.value)


@pytest.mark.parametrize("present", [False, True], ids=["new table", "table"])
@pytest.mark.parametrize("key", ["", "n"], ids=["append", "by key"])
def test_another_write_in_between(lake: LakeFolder, present: bool, key: str) -> None:
    """Two Writes into one table at the same time are both there: the later commit is made on the earlier one."""
    schema = schema_of(key=key)
    if present:
        lake.publish(lake.put(sync_rows([1], schema=schema)))
    other = LakeFolder(lake.folder, lake.spec.iceberg.catalog)
    FaultyCatalog.between.append(lambda: other.publish(other.put(sync_rows([1, 2], source="two", schema=schema))))
    lake.publish(lake.put(sync_rows([2, 3], schema=schema)))
    assert lake.column() == ([1, 2, 3] if key else [1] * present + [1, 2, 2, 3])


def test_two_sources_replace_at_the_same_time(lake: LakeFolder) -> None:
    """Two sources that replace their rows at the same time each keep the newest of their own, and no others'."""
    lake.publish(lake.put(sync_rows([1])), lake.put(sync_rows([10], source="two")))
    other = LakeFolder(lake.folder, lake.spec.iceberg.catalog)
    moment = STALE[0].sync_time
    FaultyCatalog.between.append(
        lambda: other.publish(
            other.put(sync_rows([20], source="two", day=2)), deletes=[DeleteStale("t", "two", moment)]
        )
    )
    lake.publish(lake.put(sync_rows([2], day=2)), deletes=STALE)
    assert lake.column() == [2, 20]


def test_many_writes_at_once(lake: LakeFolder) -> None:
    """Of many Writes into one table at the same time none is lost, and none is there twice."""
    lakes = [LakeFolder(lake.folder, lake.spec.iceberg.catalog) for _ in range(4)]
    records = [one.put(sync_rows([number])) for number, one in enumerate(lakes)]
    threads = [threading.Thread(target=one.publish, args=(record,)) for one, record in zip(lakes, records, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert lake.column() == [0, 1, 2, 3]


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_catalogue_that_another_has_just_made(lake: LakeFolder, when: str) -> None:
    """A new SQL catalogue whose tables another process was faster to create is opened; nothing else is tried twice."""
    FaultyCatalog.faults["open"] = (when, ConnectionError("table iceberg_tables already exists"), 1)
    LakeFolder(lake.folder, lake.spec.iceberg.catalog).publish(lake.put(sync_rows([1])))
    assert lake.column() == [1]
    FaultyCatalog.faults["open"] = (when, ConnectionError("reset by peer"), 1)
    with pytest.raises(CatalogError, match="cannot be opened: ConnectionError: reset by peer"):
        LakeFolder(lake.folder, lake.spec.iceberg.catalog).publish(lake.put(sync_rows([2])))


SYNCS = st.lists(
    st.tuples(
        st.sampled_from(["one", "two"]),
        st.lists(st.integers(0, 5), max_size=4),
        st.sampled_from(["complete", "complete", "interrupted"]),
        st.sampled_from(["", "before", "after"]),
    ),
    max_size=5,
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(SYNCS)
def test_any_syncs_with_overwrite_delete_stale(tmp_path_factory: pytest.TempPathFactory, syncs: list[Any]) -> None:
    """After any syncs of two sources, with faults, a reader sees of each source the rows of its last whole sync."""
    lake = faulty_lake(tmp_path_factory.mktemp("lake"))
    expected: dict[str, list[int]] = {}
    for day, (source, numbers, status, fault) in enumerate(syncs, start=1):
        if fault:
            FaultyCatalog.faults["commit_table"] = (fault, CommitStateUnknownException("lost"), 1)
        rows = sync_rows(numbers, source=source, day=day)
        stale = DeleteStale("t", source, datetime(2026, 11, day, 9, 8, 34, 503633, tzinfo=UTC))
        lake.publish(*([lake.put(rows)] if numbers else []), deletes=[stale], status=status)
        FaultyCatalog.faults.clear()
        if status == "complete":
            expected[source] = numbers
    found = lake.column() if lake.lake.load("t") is not None else []
    assert found == sorted(number for numbers in expected.values() for number in numbers)


@settings(max_examples=12, deadline=None)
@given(st.lists(st.lists(st.lists(st.integers(0, 6), max_size=4), max_size=3), max_size=4))
def test_any_writes_by_key(tmp_path_factory: pytest.TempPathFactory, writes: list[list[list[int]]]) -> None:
    """After any Writes of any objects each key is there once, with the value that came last."""
    lake = faulty_lake(tmp_path_factory.mktemp("lake"))
    expected: dict[int, str] = {}
    for number, objects in enumerate(writes):
        records = []
        for at, keys in enumerate(objects):
            rows = sync_rows(keys, source=f"{number}-{at}", schema=schema_of(key="n"))
            expected |= dict.fromkeys(keys, f"{number}-{at}")
            records.append(lake.put(rows))
        lake.publish(*records)
    table = lake.lake.load("t")
    found = [] if table is None else table.scan().to_arrow().to_pylist()
    assert len(found) == len(expected)
    assert {row["n"]: row["_cq_source_name"] for row in found} == expected
