"""Headless Chromium, where it is installed: what a page looks like, and what its elements measure."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import zlib
from html import escape, unescape
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from pathlib import Path

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)
DARK = "--blink-settings=preferredColorScheme=0"


def program() -> str:
    """The browser; the test is skipped where there is none."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.skip("there is no Chromium: apt-get install chromium")
    return found


def screenshot(page: Path, folder: Path, *, dark: bool = False, width: int = 1280, height: int = 1600) -> Any:
    """What a page looks like: an array of rows of pixels of red, green and blue."""
    picture = folder / f"{page.stem}-{'dark' if dark else 'light'}.png"
    run(folder, *([DARK] if dark else []), f"--window-size={width},{height}", f"--screenshot={picture}", page.as_uri())
    return pixels(picture.read_bytes())


def measured(html: str, script: str, folder: Path, *, width: int) -> Any:
    """What a script returns that finds the page as `page`, a document in a frame of this width."""
    frame = folder / "frame.html"
    frame.write_text(
        f'<iframe srcdoc="{escape(html)}" width="{width}" height="1600" style="border: 0"></iframe><pre></pre><script>'
        "addEventListener('load', () => { const page = document.querySelector('iframe').contentDocument;"
        f"document.querySelector('pre').textContent = JSON.stringify((() => {{ {script} }})()) }})</script>",
        encoding="utf-8",
    )
    dumped = run(folder, "--window-size=1280,1600", "--dump-dom", frame.as_uri())
    answer = re.search(r"<pre>(.*?)</pre>", dumped, re.DOTALL)
    assert answer, dumped
    return json.loads(unescape(answer[1]))


def run(folder: Path, *arguments: str) -> str:
    """Run the browser with a new profile, so that it knows nothing; what it says."""
    done = subprocess.run(
        [program(), *FLAGS, f"--user-data-dir={folder / 'profile'}", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "HOME": str(folder)},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def pixels(png: bytes) -> Any:
    """Decode a PNG of 8 bits a channel, without its transparency."""
    width, height = (int.from_bytes(png[at : at + 4], "big") for at in (16, 20))
    depth, colours = png[24], {2: 3, 6: 4}[png[25]]
    assert depth == 8
    parts, at = [], 8
    while at < len(png):
        length = int.from_bytes(png[at : at + 4], "big")
        if png[at + 4 : at + 8] == b"IDAT":
            parts.append(png[at + 8 : at + 8 + length])
        at += 12 + length
    lines = np.frombuffer(zlib.decompress(b"".join(parts)), np.uint8).reshape(height, 1 + width * colours)
    picture = np.zeros((height + 1, width + 1, colours), np.int32)  # a row and a column of nothing before the first
    for number, line in enumerate(lines, 1):
        _unfilter(line[0], line[1:].reshape(width, colours), picture[number], picture[number - 1])
    return picture[1:, 1:, :3]


def _unfilter(kind: int, line: Any, row: Any, above: Any) -> None:
    """Source: PNG (Third Edition), 9.2 "Filter types for filter method 0"."""
    if kind == 0:
        row[1:] = line
    elif kind == 1:
        row[1:] = np.cumsum(line, axis=0, dtype=np.int32) & 255
    elif kind == 2:
        row[1:] = (line + above[1:]) & 255
    else:
        for x in range(1, len(row)):
            left, up, corner = row[x - 1], above[x], above[x - 1]
            row[x] = (line[x - 1] + ((left + up) // 2 if kind == 3 else _nearest(left, up, corner))) & 255


def _nearest(left: Any, up: Any, corner: Any) -> Any:
    """The one of three that is nearest to what they foretell together."""
    guess = left + up - corner
    to_left, to_up, to_corner = abs(guess - left), abs(guess - up), abs(guess - corner)
    return np.where((to_left <= to_up) & (to_left <= to_corner), left, np.where(to_up <= to_corner, up, corner))
