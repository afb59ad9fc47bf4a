"""What text formats hold while they write out rows that refer to large values many times."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

MIB = 1 << 20
PROGRAM = """
import sys
import pyarrow as pa
import specs
from cloudquery_s3.formats import make_format
from cloudquery_s3.formats.encoder import Alterations

column = pa.array(["x" * 100_000]).dictionary_encode().take(pa.array([0] * 40))
batches = [pa.record_batch([column], ["c"])] * 100
encoder = make_format(specs.parsed(format=sys.argv[1])).encoder(batches[0].schema, Alterations())
chunks = encoder.write(batches)
print(sum(memoryview(chunk).nbytes for chunk in chunks), pa.default_memory_pool().max_memory())
"""


@pytest.mark.parametrize("form", ["json", "csv"])
def test_rows_that_refer_to_large_values_are_written_out_a_batch_at_a_time(form: str) -> None:
    """Small batches of a dictionary of large texts are not put together again: one is written out at a time."""
    program = [sys.executable, "-c", PROGRAM, form]
    tests = Path(__file__).resolve().parents[2]
    done = subprocess.run(program, capture_output=True, text=True, check=True, cwd=tests)
    written, arrow_peak_bytes = map(int, done.stdout.split())
    assert written > 380 * MIB
    assert arrow_peak_bytes < 64 * MIB
