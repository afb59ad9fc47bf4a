"""What an encoder knows of the file that it has finished."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from cloudquery_s3.committed import ColumnStatistics
from cloudquery_s3.formats.athena import Athena
from cloudquery_s3.formats.codecs import compressed
from cloudquery_s3.formats.csv import Csv
from cloudquery_s3.formats.encoder import Alterations
from cloudquery_s3.formats.json_lines import JsonLines
from cloudquery_s3.formats.parquet import Parquet
from cloudquery_s3.formats.sorting import Sorted

if TYPE_CHECKING:
    from cloudquery_s3.formats.encoder import EncodedFile, Format

SCHEMA = pa.schema(
    [("id", pa.int64()), ("name", pa.dictionary(pa.int32(), pa.string())), ("tags", pa.list_(pa.string()))]
)
ROWS = pa.record_batch(
    [
        pa.array([3, None, 1]),
        pa.array(["a", None, None]).dictionary_encode(),
        pa.array([["x", None], None, []], pa.list_(pa.string())),
    ],
    schema=SCHEMA,
)
TEXT_FORMATS = [
    JsonLines(),
    Csv(),
    compressed(JsonLines(), "gzip"),
    compressed(Csv(), "zstd"),
    Athena(JsonLines()),
    Athena(compressed(Csv(), "gzip")),
    Sorted(Csv(), ["id"]),
]


def _finished(file_format: Format, *writes: list[pa.RecordBatch]) -> EncodedFile:
    encoder = file_format.encoder(SCHEMA, Alterations())
    for batches in writes:
        encoder.write(batches)
    return encoder.finish()


@pytest.mark.parametrize("file_format", TEXT_FORMATS, ids=lambda one: type(one).__name__)
def test_text_files_count_rows_and_nulls(file_format: Format) -> None:
    """A finished text file tells its rows and the NULLs of each top-level column, over all writes and wrappers."""
    file = _finished(file_format, [ROWS, ROWS.slice(1)], [], [ROWS.slice(1, 1)])
    assert file.rows == 6
    assert file.statistics.columns() == {
        "id": ColumnStatistics(3),
        "name": ColumnStatistics(5),
        "tags": ColumnStatistics(3),
    }


@pytest.mark.parametrize("file_format", [Parquet(), Parquet("v1.0", 3), Athena(Parquet())])
def test_a_parquet_file_has_its_footer_as_statistics(file_format: Format) -> None:
    """A finished Parquet file tells its rows and hands its footer on, over all row groups."""
    file = _finished(file_format, [ROWS], [ROWS])
    assert file.rows == 6
    assert file.statistics.columns() == {"id": ColumnStatistics(2, 1, 3), "name": ColumnStatistics(4, "a", "a")}


@pytest.mark.parametrize("file_format", [*TEXT_FORMATS, Parquet()], ids=lambda one: type(one).__name__)
def test_a_file_without_rows_says_so(file_format: Format) -> None:
    """A file to which nothing was written has no rows."""
    assert _finished(file_format).rows == 0
