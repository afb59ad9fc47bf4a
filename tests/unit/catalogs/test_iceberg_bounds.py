"""The bounds that a data file has of a column: those of its footer, cut as the table wants it."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyiceberg.io.pyarrow import StatsAggregator
from pyiceberg.types import BinaryType, LongType, StringType

from cloudquery_s3.catalogs.iceberg.files import _cut
from iceberg_lake import LakeFolder, schema_of, sync_rows

TEXTS = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("a\ud7ff\U0010ffff"), max_size=6)
BYTES = st.binary(max_size=6) | st.lists(st.sampled_from([0, 255]), max_size=6).map(bytes)


def bounds_of(kind: Any, physical: str, values: list[Any], length: int | None) -> StatsAggregator:
    """The bounds of these values."""
    found = StatsAggregator(kind, physical, length)
    for value in values:
        found.update_min(value)
        found.update_max(value)
    return found


@given(st.sampled_from([None, 1, 2, 4]), st.lists(TEXTS, max_size=3) | st.lists(BYTES, max_size=3))
def test_cut_as_pyiceberg_cuts(length: int | None, values: list[Any]) -> None:
    """Bounds are the bytes that pyiceberg makes of the same values, or none above where it makes what is no text."""
    kind = BinaryType() if values and isinstance(values[0], bytes) else StringType()
    theirs, ours = (bounds_of(kind, "BYTE_ARRAY", values, length) for _ in range(2))
    _cut(ours)
    assert ours.min_as_bytes() == theirs.min_as_bytes()
    try:
        expected = theirs.max_as_bytes()
    except UnicodeEncodeError:
        expected = None
    assert ours.max_as_bytes() == expected


def test_numbers_are_not_cut() -> None:
    """A column of another type keeps its bounds."""
    bounds = bounds_of(LongType(), "INT64", [1, 2], None)
    _cut(bounds)
    assert (bounds.current_min, bounds.current_max) == (1, 2)


@pytest.mark.parametrize("text", ["a" * 15 + "\ud7ff" * 2, "\U0010ffff" * 20, "a" * 16, "a" * 17, ""])
def test_texts_that_are_hard_to_cut(text: str, tmp_path: Any) -> None:
    """A file whose text has no bound above, or none that is shorter, becomes rows like any other."""
    lake = LakeFolder(tmp_path)
    schema = schema_of("t", pa.field("v", pa.string()))
    lake.publish(lake.put(sync_rows([1], schema=schema, v=text)))
    found = lake.table().scan(row_filter=f"v = '{text}'").to_arrow()["v"].to_pylist()
    assert found == [text]
