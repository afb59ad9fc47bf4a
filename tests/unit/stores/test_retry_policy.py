from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudquery_s3.cancellation import Cancellation
from cloudquery_s3.stores.retry import RetryPolicy
from cloudquery_s3.stores.s3_errors import RequestFailedError
from wire_server import NoPause

ATTEMPTS = st.integers(1, 50)
BACKOFF_S = st.floats(0, 3600)


@given(ATTEMPTS, BACKOFF_S, st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_a_wait_is_between_nothing_and_the_cap(attempts: int, cap_s: float, failed: int, dice: float) -> None:
    """No wait is negative, above `max_backoff`, or above what doubling allows."""
    delay_s = RetryPolicy(attempts, cap_s).delay_s(failed, dice)
    assert 0 <= delay_s <= min(cap_s, 2.0 ** min(failed - 1, 60))


@given(ATTEMPTS, st.integers(0, 60))
def test_attempts_are_exact(max_attempts: int, failures: int) -> None:
    """A call is made until it succeeds or `max_attempts` is reached, and each attempt but the last is reported."""
    calls: list[int] = []
    reported: list[int] = []
    pause = NoPause()

    def call() -> str:
        calls.append(len(calls))
        if len(calls) <= failures:
            raise RequestFailedError("no", transient=True)
        return "done"

    def run() -> str:
        return RetryPolicy(max_attempts, 30).run(
            call, pause, Cancellation(), lambda attempt, _: reported.append(attempt)
        )

    if failures < max_attempts:
        assert run() == "done"
        assert len(calls) == failures + 1
    else:
        with pytest.raises(RequestFailedError):
            run()
        assert len(calls) == max_attempts
    assert reported == list(range(1, len(calls)))
    assert len(pause.slept_s) == len(calls) - 1


def test_what_will_not_pass_is_not_repeated() -> None:
    """A failure that is not transient ends at the first attempt, without a wait."""
    pause = NoPause()

    def call() -> None:
        raise RequestFailedError("never", transient=False)

    with pytest.raises(RequestFailedError, match="never"):
        RetryPolicy(5, 30).run(call, pause, Cancellation(), lambda *_: None)
    assert pause.slept_s == []
