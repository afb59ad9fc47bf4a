"""The report as one HTML file: styles and charts are in it, nothing is fetched. Pure."""

from __future__ import annotations

from datetime import datetime
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from cloudquery_s3 import __version__
from cloudquery_s3.publication.amounts import amount
from cloudquery_s3.publication.report.charts import Bar, columns, rows, share
from cloudquery_s3.publication.report.figures import SIZE_STEPS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cloudquery_s3.publication.report.figures import Figures, TableFigures
    from cloudquery_s3.publication.syncs import Sync

_MEANINGS: Final = {
    "published": "all parts complete, and published",
    "complete": "every row is in the bucket",
    "parts": "known parts complete, not published",
    "failed": "rows are missing",
    "interrupted": "cancelled before its end",
}
_MOST_BAD: Final = 50
_SORT: Final = """\
for (const button of document.querySelectorAll("th button")) button.addEventListener("click", () => {
  const heading = button.parentElement, body = heading.closest("table").tBodies[0];
  const column = [...heading.parentElement.children].indexOf(heading);
  const down = heading.getAttribute("aria-sort") !== "descending";
  for (const other of heading.parentElement.children) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", down ? "descending" : "ascending");
  const value = row => row.children[column].dataset.value ?? row.children[column].textContent;
  const order = (a, b) => value(a).localeCompare(value(b), "en", {numeric: true}) * (down ? -1 : 1);
  body.append(...[...body.rows].sort(order));
});"""


def page(figures: Figures, *, made_at: str) -> str:
    """Return the whole file; `made_at` is when, in words."""
    style = files(__package__).joinpath("style.css").read_text(encoding="utf-8")
    title = f"Sync {figures.sync.sync_id} into {figures.bucket}"
    body = "\n".join(_body(figures))
    footer = f"Made at {escape(made_at)} by cloudquery-s3 {__version__}, from the manifests in the bucket."
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{escape(title)}</title>\n'
        f"<style>\n{style}</style>\n</head>\n<body>\n<main>\n{body}\n<footer>{footer}</footer>\n</main>\n"
        f"<script>\n{_SORT}\n</script>\n</body>\n</html>\n"
    )


def _body(figures: Figures) -> Iterator[str]:
    sync = figures.sync
    yield f"<h1>CloudQuery into s3://{escape(figures.bucket)}</h1>"
    yield f'<p class="muted"><code>{escape(figures.path)}</code></p>'
    yield _facts(sync)
    yield _tiles(figures)
    if figures.errors or any(table.errors for table in figures.tables):
        yield _failures(figures)
    yield _history(figures)
    yield _tables(figures)
    yield _sizes(figures)
    yield _alterations(figures.tables)


def _facts(sync: Sync) -> str:
    facts = {
        "Sync": f"<code>{escape(sync.sync_id)}</code>",
        "Status": f'<span class="status {sync.status}">{sync.status}</span> {_MEANINGS[sync.status]}',
        "Began": f"{moment(sync.started_at)}, took {_duration(sync.started_at, sync.ended_at)}",
        "Sources": escape(", ".join(sorted(sync.sources)) or "none: no row came"),
    }
    if sync.parts:
        facts["Parts"] = escape(", ".join(sync.parts))
    inside = "".join(f"<dt>{name}</dt><dd>{text}</dd>" for name, text in facts.items())
    return f'<dl class="facts">{inside}</dl>'


def _tiles(figures: Figures) -> str:
    sync = figures.sync
    tiles = {
        "rows": number(sum(table.rows for table in figures.tables)),
        "bytes": amount(sum(table.size_bytes for table in figures.tables)),
        "objects": number(sum(table.objects for table in figures.tables)),
        "tables": number(len(figures.tables)),
        "cells altered": number(sync.total("altered_cells")),
        "retries": number(sync.total("retries")),
    }
    inside = "".join(f'<div class="tile"><b>{text}</b><span>{name}</span></div>' for name, text in tiles.items())
    return f'<div class="tiles">{inside}</div>'


def _failures(figures: Figures) -> str:
    failed = [(table.name, error) for table in figures.tables for error in table.errors]
    parts = [f'<p class="error">{escape(error)}</p>' for error in figures.errors[:_MOST_BAD]]
    lines = "".join(
        f'<tr><td><code>{escape(name)}</code></td><td class="error">{escape(error)}</td></tr>'
        for name, error in failed[:_MOST_BAD]
    )
    table = f"<table><thead><tr><th>table</th><th>why</th></tr></thead><tbody>{lines}</tbody></table>"
    return _section("Failures", "".join(parts) + (_scroll(table) if failed else ""))


