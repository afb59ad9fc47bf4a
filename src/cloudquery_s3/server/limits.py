"""Every bound on what a client can make this process hold or do, in one table.

`docs/operations.md` shows the table that `as_markdown` makes of it; a test compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Final

_KIB: Final = 1 << 10
_MIB: Final = 1 << 20


def _limit(default: float, beyond: str) -> Any:
    return field(default=default, metadata={"beyond": beyond})


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of one server: names end in their unit, those without one are numbers of things.

    Attributes: see `as_markdown`, which says of each what happens beyond it.
    """

    connections: int = _limit(256, "Beyond it one without calls is closed for the next, or the next itself.")
    greeting_s: float = _limit(10, "A connection whose client has not introduced itself by then is closed.")
    idle_s: float = _limit(
        600,
        "A connection without calls and without a destination is closed, at half of it or later.",
    )
    linger_s: float = _limit(
        300, "A destination whose connection has closed without Close is kept so long for other connections."
    )
    destinations: int = _limit(256, "Destinations at the same time; a further Init is refused.")
    calls: int = _limit(256, "Over all connections; a further call is refused, and its client may try again.")
    streams: int = _limit(100, "Calls at the same time on one connection; likewise.")
    request_s: float = _limit(60, "A call that takes one message fails when that has not come whole by then.")
    header_bytes: int = _limit(16 * _KIB, "The headers of one request; beyond it the connection is closed.")
    header_frames: int = _limit(32, "Frames of one request's headers; beyond it the connection is closed.")
    settings: int = _limit(64, "Settings in one frame; beyond it the connection is closed.")
    unread_bytes: int = _limit(_MIB, "Answers that a client does not read; beyond it the connection is closed.")
    message_bytes: int = _limit(220 * _MIB, "One message; a larger one ends its call. The CLI itself allows 200 MiB.")
    spec_bytes: int = _limit(_MIB, "A spec; a longer one is refused.")
    window_bytes: int = _limit(4 * _MIB, "What may come of one call before any of it is taken; the client waits.")
    least_window_bytes: int = _limit(256 * _KIB, "The same, where many calls share `all_windows_bytes`.")
    all_windows_bytes: int = _limit(16 * _MIB, "All calls' windows: each gets its share, down to the least.")
    large_messages_bytes: int = _limit(
        32 * _MIB,
        "What has come of all messages above the least window and is not taken; beyond it only the one that began "
        "first goes on, and none while whole ones take as much.",
    )
    error_bytes: int = _limit(4 * _KIB, "The text of an error; a longer one is cut, the log has all of it.")


def as_markdown(limits: Limits | None = None) -> str:
    """Return the table for the documentation: name, value, and what happens beyond it."""
    shown = limits or Limits()
    rows = [
        f"| `{one.name}` | {_value(one.name, getattr(shown, one.name))} | {one.metadata['beyond']} |"
        for one in fields(Limits)
    ]
    return "\n".join(["| limit | value | beyond it |", "| --- | --- | --- |", *rows])


def _value(name: str, value: float) -> str:
    if name.endswith("_s"):
        return f"{value:g} s"
    if not name.endswith("_bytes"):
        return f"{value:g}"
    return f"{value // _MIB} MiB" if value >= _MIB else f"{value // _KIB} KiB"
