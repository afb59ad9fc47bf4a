from __future__ import annotations

import pyarrow as pa
import pytest

from cloudquery_s3.formats.parquet.encoder import rows_at_once

MIB = 1 << 20


@pytest.mark.parametrize(
    ("cell_bytes", "expected"), [(0, 1024), (8, 1024), (1000, 1024), (4 << 10, 255), (64 << 10, 15), (3 * MIB, 1)]
)
def test_pages_stay_near_their_size(cell_bytes: int, expected: int) -> None:
    """Cells of kilobytes are written in so few rows at once that no page grows far beyond 1 MiB."""
    assert rows_at_once(pa.table({"n": [1] * 4, "s": ["x" * cell_bytes] * 4})) == expected


def test_a_table_without_rows_has_pages() -> None:
    """Where there is nothing to measure, pyarrow's own step is used."""
    assert rows_at_once(pa.table({"n": pa.array([], pa.int64())})) == 1024
    assert rows_at_once(pa.table({})) == 1024
