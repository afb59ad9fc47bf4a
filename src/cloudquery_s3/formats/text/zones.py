"""Time zones as Arrow names them: an IANA name or `+hh:mm`."""

from __future__ import annotations

import re
from datetime import UTC as PYTHON_UTC
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Protocol
from zoneinfo import ZoneInfo

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=PYTHON_UTC)
_FIXED: Final = re.compile(r"([+-])(\d\d):(\d\d)", re.ASCII)
_MAX_HOURS: Final = 24
_MAX_MINUTES: Final = 60
_FIRST_S: Final = -62_135_424_000
"""Two days into year 1: before it, and long after it, local mean time holds."""
_LAST_S: Final = 253_370_764_800
"""The start of year 9999; later years repeat the 400 before it, as the calendar does."""
_CYCLE_S: Final = 146_097 * 86_400


class Zone(Protocol):
    """A time zone."""

    def offsets(self, seconds: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the seconds east of UTC at each second since 1970."""


class _Fixed:
    def __init__(self, offset_s: int) -> None:
        self._offset_s = offset_s

    def offsets(self, seconds: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        return np.full(len(seconds), self._offset_s, np.int64)


class _Named:
    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone

    def offsets(self, seconds: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        moments, place = np.unique(seconds, return_inverse=True)
        return np.array([self._offset(second) for second in moments.tolist()], np.int64)[place]

    def _offset(self, second: int) -> int:
        if second >= _LAST_S:
            second = _LAST_S - _CYCLE_S + (second - _LAST_S) % _CYCLE_S
        moment = _EPOCH + timedelta(seconds=max(second, _FIRST_S))
        offset = moment.astimezone(self._zone).utcoffset()
        return int(offset.total_seconds()) if offset is not None else 0


UTC: Final[Zone] = _Fixed(0)


@lru_cache(maxsize=256)
def zone_named(name: str) -> Zone | None:
    """Return the zone of a timestamp column, or None where nobody knows that name. No name is UTC."""
    if name in {"", "UTC", "utc"}:
        return UTC
    try:
        return _Named(ZoneInfo(name))
    except (KeyError, ValueError, OSError):
        pass
    fixed = _FIXED.fullmatch(name)
    if fixed is None or int(fixed[2]) > _MAX_HOURS or int(fixed[3]) > _MAX_MINUTES:
        return None
    offset_s = int(fixed[2]) * 3600 + int(fixed[3]) * 60
    return _Fixed(-offset_s if fixed[1] == "-" else offset_s)
