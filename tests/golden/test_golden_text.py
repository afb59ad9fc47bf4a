"""The encoders alone against objects that the reference wrote; the whole plugin is checked by the conformance suite."""

from __future__ import annotations

import csv
import decimal
import gzip
import io
import json
from pathlib import Path

import pyarrow as pa
import pytest

from cloudquery_s3.formats.csv import Csv
from cloudquery_s3.formats.encoder import Alterations
from cloudquery_s3.formats.json_lines import JsonLines
from cloudquery_s3.ipc.intervals import shown_batch

GOLDEN = Path(__file__).parents[2].parent / "shared" / "golden"
FORMATS = {"csv": Csv, "json": JsonLines}
SAME_BYTES_AT_LEAST = 64
"""How many of the 74 objects must be the same byte by byte: all but the CSV ones that hold an empty string or value."""


def cases() -> list[Path]:
    """Return the folders of text objects; Athena's are rewritten before they come to an encoder."""
    if not GOLDEN.is_dir():
        return []
    folders = [folder for folder in sorted(GOLDEN.iterdir()) if "parquet" not in folder.name]
    return [folder for folder in folders if "athena" not in folder.name and not folder.name.startswith("empty")]


CASES = cases()
pytestmark = pytest.mark.skipif(not CASES, reason="needs ../shared/golden beside the repository")


def written(folder: Path) -> tuple[bytes, bytes, dict[str, object]]:
    """Return what the reference wrote, what we write, and the spec."""
    spec = json.loads((folder / "spec.json").read_text())
    expected = next(folder.glob("expected.*")).read_bytes()
    batches = [shown_batch(batch) for batch in pa.ipc.open_stream(folder / "input.arrows")]
    encoder = FORMATS[spec["format"]](**spec.get("format_spec") or {}).encoder(batches[0].schema, Alterations())
    chunks = [chunk for batch in batches for chunk in encoder.write([batch])] + encoder.finish().chunks
    if spec.get("compression") == "gzip":
        expected = gzip.decompress(expected)
    return expected, b"".join(chunks), spec


def exact(text: str) -> object:
    """Parse JSON without rounding a number."""
    return json.loads(text, parse_float=decimal.Decimal)


def read_csv(data: bytes, spec: dict[str, object]) -> list[list[object]]:
    """Return rows of cells, those that are JSON parsed."""
    delimiter = dict(spec.get("format_spec") or {}).get("delimiter", ",")  # type: ignore[call-overload]
    rows = csv.reader(io.StringIO(data.decode(), newline=""), delimiter=delimiter)
    return [[cell_value(cell) for cell in row] for row in rows]


def cell_value(cell: str) -> object:
    """Return what a cell that is JSON text means, or the text."""
    try:
        return exact(cell)
    except (ValueError, decimal.InvalidOperation):
        return cell


@pytest.mark.parametrize("folder", CASES, ids=lambda folder: folder.name)
def test_a_reader_sees_what_the_reference_wrote(folder: Path) -> None:
    """A reader of the object sees the same rows, keys in the same order, and the same values exactly."""
    expected, got, spec = written(folder)
    if spec["format"] == "csv":
        assert read_csv(got, spec) == read_csv(expected, spec)
        return
    want, have = ([exact(line) for line in data.decode().split("\n")[:-1]] for data in (expected, got))
    assert have == want
    assert [list(row) for row in have] == [list(row) for row in want]


def test_most_objects_are_the_same_byte_by_byte() -> None:
    """Most objects equal the reference's byte by byte, and all of those that hold no empty string in CSV."""
    same = [expected == got for expected, got, _ in map(written, CASES)]
    assert sum(same) >= SAME_BYTES_AT_LEAST, f"{sum(same)} of {len(same)}"
