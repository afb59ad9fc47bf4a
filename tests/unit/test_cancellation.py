"""The token of one object."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from cloudquery_s3.cancellation import Cancellation
from cloudquery_s3.errors import ObjectCancelledError, PluginError
from cloudquery_s3.stores.s3 import SystemPause

AN_HOUR_S = 3600.0


def test_a_token_is_set_once_and_stays_set() -> None:
    """Before `cancel` a check passes; after it, repeated or not, every check raises a PluginError."""
    token = Cancellation()
    assert (token.cancelled, token.wait(0)) == (False, False)
    token.check()
    for _ in range(2):
        token.cancel()
        assert token.cancelled
        assert token.wait(AN_HOUR_S)
        with pytest.raises(ObjectCancelledError, match="given up") as caught:
            token.check()
        assert isinstance(caught.value, PluginError)


def test_many_threads_may_set_it() -> None:
    """However many threads give an object up at once, none of them fails."""
    for _ in range(50):
        token = Cancellation()
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _, token=token: token.cancel(), range(8)))
        assert token.cancelled


def test_a_wait_between_attempts_ends_with_the_token() -> None:
    """A pause of an hour ends as soon as the object is given up, also when that was before it began."""
    token = Cancellation()
    with ThreadPoolExecutor(1) as pool:
        sleeping = pool.submit(SystemPause().sleep, AN_HOUR_S, token)
        token.cancel()
        sleeping.result(timeout=30)
    SystemPause().sleep(AN_HOUR_S, token)


def test_waiting_for_work_ends_with_either() -> None:
    """Whoever waits for a future returns when one is done, and is told where the object was given up instead."""
    token, never, done = Cancellation(), Future[None](), Future[None]()
    done.set_result(None)
    token.wait_for_any([never, done])
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(token.wait_for_any, [never])
        token.cancel()
        with pytest.raises(ObjectCancelledError):
            waiting.result(timeout=30)
