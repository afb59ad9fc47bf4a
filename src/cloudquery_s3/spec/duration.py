"""Go's syntax of durations, in which `batch_timeout` is written."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Final

_NANOSECONDS: Final = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,  # the micro sign
    "μs": 1_000,  # the Greek letter: Go takes both
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_TERM: Final = re.compile(rf"([0-9]+\.?[0-9]*|\.[0-9]+)({'|'.join(_NANOSECONDS)})")
_DURATION: Final = re.compile(rf"([-+]?)((?:{_TERM.pattern})+)")
_MAX_NANOSECONDS: Final = 2**63 - 1
_MAX_LENGTH: Final = 200


def duration_s(text: str) -> float:
    """Return a duration's length in seconds: `90s`, `1m30s`, `1.5h`, `250ms`, `-1s`, `0`.

    Raises:
        ValueError: the text is not a duration, or longer than 64 bits of nanoseconds can say (292 years).

    Source: docs/spec.md, `batch_timeout`.
    """
    if text in {"0", "+0", "-0"}:
        return 0.0
    match = _DURATION.fullmatch(text) if len(text) <= _MAX_LENGTH else None
    if match is None:
        raise ValueError('is not a duration; write a number and a unit (ns, us, ms, s, m, h), such as "30s" or "1m30s"')
    terms = _TERM.findall(match[2])
    nanoseconds = int(sum(Fraction(_with_digits(number)) * _NANOSECONDS[unit] for number, unit in terms))
    if nanoseconds > _MAX_NANOSECONDS:
        raise ValueError('is too long: a duration can be 292 years at most; write "0s" for no limit')
    return (-nanoseconds if match[1] == "-" else nanoseconds) / 1e9


def _with_digits(number: str) -> str:
    return f"0{number}0" if "." in number else number
