"""Charts as inline SVG. Pure."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

_WIDTH: Final = 1000
_HEIGHT: Final = 190
_TOP: Final = 22
_BOTTOM: Final = 30
_ROW: Final = 26
_LABEL: Final = 190
_VALUE: Final = 90
_LEAST: Final = 3
_WIDEST: Final = 56
_FEW_LABELS: Final = 8
_LABEL_ROOM: Final = 110


class Bar(NamedTuple):
    """One bar.

    Attributes:
        label: below or beside it.
        value: how long it is.
        text: its value in words.
        title: what is shown when one points at it.
        kind: a class of the style sheet.
        is_marked: whether its label stands out.
    """

    label: str
    value: float
    text: str
    title: str
    kind: str = "bar"
    is_marked: bool = False


def columns(bars: Sequence[Bar], *, about: str) -> str:
    """Return upright bars: the highest has its value above, a few have their label below; `about` names the chart."""
    most = max((bar.value for bar in bars), default=0) or 1
    step = _WIDTH / max(len(bars), 1)
    width = min(_WIDEST, step * 0.72)
    floor = _HEIGHT - _BOTTOM
    every = max(1, -(-len(bars) // _FEW_LABELS))
    drawn = [f'<line class="axis" x1="0" x2="{_WIDTH}" y1="{floor + 0.5}" y2="{floor + 0.5}"/>']
    marked = [number for number, bar in enumerate(bars) if bar.is_marked]
    highest = max(range(len(bars)), key=lambda number: bars[number].value, default=0)
    valued = {*marked, *([] if _is_near(highest, marked, step) else [highest])}
    labelled = {*marked, *(n for n in range(len(bars) - 1, -1, -every) if not _is_near(n, marked, step))}
    for number, bar in enumerate(bars):
        middle = step * (number + 0.5)
        height = max(_LEAST, (floor - _TOP) * bar.value / most)
        drawn.append(
            f'<rect class="{bar.kind}" x="{middle - width / 2:.1f}" y="{floor - height:.1f}" width="{width:.1f}" '
            f'height="{height:.1f}" rx="2"><title>{escape(bar.title)}</title></rect>'
        )
        if number in valued:
            drawn.append(_text(middle, floor - height - 6, bar.text, "value", step, _WIDTH))
        if number in labelled:
            drawn.append(_text(middle, _HEIGHT - 10, bar.label, "shown" if bar.is_marked else "", step, _WIDTH))
    return _svg(_HEIGHT, about, drawn)


def rows(bars: Sequence[Bar], *, about: str) -> str:
    """Return lying bars, each with its label before and its value behind it."""
    most = max((bar.value for bar in bars), default=0) or 1
    room = _WIDTH - _LABEL - _VALUE
    drawn = []
    for number, bar in enumerate(bars):
        top = number * _ROW
        length = max(_LEAST, room * bar.value / most) if bar.value else 0
        drawn.append(
            f'<text x="{_LABEL - 12}" y="{top + 17}" text-anchor="end">{escape(bar.label)}</text>'
            f'<rect class="{bar.kind}" x="{_LABEL}" y="{top + 5}" width="{length:.1f}" height="16" rx="2">'
            f"<title>{escape(bar.title)}</title></rect>"
            f'<text class="value" x="{_LABEL + length + 8:.1f}" y="{top + 17}">{escape(bar.text)}</text>'
        )
    return _svg(_ROW * len(bars), about, drawn)


def share(part: float) -> str:
    """Return a thin bar of which a part from 0 to 1 is filled."""
    length = max(0.0, min(1.0, part)) * _WIDTH
    return (
        f'<svg viewBox="0 0 {_WIDTH} 10" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="track" width="{_WIDTH}" height="10"/><rect class="bar" width="{length:.1f}" height="10"/></svg>'
    )


def _is_near(number: int, others: Sequence[int], step: float) -> bool:
    """Tell whether a bar's label would run into another's."""
    return any(abs(number - other) * step < _LABEL_ROOM for other in others)


def _text(x: float, y: float, text: str, kind: str, step: float, width: int) -> str:
    """Return a centred text; at either end one that stays inside."""
    edge = 60
    anchor, at = "middle", x
    if x < edge:
        anchor, at = "start", max(0.0, x - step * 0.36)
    elif x > width - edge:
        anchor, at = "end", min(float(width), x + step * 0.36)
    return f'<text class="{kind}" x="{at:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(height: int, about: str, drawn: Sequence[str]) -> str:
    inside = "".join(drawn)
    return f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{escape(about)}">{inside}</svg>'
