"""The time that signatures name: this machine's, or the store's where the two differ."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)

TOLERANCE: Final = timedelta(minutes=4)
"""Differences up to this are left: AWS accepts a quarter of an hour. Source: the AWS SDK for Go."""


_SKEW_CODES: Final = frozenset(
    {
        "AuthFailure",
        "InvalidSignatureException",
        "RequestExpired",
        "RequestInTheFuture",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
    }
)
"""Answers that a wrong clock may have caused; the server's own `Date` tells. Source: the AWS SDK for Go."""


class Clock:
    """Tells the time as a server has it. Safe to use from several threads."""

    def __init__(self, system: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._system = system
        self._offset = timedelta()

    def now(self) -> datetime:
        """Return the time, in UTC."""
        return self._system() + self._offset

    def explains(self, code: str, date: str) -> bool:
        """Return whether an error's code and a server's `Date` say that the time was wrong; it is right from now on."""
        return code in _SKEW_CODES and self.correct(date)

    def correct(self, date: str) -> bool:
        """Go by a server's `Date` header from now on, where it differs by minutes; return whether it does."""
        try:
            server = parsedate_to_datetime(date).astimezone(UTC)
        except ValueError:
            return False
        if abs(server - self.now()) <= TOLERANCE:
            return False
        self._offset = server - self._system()
        seconds = round(self._offset.total_seconds())
        log.warning("this machine's clock is wrong: requests are signed by the server's", extra={"seconds": seconds})
        return True
