"""Reading a large object back takes little memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import reading_program
import specs
from cloudquery_s3.formats import make_format
from cloudquery_s3.formats.encoder import Alterations

MIB = 1 << 20
OBJECT_BYTES = 100 * MIB
MOST_BYTES = 64 * MIB


def batch(start: int, rows: int) -> pa.RecordBatch:
    """Rows of two kilobytes of random hexadecimal digits each."""
    random = np.random.default_rng(start)
    texts = [random.bytes(500).hex() for _ in range(2 * rows)]
    return pa.record_batch(
        [pa.array(range(start, start + rows)), texts[:rows], texts[rows:]], schema=reading_program.SCHEMA
    )


@pytest.mark.parametrize(("form", "compression"), [("csv", ""), ("json", ""), ("json", "gzip"), ("parquet", "")])
def test_reading_does_not_hold_the_object(tmp_path: Path, form: str, compression: str) -> None:
    """An object of more than 100 MiB is read with less than 64 MiB of memory, and all of its rows come."""
    spec = specs.parsed(format=form, compression=compression, no_rotate=True, path="{{TABLE}}")
    encoder = make_format(spec).encoder(reading_program.SCHEMA, Alterations())
    path, rows, unpacked = tmp_path / "object", 0, 0
    with path.open("wb") as file:
        while unpacked < OBJECT_BYTES:
            part = batch(rows, 4000)
            file.writelines(encoder.write([part]))
            rows, unpacked = rows + part.num_rows, unpacked + part.nbytes
        file.writelines(encoder.finish().chunks)
    program = [sys.executable, str(Path(reading_program.__file__)), str(path), form, compression]
    done = subprocess.run(program, capture_output=True, text=True, check=True)
    found, peak_bytes = map(int, done.stdout.split())
    assert found == rows
    assert peak_bytes < MOST_BYTES
