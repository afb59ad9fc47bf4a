"""When credentials are fetched again, and what becomes of requests meanwhile."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from botocore.credentials import Credentials, ReadOnlyCredentials
from hypothesis import given, settings
from hypothesis import strategies as st

from captured import capture_logs
from cloudquery_s3.cancellation import Cancellation
from cloudquery_s3.errors import CredentialsError, ObjectCancelledError, StoreUnavailableError
from cloudquery_s3.stores.clock import Clock
from cloudquery_s3.stores.credentials import CredentialSource, Snapshot, snapshot
from cloudquery_s3.stores.failures import RequestFailedError
from cloudquery_s3.stores.retry import RetryPolicy
from waiting import eventually
from wire_server import NoPause


@dataclass
class Chain:
    """What gives credentials, and a clock to move.

    Attributes:
        lives_s: how long each set of credentials lives, one after the other; the last for ever on. None does not end.
        errors: raised by the next searches, used up one by one.
        searches: how often it was asked.
        opened: searches wait for it.
    """

    lives_s: list[float | None]
    errors: list[Exception] = field(default_factory=list)
    searches: int = 0
    now: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    opened: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.opened.set()

    def load(self) -> Snapshot:
        self.searches += 1
        self.opened.wait(30)
        if self.errors:
            raise self.errors.pop(0)
        life_s = self.lives_s.pop(0) if len(self.lives_s) > 1 else self.lives_s[0]
        keys = ReadOnlyCredentials(f"AKID{self.searches}", "secret", None)
        return Snapshot(keys, None if life_s is None else self.now + timedelta(seconds=life_s))

    def source(self, max_attempts: int = 1) -> CredentialSource:
        return CredentialSource(
            self.load,
            operation="GetCredentials",
            name="chain",
            policy=RetryPolicy(max_attempts, 1),
            pause=NoPause(),
            clock=Clock(lambda: self.now),
        )


def key(source: CredentialSource) -> str:
    """Return the access key that would sign now."""
    return source.current(Cancellation()).access_key


@settings(max_examples=50)
@given(st.floats(20, 50_000), st.integers(1, 50))
def test_credentials_are_fetched_once_for_the_most_of_their_life(life_s: float, requests: int) -> None:
    """However short the life of credentials is, the requests of its first half fetch them once."""
    chain = Chain([life_s])
    source = chain.source()
    for _ in range(requests):
        assert key(source) == "AKID1"
        chain.now += timedelta(seconds=life_s / 2 / requests)
    assert chain.searches == 1


def test_they_are_renewed_early_and_in_the_background() -> None:
    """In the last quarter of their life one search begins, and requests go on with the present ones until it ends."""
    chain = Chain([840, 3600])
    source = chain.source()
    assert key(source) == "AKID1"
    chain.now += timedelta(seconds=700)
    chain.opened.clear()
    for _ in range(10):
        assert key(source) == "AKID1"
    chain.opened.set()
    assert eventually(lambda: key(source) == "AKID2")
    assert chain.searches == 2


def test_a_renewal_that_fails_matters_only_when_they_are_dead() -> None:
    """A failed renewal is a warning, is tried again at a distance, and ends nothing while the present ones live."""
    chain = Chain([1000], errors=[])
    source = chain.source()
    assert key(source) == "AKID1"
    chain.errors = [RequestFailedError("no answer", transient=True)] * 3
    chain.now += timedelta(seconds=800)
    with capture_logs() as logs:
        for _ in range(10):
            assert key(source) == "AKID1"
            assert eventually(lambda: source._search is None)
    assert chain.searches == 2
    assert [log["event"] for log in logs] == ["credentials could not be renewed yet"]
    chain.now += timedelta(seconds=199)
    assert key(source) == "AKID1"
    assert eventually(lambda: source._search is None)
    chain.now += timedelta(seconds=2)
    with pytest.raises(StoreUnavailableError, match="could not be fetched: no answer"):
        key(source)
    assert key(source) == "AKID5"


def test_those_who_find_none_wait_for_one_search() -> None:
    """Any number of threads that need credentials at once cause one search, and all get what it finds."""
    chain = Chain([None])
    chain.opened.clear()
    source, keys = chain.source(), []
    threads = [threading.Thread(target=lambda: keys.append(key(source))) for _ in range(20)]
    for thread in threads:
        thread.start()
    chain.opened.set()
    for thread in threads:
        thread.join(30)
    assert keys == ["AKID1"] * 20
    assert chain.searches == 1


def test_a_search_is_repeated_by_the_stores_policy() -> None:
    """`max_retries` holds for every source: a search that may pass is repeated until then; one that may not, never."""
    chain = Chain([None], errors=[RequestFailedError("no answer", transient=True)] * 9)
    assert key(chain.source(max_attempts=10)) == "AKID10"
    refused = Chain([None], errors=[RequestFailedError("InvalidClientTokenId", status=403)] * 9)
    with pytest.raises(CredentialsError):
        key(refused.source(max_attempts=10))
    assert refused.searches == 1


def test_whoever_is_given_up_does_not_wait_for_a_search() -> None:
    """An object that waits for credentials ends when it is given up, while the search goes on for others."""
    chain, token, ended = Chain([None]), Cancellation(), []
    chain.opened.clear()
    source = chain.source()

    def wait() -> None:
        with pytest.raises(ObjectCancelledError):
            source.current(token)
        ended.append(True)

    waiting = threading.Thread(target=wait)
    waiting.start()
    assert eventually(lambda: chain.searches == 1)
    token.cancel()
    waiting.join(30)
    assert ended
    chain.opened.set()
    assert key(source) == "AKID1"
    assert chain.searches == 1


def test_an_unknown_error_reaches_who_waits() -> None:
    """A fault that nobody has thought of is raised where credentials were asked for, and does not hang."""
    chain = Chain([None], errors=[ZeroDivisionError("?")])
    with pytest.raises(ZeroDivisionError):
        key(chain.source())


@pytest.mark.parametrize("bad", ["line\n", "line\r\n", "two words", "\x00"])
@pytest.mark.parametrize("part", ["access key", "secret key", "session token"])
def test_a_line_break_in_a_key_is_named(part: str, bad: str) -> None:
    """A key, secret or token that no header can hold is an error that names it, and does not show it."""
    parts = {"access key": "AKID", "secret key": "secret", "session token": "token", part: bad}
    with pytest.raises(CredentialsError, match=f"the {part} holds a line break or a blank") as caught:
        snapshot(Credentials(*parts.values()))
    assert bad not in str(caught.value).replace("a line break or a blank: remove it", "")


def test_a_snapshot_shows_no_secret() -> None:
    """Neither keys nor tokens are in what is printed of credentials."""
    assert "secret" not in repr(snapshot(Credentials("AKID", "secret", "token")))
