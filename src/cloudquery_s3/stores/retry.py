"""When a request is sent again, and how long to wait before: pure policy, its clock and dice passed in."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from cloudquery_s3.stores.failures import RequestFailedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudquery_s3.cancellation import Cancellation

T = TypeVar("T")

FIRST_DELAY_S: Final = 1.0
"""The longest wait before the second attempt; it doubles with every further one, up to the policy's cap."""


class Pause(Protocol):
    """How a thread waits, and the dice for how long."""

    def sleep(self, seconds: float, cancellation: Cancellation) -> None:
        """Return after so many seconds, or as soon as the object is given up."""

    def random(self) -> float:
        """Return a number in [0, 1)."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and at what distance a request is repeated.

    Exponential backoff with full jitter: before attempt n + 1 the wait is evenly spread between nothing and
    min(`max_backoff_s`, 2**(n - 1) seconds), so that clients that failed together do not come back together.

    Attributes:
        max_attempts: requests in all, the first included (3 = one try and two more); at least 1.
        max_backoff_s: the longest wait.

    Source: docs/spec.md, `max_retries` and `max_backoff`.
    """

    max_attempts: int
    max_backoff_s: float

    def delay_s(self, failed_attempts: int, dice: float) -> float:
        """Return how long to wait after so many failed attempts, for a throw of the dice in [0, 1)."""
        doublings = min(failed_attempts - 1, 60)  # far above any cap, and no float overflow for endless attempts
        return dice * min(self.max_backoff_s, FIRST_DELAY_S * 2.0**doublings)

    def run(
        self,
        call: Callable[[], T],
        pause: Pause,
        cancellation: Cancellation,
        on_retry: Callable[[int, RequestFailedError], None],
    ) -> T:
        """Return what `call` returns, calling it again while it fails for reasons that may pass.

        Args:
            call: one attempt.
            pause: waits between attempts.
            cancellation: once it is set no further attempt begins, and no wait goes on.
            on_retry: told of each failure that will be followed by another attempt, with the number of the attempt.

        Raises:
            RequestFailedError: of the last attempt.
            ObjectCancelledError: the object was given up.
        """
        for attempt in itertools.count(1):
            cancellation.check()
            try:
                return call()
            except RequestFailedError as failure:
                if not failure.transient or attempt >= self.max_attempts:
                    raise
                cancellation.check()
                on_retry(attempt, failure)
                pause.sleep(self.delay_s(attempt, pause.random()), cancellation)
        raise AssertionError  # itertools.count has no end
