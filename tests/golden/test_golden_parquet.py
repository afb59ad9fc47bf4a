"""The Parquet encoder alone against objects that the reference wrote, compared as the conformance suite does it."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from cloudquery_s3.formats.athena import Athena
from cloudquery_s3.formats.encoder import Alterations
from cloudquery_s3.formats.parquet import Parquet
from cloudquery_s3.ipc.intervals import has_hidden_intervals, shown_batch, shown_schema

SHARED = Path(__file__).parents[2].parent / "shared"
CASES = sorted((SHARED / "golden").glob("*parquet*"))
CHECK = SHARED / "conformance" / "check.py"

pytestmark = pytest.mark.skipif(not CASES or not CHECK.exists(), reason="needs ../shared beside the repository")


@pytest.fixture(scope="module")
def check() -> Any:
    """Return the conformance suite, for its comparison."""
    module_spec = importlib.util.spec_from_file_location("conformance_check", CHECK)
    assert module_spec is not None
    assert module_spec.loader is not None
    module = importlib.util.module_from_spec(module_spec)
    module_spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("folder", CASES, ids=lambda folder: folder.name)
def test_a_reader_sees_what_the_reference_wrote(folder: Path, check: Any) -> None:
    """Columns, types, values, metadata, codec and row groups are the reference's, and nothing is altered."""
    spec = json.loads((folder / "spec.json").read_text())
    reader = pa.ipc.open_stream(folder / "input.arrows")
    schema, batches = reader.schema, list(reader)
    if has_hidden_intervals(schema):
        schema, batches = shown_schema(schema), [shown_batch(batch) for batch in batches]
    parquet = Parquet(**spec.get("format_spec", {}))
    alterations = Alterations()
    encoder = (Athena(parquet) if spec.get("athena") else parquet).encoder(schema, alterations)
    chunks = encoder.write(batches) + encoder.finish().chunks
    expected = (folder / "expected.parquet").read_bytes()
    assert check.diff_parquet(expected, b"".join(chunks), spec) is None
    assert not alterations.cells or spec.get("athena") or folder.name == "temporal--parquet-v1"
