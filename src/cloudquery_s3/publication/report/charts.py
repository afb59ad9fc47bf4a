"""Charts as inline SVG and HTML. Pure."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

_WIDTH: Final = 1000
_HEIGHT: Final = 190
_TOP: Final = 22
_BOTTOM: Final = 30
_NARROW: Final = 300
_STEP: Final = 100
_LEAST: Final = 3
_WIDEST: Final = 56
_FEW_LABELS: Final = 8
_LABEL_ROOM: Final = 96
_READABLE: Final = 640
"""The least width in pixels at which the labels of a whole chart can be read; where there is less, it scrolls."""


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
    """Return upright bars: the highest has its value above, a few have their label below; `about` names the chart.

    A chart of few bars is narrow enough for a phone.
    """
    most = max((bar.value for bar in bars), default=0) or 1
    whole = max(_NARROW, min(_WIDTH, _STEP * len(bars)))
    step = whole / max(len(bars), 1)
    width = min(_WIDEST, step * 0.72)
    floor = _HEIGHT - _BOTTOM
    every = max(1, -(-len(bars) // _FEW_LABELS))
    drawn = [f'<line class="axis" x1="0" x2="{whole}" y1="{floor + 0.5}" y2="{floor + 0.5}"/>']
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
            drawn.append(_text(middle, floor - height - 6, bar.text, "value", step, whole))
        if number in labelled:
            drawn.append(_text(middle, _HEIGHT - 10, bar.label, "shown" if bar.is_marked else "", step, whole))
    inside = "".join(drawn)
    size = f'viewBox="0 0 {whole} {_HEIGHT}" style="max-width: {whole}px; min-width: {min(whole, _READABLE)}px"'
    return f'<svg {size} role="img" aria-label="{escape(about)}">{inside}</svg>'


def rows(bars: Sequence[Bar], *, about: str) -> str:
    """Return lying bars, each with its label before and its value behind it, as wide as there is room."""
    most = max((bar.value for bar in bars), default=0) or 1
    lines = "".join(
        f'<tr title="{escape(bar.title)}"><th scope="row">{escape(bar.label)}</th>'
        f'<td><div style="--part: {bar.value / most:.4f}"><i></i>{escape(bar.text)}</div></td></tr>'
        for bar in bars
    )
    return f'<table class="bars" aria-label="{escape(about)}"><tbody>{lines}</tbody></table>'


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
    edge = 45
    anchor, at = "middle", x
    if x < edge:
        anchor, at = "start", max(0.0, x - step * 0.36)
    elif x > width - edge:
        anchor, at = "end", min(float(width), x + step * 0.36)
    return f'<text class="{kind}" x="{at:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
