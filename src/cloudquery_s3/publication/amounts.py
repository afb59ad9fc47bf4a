"""Numbers for people."""

from __future__ import annotations


def amount(size_bytes: int) -> str:
    """Return a number of bytes in the unit that fits."""
    size = float(size_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:  # noqa: PLR2004 - the unit's own number
            return f"{size:.0f} {unit}" if size == int(size) else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def counted(number: int, what: str) -> str:
    """Return a number with what it counts, in the singular or with an s."""
    return f"{number} {what}{'' if number == 1 else 's'}"
