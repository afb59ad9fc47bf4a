"""The options that the pages name for readers of CSV, on cells that readers like to mistake."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pytest
from pyarrow import csv

from cloudquery_s3.formats.csv import Csv
from cloudquery_s3.formats.encoder import Alterations

if TYPE_CHECKING:
    from collections.abc import Callable

DOCS = Path(__file__).parents[2] / "docs"
TEXTS = ["", "NA", "null", "nan", "None", "\\N", "a\nb", "a\r\nb", 'q"q', "c,d", "back\\slash", " lead", "end ", "007"]
CELLS = [None, *TEXTS]


@pytest.fixture
def file(tmp_path: Path) -> str:
    """An object with these cells."""
    batch = pa.RecordBatch.from_pydict({"n": range(len(CELLS)), "t": CELLS})
    encoder = Csv().encoder(batch.schema, Alterations())
    path = tmp_path / "rows.csv"
    path.write_bytes(b"".join([*encoder.write([batch]), *encoder.finish().chunks]))
    return str(path)


def options(reader: str) -> list[str]:
    """What formats.md says of a reader in code, in order."""
    page = (DOCS / "formats.md").read_text(encoding="utf-8")
    (line,) = re.findall(rf"^\| {reader} \| (.*) \|$", page.partition("## CSV and its readers")[2], re.MULTILINE)
    return re.findall(r"`([^`]+)`", line)


def test_duckdb(file: str) -> None:
    """DuckDB gives every cell back with the option, and NULL for the empty text without."""

    def read(extra: str = "") -> list[Any]:
        return [text for (text,) in duckdb.sql(f"SELECT t FROM read_csv('{file}', all_varchar=true{extra})").fetchall()]

    assert read(f", {options('DuckDB')[0]}") == CELLS
    assert read() == [text or None for text in CELLS]


def test_pyarrow(file: str) -> None:
    """Pyarrow gives every cell back with the options, NULL for `NA` with two of them, and no NULL without any."""
    given, *_ = options("pyarrow")

    def read(convert: csv.ConvertOptions) -> list[Any]:
        parse = csv.ParseOptions(newlines_in_values=True)
        return csv.read_csv(file, parse_options=parse, convert_options=convert)["t"].to_pylist()

    assert read(eval(given, {"ConvertOptions": csv.ConvertOptions})) == CELLS  # noqa: S307 -- the page's own code
    without = re.sub(r", null_values=\[\"\"\]", "", given)
    assert read(eval(without, {"ConvertOptions": csv.ConvertOptions}))[2] is None  # noqa: S307 -- likewise
    assert read(csv.ConvertOptions()) == [text or "" for text in CELLS]


@pytest.mark.parametrize("engine", ["c", "python"])
def test_pandas(engine: str, file: str) -> None:
    """Pandas tells no NULL from an empty text: both are empty, or NULL, as the options say; without, `NA` is NULL."""
    pandas = pytest.importorskip("pandas", reason="pandas is not installed: run `make readers`")
    code = options("pandas")
    both_empty, both_null = code[0], f"{code[0]}, {code[2]}"

    def read(arguments: str = "") -> list[Any]:
        frame = eval(f"read(file, engine=engine{', ' * bool(arguments)}{arguments})", names)  # noqa: S307 -- likewise
        return [None if pandas.isna(text) else text for text in frame["t"]]

    names: dict[str, Callable[..., Any] | str] = {"read": pandas.read_csv, "file": file, "engine": engine}
    assert read(both_empty) == [text or "" for text in CELLS]
    assert read(both_null) == [text or None for text in CELLS]
    assert read()[2:4] == [None, None]


def test_polars(file: str) -> None:
    """Polars gives every cell back, without options."""
    polars = pytest.importorskip("polars", reason="Polars is not installed: run `make readers`")
    assert polars.read_csv(file, infer_schema=False)["t"].to_list() == CELLS