def _history(figures: Figures) -> str:
    bars = [
        Bar(
            label=moment(sync.started_at, short=True),
            value=sync.total("rows"),
            text=number(sync.total("rows")),
            title=f"{moment(sync.started_at)}: {sync.status}, {number(sync.total('rows'))} rows, "
            f"{number(sync.total('objects'))} objects, {amount(sync.total('bytes'))}",
            kind=sync.status,
            is_marked=sync is figures.sync,
        )
        for sync in figures.last
    ]
    chart = columns(bars, about="rows of the last syncs")
    statuses = [status for status in _MEANINGS if any(sync.status == status for sync in figures.last)]
    legend = "".join(
        f'<li class="{status}"><i></i>{status} <span>{_MEANINGS[status]}</span></li>' for status in statuses
    )
    return _section(
        "Rows of the last syncs", f'<div class="scroll newest">{chart}</div><ul class="legend">{legend}</ul>'
    )


def _tables(figures: Figures) -> str:
    if not figures.tables:
        return _section("Tables", '<p class="muted">The source named no table.</p>')
    most = max(table.size_bytes for table in figures.tables) or 1
    lines = "".join(_table_row(table, most) for table in figures.tables)
    names = ("table", "rows", "bytes", "objects", "an object has")
    headings = "".join(
        f"<th{'' if name == 'table' else ' class=number'}{' aria-sort=descending' if name == 'bytes' else ''}>"
        f'<button type="button">{name}</button></th>'
        for name in names
    )
    head = f"<thead><tr>{headings}<th></th></tr></thead>"
    return _section("Tables", _scroll(f"<table>{head}<tbody>{lines}</tbody></table>"))


def _table_row(table: TableFigures, most: int) -> str:
    average = table.size_bytes // table.objects if table.objects else 0
    numbers = (
        (table.rows, number(table.rows)),
        (table.size_bytes, amount(table.size_bytes)),
        (table.objects, number(table.objects)),
        (average, amount(average)),
    )
    cells = "".join(f'<td class="number" data-value="{value}">{text}</td>' for value, text in numbers)
    bar = f'<td class="share">{share(table.size_bytes / most)}</td>'
    return f"<tr><td><code>{escape(table.name)}</code></td>{cells}{bar}</tr>"


def _sizes(figures: Figures) -> str:
    total = sum(figures.sizes)
    if not total:
        return _section("Object sizes", '<p class="muted">There are no objects.</p>')
    ends = [*(amount(step) for step in SIZE_STEPS[1:]), ""]
    bars = []
    for start, end, count in zip(SIZE_STEPS, ends, figures.sizes, strict=True):
        label = f"below {end}" if not start else f"{amount(start)} to {end}" if end else f"{amount(start)} and more"
        percent = f"{100 * count / total:.0f} %"
        bars.append(Bar(label=label, value=count, text=number(count), title=f"{label}: {number(count)}, {percent}"))
    median = (
        f'<p class="muted">Half of the {number(total)} objects are smaller than {amount(figures.median_bytes)}.</p>'
    )
    return _section("Object sizes", median + rows(bars, about="objects by size"))


def _alterations(tables: Sequence[TableFigures]) -> str:
    altered = sorted(
        ((cells, table.name, what) for table in tables for what, cells in table.altered.items()), reverse=True
    )
    if not altered:
        return _section("Altered cells", '<p class="muted">Every cell was written as it came.</p>')
    lines = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td>{escape(what)}</td><td class=number>{number(cells)}</td></tr>"
        for cells, name, what in altered[:_MOST_BAD]
    )
    more = f'<p class="muted">And {len(altered) - _MOST_BAD} more.</p>' if len(altered) > _MOST_BAD else ""
    head = "<thead><tr><th>table</th><th>column and reason</th><th class=number>cells</th></tr></thead>"
    return _section("Altered cells", _scroll(f"<table>{head}<tbody>{lines}</tbody></table>") + more)


def _section(title: str, inside: str) -> str:
    return f"<section><h2>{title}</h2>{inside}</section>"


def _scroll(wide: str) -> str:
    return f'<div class="scroll">{wide}</div>'


def number(value: int) -> str:
    """Return a number with separators of thousands."""
    return f"{value:,}"


def moment(instant: str, *, short: bool = False) -> str:
    """Return a manifest's moment for people, in UTC."""
    at = datetime.fromisoformat(instant)
    return f"{at:%m-%d %H:%M}" if short else f"{at:%Y-%m-%d %H:%M:%S} UTC"


def _duration(start: str, end: str) -> str:
    seconds = (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"
