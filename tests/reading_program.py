"""Read a large object as Read does, and print how many rows it has and how much memory that took.

Run as a program, `python reading_program.py FILE FORMAT COMPRESSION`: a process of its own has a peak of its own.
"""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

import pyarrow as pa

import specs
from cloudquery_s3.formats.reading import read_rows
from cloudquery_s3.stores.stored_file import StoredFile

SCHEMA = pa.schema([("id", pa.int64()), ("text", pa.string()), ("more", pa.string())])


class FileReader:
    """An object that is a file here."""

    def __init__(self, path: Path) -> None:
        self.size_bytes = path.stat().st_size
        self._file = os.open(path, os.O_RDONLY)

    def read_at(self, offset: int, length: int) -> bytes:
        return os.pread(self._file, length, offset)

    def close(self) -> None:
        os.close(self._file)


def peak_bytes() -> int:
    """The most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    path, form, compression = sys.argv[1:]
    spec = specs.parsed(format=form, compression=compression, no_rotate=True, path="{{TABLE}}")
    before = peak_bytes()
    with StoredFile(FileReader(Path(path))) as file:
        rows = sum(batch.num_rows for batch in read_rows(spec, SCHEMA, file))
    print(rows, peak_bytes() - before)  # noqa: T201 - a program
