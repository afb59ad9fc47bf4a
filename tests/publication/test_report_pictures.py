"""The report as a browser draws it: light, dark, and on a phone."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest

import chromium
from cloudquery_s3.publication.report.figures import Figures, TableFigures
from cloudquery_s3.publication.report.page import page
from cloudquery_s3.publication.syncs import grouped
from publication_syncs import head

if TYPE_CHECKING:
    from pathlib import Path

PHONE = 390
"""A phone's width in pixels."""

LIGHT, DARK = (246, 247, 249), (18, 22, 28)
"""The page's colour, as the style sheet has it."""

LUMINANCE = np.array([0.2126, 0.7152, 0.0722])


def report(syncs: int) -> str:
    """A page about the newest of some syncs, with all that a page can have."""
    heads = [head(f"s{n}", 10 * n, "failed" if n % 7 == 6 else "complete", objects=n + 1) for n in range(syncs)]
    last = grouped(heads)[::-1]
    tables = [
        TableFigures(
            "aws_ec2_instance_type_offerings_of_every_region", 52754, 1 << 31, 6, Counter({"a, b": 3}), ["no"]
        ),
        *(TableFigures(f"table_{n}", n, n << 20, 1) for n in range(9, 0, -1)),
    ]
    return page(
        Figures(
            "bucket",
            "p/{{TABLE}}/{{UUID}}",
            last[-1],
            last,
            tables,
            [3, 1, 4, 1, 5, 9, 2, 6, 5],
            1 << 20,
            ["words " * 20],
        ),
        made_at="now",
    )


def contrast(one: np.ndarray, other: tuple[int, int, int]) -> np.ndarray:
    """How far colours are from another, as WCAG 2 counts it."""

    def light(colour: np.ndarray) -> np.ndarray:
        part = colour / 255
        return np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4) @ LUMINANCE

    brighter, darker = np.maximum(light(one), light(np.array(other))), np.minimum(light(one), light(np.array(other)))
    return (brighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize(("dark", "colour"), [(False, LIGHT), (True, DARK)])
def test_light_and_dark(dark: bool, colour: tuple[int, int, int], tmp_path: Path) -> None:
    """The page has the browser's colour scheme, and in it text that stands out, and bars in their colours."""
    file = tmp_path / "report.html"
    file.write_text(report(8), encoding="utf-8")
    picture = chromium.screenshot(file, tmp_path, dark=dark, width=800, height=1300)
    assert tuple(picture[5, 5]) == colour
    heading = picture[30:70, 20:500].reshape(-1, 3)
    assert contrast(heading, colour).max() > 10
    shades = {tuple(shade) for shade in np.unique(picture.reshape(-1, 3), axis=0)}
    bars = (
        {(79, 191, 174), (240, 130, 122), (107, 166, 228)} if dark else {(29, 138, 122), (194, 59, 52), (47, 111, 179)}
    )
    assert bars <= shades


@pytest.mark.parametrize("syncs", [1, 3, 30])
def test_on_a_phone(syncs: int, tmp_path: Path) -> None:
    """On a phone nothing is wider than the page; the newest sync's column is in view, and so are all bars of sizes."""
    script = """
    const edges = selector => [...page.querySelectorAll(selector)].map(one => {
      const {left, right} = one.getBoundingClientRect(); return [left, right] });
    const chart = page.querySelector('.newest svg');
    return {width: page.documentElement.scrollWidth, columns: edges('.newest rect'), bars: edges('.bars i'),
            scale: chart.getBoundingClientRect().width / chart.viewBox.baseVal.width}
    """
    found = chromium.measured(report(syncs), script, tmp_path, width=PHONE)
    assert found["width"] <= PHONE
    assert len(found["columns"]) == syncs
    assert len(found["bars"]) == 9
    for left, right in [found["columns"][-1], *found["bars"]]:
        assert 0 <= left <= right <= PHONE
    assert found["scale"] > 0.6, "labels are too small to be read"
