"""The whole plugin, a process of its own, between a client and an S3 server that are processes too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks import processes
from benchmarks.messages import split
from benchmarks.stages import spec_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from benchmarks.cases import Case
    from benchmarks.stages import Stage


@dataclass(frozen=True, slots=True)
class Result:
    """What a case cost.

    Attributes:
        case: the case.
        cpu_s: CPU-seconds per million rows of the plugin's process.
        floor_s: the same of the bare library calls, stage by stage, measured in the same run.
        write_table_s: the same of `pyarrow.parquet.write_table` alone, the measure that goes with this machine.
        rows_per_s: rows from the Write's begin to its answer; client and S3 server share the cores.
        cores: how many cores the plugin kept busy.
        peak_rss_bytes: the most memory that it held.
        init_s: how long Init took.
    """

    case: Case
    cpu_s: float
    floor_s: float
    write_table_s: float
    rows_per_s: float
    cores: float
    peak_rss_bytes: int
    init_s: float


def run(
    case: Case, data: pa.RecordBatch, sink: str, stages: Sequence[Stage], *, gzip_level: int | None = None
) -> Result:
    """Run a case; `gzip_level` is the option of that name."""
    spec = spec_json(case.form, sink) | ({"gzip_level": gzip_level} if gzip_level and ".gz" in case.form else {})
    messages = split(data, rows_per_message=case.rows_per_message, rows=case.rows, tables=case.tables)
    rows = messages.count * case.rows_per_message
    with processes.plugin() as (server, address):
        usage = processes.measure(server, address, messages, spec)
    return Result(
        case,
        cpu_s=usage.cpu_s / rows * 1e6,
        floor_s=floor(case, stages),
        write_table_s=write_table_s(stages),
        rows_per_s=rows / usage.seconds,
        cores=usage.cpu_s / usage.seconds,
        peak_rss_bytes=usage.peak_rss_bytes,
        init_s=usage.init_s,
    )


def floor(case: Case, stages: Sequence[Stage]) -> float:
    """Return the sum of the bare calls that a case cannot do without, in CPU-seconds per million rows."""
    size = f"{case.rows_per_message:,} rows a message"
    wanted = {("receive", size), ("decode", size), ("encode", case.form), ("upload", case.form)}
    return sum(stage.floor for stage in stages if (stage.name, stage.detail) in wanted)


def write_table_s(stages: Sequence[Stage]) -> float:
    """Return what `pyarrow.parquet.write_table` costs, in CPU-seconds per million rows."""
    return next(stage.floor for stage in stages if (stage.name, stage.detail) == ("encode", "parquet"))
