"""The measurements that pages tell of, each as Markdown."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final, TypeVar

from benchmarks import at_rest, behind_cli, end_to_end, gzip_levels, latency, options, processes, stages
from benchmarks.assets import assets
from benchmarks.cases import FORMATS, Case, cases, rows_of
from benchmarks.report import RESULT_COLUMNS, STAGE_COLUMNS, markdown, result_row, stage_row
from benchmarks.shapes import OBJECT_ROWS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import pyarrow as pa

    from benchmarks.end_to_end import Result
    from benchmarks.stages import Stage

One = TypeVar("One")

DISTINCT_ROWS: Final = 20_000
_MANY: Final = 1000
"""Rows a message, where only one size is measured."""

_GO_SOURCES: Final = 50
_FAST_LEVEL: Final = 2
_CLI_FORMATS: Final = ("parquet", "json.gz")
_TLS_COLUMNS: Final = ("rows a message", "format", "http, CPU-s / M rows", "https", "difference", "https, rows/s")
_README_COLUMNS: Final = ("", *FORMATS)
_FEW_TURNS: Final = 1


@dataclass(frozen=True)
class Run:
    """One run over all parts; what several of them need is measured once.

    Attributes:
        quick: whether fewer rows and cases are measured.
        most: the most rows of a case, or None.
        say: tells people how far it is.
    """

    quick: bool
    most: int | None
    say: Callable[[str], None]

    @cached_property
    def data(self) -> pa.RecordBatch:
        """The rows that are sent, again and again."""
        return assets(DISTINCT_ROWS)

    @cached_property
    def stages(self) -> list[Stage]:
        """Every stage, measured."""
        with processes.sink() as sink:
            measured = stages.measure(self.data, sink, quick=self.quick, most=self.most)
            return list(self.told(measured, stage_row))

    @cached_property
    def results(self) -> list[Result]:
        """Every case, measured."""
        with processes.sink() as sink:
            return [self.result(case, sink) for case in cases(quick=self.quick, most=self.most)]

    def result(self, case: Case, sink: str, *, gzip_level: int | None = None) -> Result:
        """Measure a case, and say so."""
        result = end_to_end.run(case, self.data, sink, self.stages, gzip_level=gzip_level)
        self.say("  ".join(result_row(result)))
        return result

    def case(self, form: str, rows_per_message: int) -> Case:
        """Return the case of one table."""
        return Case(form, rows_per_message, 1, rows_of(rows_per_message, quick=self.quick, most=self.most))

    def rows(self, wanted: int) -> int:
        """Return how many rows to send where a part wants so many: no less than a message."""
        return wanted if self.most is None else max(_MANY, min(wanted, self.most))

    def told(self, measured: Iterable[One], cells: Callable[[One], Sequence[str]]) -> Iterable[One]:
        """Yield what is measured, and say each."""
        for one in measured:
            self.say("  ".join(cells(one)))
            yield one

    def table(self, columns: Sequence[str], rows: Iterable[tuple[str, ...]]) -> str:
        """Return a table of cells, and say each row."""
        return markdown(columns, list(self.told(rows, lambda row: row)))


def _end_to_end(run: Run) -> str:
    return markdown(RESULT_COLUMNS, [result_row(result) for result in run.results])


def _stages(run: Run) -> str:
    return markdown(STAGE_COLUMNS, [stage_row(stage) for stage in run.stages])


def _rest(run: Run) -> str:
    return run.table(at_rest.COLUMNS, at_rest.rows(_FEW_TURNS if run.quick else at_rest.TURNS))


def _tls(run: Run) -> str:
    sizes = (_MANY,) if run.quick else (_GO_SOURCES, _MANY)
    return markdown(_TLS_COLUMNS, [_tls_row(run, run.case(form, size)) for size in sizes for form in FORMATS])


def _tls_row(run: Run, case: Case) -> tuple[str, ...]:
    with processes.sink() as sink:
        plain = run.result(case, sink)
    with processes.tls_sink() as sink:
        secret = run.result(case, sink)
    figures = f"{plain.cpu_s:.1f}", f"{secret.cpu_s:.1f}", f"{secret.cpu_s - plain.cpu_s:+.1f}"
    return (f"{case.rows_per_message:,}", case.form, *figures, f"{secret.rows_per_s:,.0f}")


def _latency(run: Run) -> str:
    rows = run.rows(latency.QUICK_ROWS if run.quick else latency.ROWS)
    return run.table(latency.COLUMNS, latency.measure(run.data, rows))


def _behind_cli(run: Run) -> str:
    turns = {"turns": _FEW_TURNS} if run.quick else {}
    rows = run.rows(behind_cli.ROWS)
    sizes = (_GO_SOURCES, _MANY)
    return run.table(behind_cli.COLUMNS, behind_cli.measure(run.data, rows, formats=_CLI_FORMATS, sizes=sizes, **turns))


def _options(run: Run) -> str:
    return run.table(options.COLUMNS, options.measure(run.data, run.rows(options.ROWS_SENT)))


def _gzip(run: Run) -> str:
    measured = gzip_levels.measure(OBJECT_ROWS if run.most is None else run.most)
    files = list(run.told(measured, gzip_levels.size_row))
    return "\n\n".join(
        [
            gzip_levels.summary(files),
            markdown(gzip_levels.COST_COLUMNS, gzip_levels.cost_rows(files)),
            markdown(gzip_levels.SIZE_COLUMNS, [gzip_levels.size_row(file) for file in files]),
        ]
    )


def _readme(run: Run) -> str:
    found = {result.case: result for result in run.results}
    usual = [f"{found[run.case(form, _MANY)].cpu_s:.1f}" for form in FORMATS]
    with processes.sink() as sink:
        fast = {
            form: f"{run.result(run.case(form, _MANY), sink, gzip_level=_FAST_LEVEL).cpu_s:.1f}"
            for form in FORMATS
            if form.endswith(".gz")
        }
    rows = [
        ("this plugin, whole: receive, decode, encode, upload", *usual),
        (f"the same with `compression_level: {_FAST_LEVEL}`", *(fast.get(form, "") for form in FORMATS)),
    ]
    return markdown(_README_COLUMNS, rows)


PARTS: Final[dict[str, Callable[[Run], str]]] = {
    "stages": _stages,
    "end to end": _end_to_end,
    "https": _tls,
    "latency": _latency,
    "behind the CLI": _behind_cli,
    "options": _options,
    "at rest": _rest,
    "gzip": _gzip,
    "readme": _readme,
}
"""What a page's marks name."""
