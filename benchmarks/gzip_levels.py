"""How large gzip files become at each level, and for what: `python -m benchmarks.gzip_levels [--rows N]`.

Ten tables of different shapes, as JSON lines and as CSV, beside Go's `compress/gzip` at its default level, which the Go
plugin packs with. Go is needed.
"""

from __future__ import annotations

import argparse
import itertools
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console

from benchmarks import report
from benchmarks.shapes import OBJECT_ROWS, shapes
from benchmarks.stages import parse_spec
from cloudquery_s3.formats import make_format
from cloudquery_s3.formats.codecs.gzip import DEFAULT_LEVEL, GzipCompressor
from cloudquery_s3.formats.encoder import Alterations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pyarrow as pa

LEVELS: Final = tuple(range(1, 10))
FORMATS: Final = ("json", "csv")
SIZE_COLUMNS: Final = ("table", "format", "plain, kB", "Go, kB", *(str(level) for level in LEVELS))
COST_COLUMNS: Final = ("", "Go", *(str(level) for level in LEVELS))
_GO: Final = Path(__file__).parent / "go_gzip"
_LEAST_S: Final = 0.1
"""What is shorter is done again, so that the clock can tell it."""


@dataclass(frozen=True, slots=True)
class Packed:
    """What a compressor made of a file.

    Attributes:
        size: bytes.
        cpu_s: CPU-seconds.
    """

    size: int
    cpu_s: float


@dataclass(frozen=True, slots=True)
class File:
    """One table in one format.

    Attributes:
        table: its name.
        form: its format.
        plain: bytes before compression.
        go: what Go makes of it.
        levels: what the plugin makes of it, level by level.
    """

    table: str
    form: str
    plain: int
    go: Packed
    levels: tuple[Packed, ...]

    def excess(self, level: int) -> float:
        """Return by what share the plugin's file is larger than Go's."""
        return self.levels[level - 1].size / self.go.size - 1


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gzip_levels", description=__doc__)
    parser.add_argument("--rows", type=int, default=OBJECT_ROWS)
    rows = parser.parse_args().rows
    console = Console(highlight=False, width=160)
    files = []
    for file in measure(rows):
        console.print("  ".join(size_row(file)), style="dim")
        files.append(file)
    console.print(report.table("Size against Go's", SIZE_COLUMNS, [size_row(file) for file in files]))
    console.print(report.table("Over all", COST_COLUMNS, cost_rows(files)))


def measure(rows: int = OBJECT_ROWS) -> Iterator[File]:
    """Yield what the compressors make of each table in each format, in objects of so many rows.

    Raises:
        RuntimeError: there is no Go.
    """
    with _go_program() as program:
        for (name, batch), form in itertools.product(list(shapes(rows)), FORMATS):
            text = encoded(form, batch)
            levels = tuple(_timed(text, level) for level in LEVELS)
            yield File(name, form, len(text), _by_go(program, text), levels)


def encoded(form: str, batch: pa.RecordBatch) -> bytes:
    """Return an object's bytes before compression, as the plugin writes them."""
    encoder = make_format(parse_spec(form, "http://127.0.0.1:1")).encoder(batch.schema, Alterations())
    chunks = [*encoder.write([batch]), *encoder.finish().chunks]
    return b"".join(chunks)


def size_row(file: File) -> tuple[str, ...]:
    """Return a file's cells: sizes, and by how much each level's is larger than Go's."""
    shares = (f"{file.excess(level):+.1%}" for level in LEVELS)
    return (file.table, file.form, f"{file.plain / 1e3:,.0f}", f"{file.go.size / 1e3:,.1f}", *shares)


def cost_rows(files: Sequence[File]) -> list[tuple[str, ...]]:
    """Return what holds over all files: the range of sizes, their mean, and CPU-seconds a gigabyte of text."""
    plain = sum(file.plain for file in files)

    def over_all(title: str, go: str, figure: Callable[[int], str]) -> tuple[str, ...]:
        return (title, go, *(figure(level) for level in LEVELS))

    def excesses(level: int) -> list[float]:
        return [file.excess(level) for file in files]

    def cost(packed: Iterator[Packed]) -> str:
        return f"{sum(one.cpu_s for one in packed) / plain * 1e9:.1f}"

    return [
        over_all("smallest against Go's", "", lambda level: f"{min(excesses(level)):+.1%}"),
        over_all("largest against Go's", "", lambda level: f"{max(excesses(level)):+.1%}"),
        over_all("mean against Go's", "", lambda level: f"{sum(excesses(level)) / len(files):+.1%}"),
        over_all(
            "CPU-s a GB of text",
            cost(file.go for file in files),
            lambda level: cost(file.levels[level - 1] for file in files),
        ),
    ]


def summary(files: Sequence[File]) -> str:
    """Return what a user has to know, in a sentence."""
    least, most = (pick(file.excess(DEFAULT_LEVEL) for file in files) for pick in (min, max))
    return f"At the default level, {DEFAULT_LEVEL}, files are {least:+.0%} to {most:+.0%} against the Go plugin's."


def _timed(text: bytes, level: int) -> Packed:
    started, runs = time.process_time(), 0
    while not runs or time.process_time() - started < _LEAST_S:
        compressor = GzipCompressor(level)
        size = sum(len(chunk) for chunk in [*compressor.compress([text]), *compressor.finish()])
        runs += 1
    return Packed(size, (time.process_time() - started) / runs)


@contextmanager
def _go_program() -> Iterator[str]:
    go = shutil.which("go")
    if go is None:
        raise RuntimeError("there is no Go in the PATH: what is measured is compared with its compress/gzip")
    with tempfile.TemporaryDirectory() as folder:
        program = f"{folder}/gzip"
        subprocess.run([go, "build", "-o", program, "main.go"], cwd=_GO, check=True)  # noqa: S603 - our own program
        yield program


def _by_go(program: str, text: bytes) -> Packed:
    printed = subprocess.run([program], input=text, stdout=subprocess.PIPE, check=True).stdout.split()  # noqa: S603 - our own program
    return Packed(int(printed[0]), float(printed[1]))


if __name__ == "__main__":
    main()
