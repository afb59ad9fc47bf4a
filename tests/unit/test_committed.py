from __future__ import annotations

import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cloudquery_s3.committed import ColumnStatistics, FileStatistics, fingerprint


def statistics_of(*groups: dict[str, list[Any]], **options: Any) -> dict[str, ColumnStatistics]:
    """What a Parquet file's footer tells of columns, with these row groups."""
    sink = io.BytesIO()
    tables = [pa.table({name: pa.array(cells, pa.int64()) for name, cells in group.items()}) for group in groups]
    with pq.ParquetWriter(sink, tables[0].schema, **options) as writer:
        for table in tables:
            writer.write_table(table)
    return dict(FileStatistics(footer=pq.read_metadata(sink)).columns())


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ([[1, None, 3]], (1, 1, 3)),
        ([[5], [2, None], [9]], (1, 2, 9)),
        ([[None, None], [4]], (2, 4, 4)),
        ([[4], [None]], (1, 4, 4)),
        ([[None], [None]], (2, None, None)),
    ],
)
def test_bounds_over_row_groups(groups: list[list[int | None]], expected: tuple[int, int | None, int | None]) -> None:
    """A column's bounds are those of all row groups together; one that holds nothing but NULL takes no part."""
    assert statistics_of(*({"n": cells} for cells in groups)) == {"n": expected}


def test_without_statistics_nothing_is_claimed() -> None:
    """A footer without statistics tells neither NULLs nor bounds."""
    assert statistics_of({"n": [1]}, write_statistics=False) == {"n": (None, None, None)}


def test_nested_columns_are_left_out() -> None:
    """Lists and structs have no statistics of their own."""
    sink = io.BytesIO()
    pq.write_table(pa.table({"l": [[1]], "s": [{"x": 1}], "n": [1]}), sink)
    assert list(FileStatistics(footer=pq.read_metadata(sink)).columns()) == ["n"]


def test_a_fingerprint_is_that_of_the_whole_schema() -> None:
    """Equal schemas have one fingerprint; another type, order or description has another."""
    schema = pa.schema([("a", pa.int64()), ("b", pa.string())], metadata={"cq:table_name": "t"})
    others = [
        schema.with_metadata({"cq:table_name": "u"}),
        schema.remove(1),
        pa.schema([schema.field(1), schema.field(0)]),
    ]
    assert fingerprint(schema) == fingerprint(pa.schema(list(schema), schema.metadata))
    assert len({fingerprint(one) for one in [schema, *others]}) == 4
