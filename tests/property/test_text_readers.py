"""JSON lines and CSV as DuckDB and pyarrow read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import json as arrow_json

from cloudquery_s3.formats.codecs import compressed
from cloudquery_s3.formats.csv import Csv
from cloudquery_s3.formats.encoder import Alterations
from cloudquery_s3.formats.json_lines import JsonLines

if TYPE_CHECKING:
    from pathlib import Path

    from cloudquery_s3.formats.encoder import Format

SETTINGS = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=8) | st.sampled_from(
    ["", " ", '"', "\\", ",", "\\."]
)
INT64 = st.integers(-(2**63), 2**63 - 1)
MOMENTS = st.integers(-(10**15), 4 * 10**15).map(
    lambda tick: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=tick)
)
SCHEMA = pa.schema(
    [
        ("n", pa.int64()),
        ("x", pa.float64()),
        ("t", pa.string()),
        ("b", pa.bool_()),
        ("moment", pa.timestamp("us", "UTC")),
        ("l", pa.list_(pa.string())),
        ("s", pa.struct([("k", pa.string()), ("v", pa.int64())])),
    ]
)
TYPES = {
    "n": "BIGINT",
    "x": "DOUBLE",
    "t": "VARCHAR",
    "b": "BOOLEAN",
    "moment": "TIMESTAMP",
    "l": "VARCHAR[]",
    "s": "STRUCT(k VARCHAR, v BIGINT)",
}
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "n": st.none() | INT64,
            "x": st.none() | st.floats(allow_nan=False, allow_infinity=False),
            "t": st.none() | TEXT,
            "b": st.none() | st.booleans(),
            "moment": st.none() | MOMENTS,
            "l": st.none() | st.lists(st.none() | TEXT, max_size=3),
            "s": st.none() | st.fixed_dictionaries({"k": st.none() | TEXT, "v": st.none() | INT64}),
        }
    ),
    min_size=1,
    max_size=6,
)


def written(fmt: Format, rows: list[dict[str, Any]], schema: pa.Schema, path: Path) -> str:
    """Write rows as an object at a path."""
    batch = pa.RecordBatch.from_pylist(rows, schema=schema)
    encoder = fmt.encoder(schema, Alterations())
    path.write_bytes(b"".join([*encoder.write([batch]), *encoder.finish().chunks]))
    return str(path)


def in_duckdb(query: str, path: str) -> list[dict[str, Any]]:
    """Run a query that reads the object."""
    with duckdb.connect(config={"autoinstall_known_extensions": False, "threads": 1}) as connection:
        rows: list[dict[str, Any]] = connection.sql(query, params=[path]).to_arrow_table().to_pylist()
    for row in rows:  # a TIMESTAMP of DuckDB's is in UTC and does not say so
        if row.get("moment"):
            row["moment"] = row["moment"].replace(tzinfo=UTC)
    return rows


@SETTINGS
@given(ROWS)
def test_duckdb_reads_json_lines(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    """DuckDB reads from JSON lines the rows that were sent, nested ones and every 64-bit number included."""
    path = written(JsonLines(), rows, SCHEMA, tmp_path / "rows.json")
    columns = ", ".join(f"{name}: '{kind}'" for name, kind in TYPES.items())
    assert in_duckdb(f"SELECT * FROM read_ndjson(?, columns = {{{columns}}})", path) == rows


@SETTINGS
@given(ROWS)
def test_pyarrow_reads_json_lines(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    """Arrow's own reader reads from JSON lines the rows that were sent."""
    path = written(JsonLines(), rows, SCHEMA, tmp_path / "rows.json")
    # pyarrow's reader takes no zone: it is read as text and compared as a moment
    as_text = SCHEMA.set(SCHEMA.get_field_index("moment"), pa.field("moment", pa.string()))
    read = arrow_json.read_json(path, parse_options=arrow_json.ParseOptions(explicit_schema=as_text)).to_pylist()
    for row in read:
        row["moment"] = row["moment"] and datetime.fromisoformat(row["moment"])
    assert [dict(sorted(row.items())) for row in read] == [dict(sorted(row.items())) for row in rows]


CSV_TYPES = {name: kind for name, kind in TYPES.items() if name not in {"l", "s"}}
CSV_SCHEMA = pa.schema([SCHEMA.field(name) for name in CSV_TYPES])


@SETTINGS
@given(ROWS, st.sampled_from(",;\t"))
def test_duckdb_reads_csv(tmp_path: Path, rows: list[dict[str, Any]], delimiter: str) -> None:
    """DuckDB reads from CSV the rows that were sent, and tells NULL from an empty text."""
    flat = [{name: row[name] for name in CSV_TYPES} for row in rows]
    path = written(Csv(delimiter=delimiter), flat, CSV_SCHEMA, tmp_path / "rows.csv")
    columns = ", ".join(f"{name}: '{kind}'" for name, kind in CSV_TYPES.items())
    options = f"header = true, auto_detect = false, delim = '{delimiter}', quote = '\"', escape = '\"'"
    options += ", allow_quoted_nulls = false"
    query = f"SELECT * FROM read_csv(?, {options}, columns = {{{columns}}})"
    assert in_duckdb(query, path) == flat


@pytest.mark.parametrize("level", [1, 5])
def test_duckdb_reads_gzip(tmp_path: Path, level: int) -> None:
    """DuckDB reads a compressed object of several compressed chunks."""
    rows = [{"n": number, "t": f"row {number}"} for number in range(30_000)]
    schema = pa.schema([SCHEMA.field("n"), SCHEMA.field("t")])
    path = written(compressed(JsonLines(), "gzip", level), rows, schema, tmp_path / "rows.json.gz")
    assert in_duckdb("SELECT * FROM read_ndjson(?, columns = {n: 'BIGINT', t: 'VARCHAR'})", path) == rows
