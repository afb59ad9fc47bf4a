"""Whose credentials sign the requests, and when they are renewed."""

from __future__ import annotations

import logging
import re
import threading
from concurrent.futures import Future
from contextvars import copy_context
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from botocore.credentials import ReadOnlyCredentials, RefreshableCredentials

from cloudquery_s3.cancellation import Cancellation
from cloudquery_s3.errors import CredentialsError
from cloudquery_s3.stores.credential_failures import credential_failure, credentials_error
from cloudquery_s3.stores.failures import RequestFailedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from botocore.credentials import Credentials

    from cloudquery_s3.stores.clock import Clock
    from cloudquery_s3.stores.retry import Pause, RetryPolicy

log = logging.getLogger(__name__)
logging.getLogger("botocore.credentials").setLevel(logging.ERROR)  # it warns with a trace of what is reported here

RENEWAL_MAX: Final = timedelta(minutes=15)
"""Credentials are renewed when a quarter of their time is left, and this at the most. See docs/authentication.md."""

_RENEWAL_SHARE: Final = 0.25
_RENEWAL_AGAIN_MIN: Final = timedelta(seconds=10)
_LOGIN: Final = "login"
_CACHED_MIN_S: Final = 300
"""How many seconds keys that `aws login` has cached must be good for. Source: botocore."""

_UNPRINTABLE: Final = re.compile(r"[\x00-\x20\x7f]")
_PARTS: Final = ("access key", "secret key", "session token")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Credentials as they were found.

    Attributes:
        keys: to sign with.
        expires_at: when they end, in UTC, or None.
    """

    keys: ReadOnlyCredentials = field(repr=False)
    expires_at: datetime | None


def snapshot(found: Credentials) -> Snapshot:
    """Return what a search has found; fetches it where that is still to be done.

    Credentials that are fetched and have ended by this machine's clock are taken: the store decides by its own.

    Raises:
        CredentialsError: a key or token holds a line break or a blank, which no header may.
    """
    settle(found)
    try:
        keys = found.get_frozen_credentials()
    except RuntimeError:
        keys = _fetched(found)
    for name, value in zip(_PARTS, keys, strict=False):
        if value and _UNPRINTABLE.search(value):
            raise CredentialsError(
                f"the {name} holds a line break or a blank: remove it", operation="GetCredentials", key=name
            )
    return Snapshot(keys, getattr(found, "_expiry_time", None))


def _fetched(found: Any) -> ReadOnlyCredentials:
    """Return credentials that were just fetched, and which botocore takes for ended."""
    keys: ReadOnlyCredentials = found._frozen_credentials  # noqa: SLF001 - it gives them in no other way
    return keys


def settle(found: Credentials) -> None:
    """Have credentials renew themselves when they have ended, and no earlier: this module decides about that.

    But those of `aws login` come from a cache, however often they are searched: minutes before their end it is renewed.
    """
    if isinstance(found, RefreshableCredentials):
        made: Any = found  # botocore makes it, and has no way to say this
        made._advisory_refresh_timeout = _CACHED_MIN_S if made.method == _LOGIN else 0  # noqa: SLF001 - as said
        made._mandatory_refresh_timeout = 0  # noqa: SLF001 - as said


class CredentialSource:
    """Gives the credentials that are valid now. Safe to use from several threads; never shows a secret in its repr.

    Credentials that end are renewed before, by one thread in the background, while requests go on with the present
    ones; a renewal that fails is tried again later, and matters only once they have ended.
    """

    def __init__(
        self,
        load: Callable[[], Snapshot],
        *,
        operation: str,
        name: str,
        policy: RetryPolicy,
        pause: Pause,
        clock: Clock,
    ) -> None:
        """Make a source. Searches when first used.

        Args:
            load: searches the whole chain afresh, once.
            operation: what that is called in messages.
            name: what is searched, for messages: a profile, a role's ARN.
            policy: how often a search is repeated that fails for reasons that may pass.
            pause: waits in between.
            clock: tells when credentials end.
        """
        self._load = load
        self._where = {"operation": operation, "key": name}
        self._policy = policy
        self._pause = pause
        self._clock = clock
        self._closed = Cancellation()
        self._lock = threading.Lock()
        self._held: Snapshot | None = None
        self._renew_at: datetime | None = None
        self._search: Future[Snapshot] | None = None

    def current(self, cancellation: Cancellation) -> ReadOnlyCredentials:
        """Return the credentials to sign with; waits only while there are none.

        Raises:
            CredentialsError: there are none.
            StoreUnavailableError: what gives them cannot be reached.
            ObjectCancelledError: the object was given up.
        """
        cancellation.check()
        with self._lock:
            now = self._clock.now()
            if self._held is not None and (self._held.expires_at is None or now < self._held.expires_at):
                if self._renew_at is not None and now >= self._renew_at:
                    self._begin_search()
                return self._held.keys
            search = self._begin_search()
        cancellation.wait_for_any([search])
        return search.result().keys

    def renew(self, refused: ReadOnlyCredentials, cancellation: Cancellation) -> bool:
        """Search the chain again because the store has refused these credentials; return whether there are others now.

        Raises:
            CredentialsError: there are none any more.
            StoreUnavailableError: what gives them cannot be reached.
            ObjectCancelledError: the object was given up.
        """
        cancellation.check()
        with self._lock:
            if self._held is not None and self._held.keys == refused:
                self._held = None
        return self.current(cancellation) != refused

    def close(self) -> None:
        """End a search that waits for its next attempt."""
        self._closed.cancel()

    def _begin_search(self) -> Future[Snapshot]:
        """Return the search that is under way, or begin one. The lock is held."""
        if self._search is None:
            self._search = Future()
            search = partial(copy_context().run, self._run, self._search)
            threading.Thread(target=search, name="s3-credentials", daemon=True).start()
        return self._search

    def _run(self, search: Future[Snapshot]) -> None:
        try:
            found = self._policy.run(self._attempt, self._pause, self._closed, self._on_retry)
        except RequestFailedError as failure:
            self._ended(search, None, credentials_error(failure, **self._where))
        except BaseException as error:  # noqa: BLE001 - whoever waits must hear of it
            self._ended(search, None, error)
        else:
            self._ended(search, found, None)

    def _attempt(self) -> Snapshot:
        try:
            return self._load()
        except Exception as error:  # noqa: BLE001 - every foreign error is understood in one place
            raise credential_failure(error) from None

    def _on_retry(self, attempt: int, failure: RequestFailedError) -> None:
        log.warning("sending again", extra={**self._where, "attempt": attempt, "cause": str(failure)})

    def _ended(self, search: Future[Snapshot], found: Snapshot | None, error: BaseException | None) -> None:
        with self._lock:
            self._search = None
            if found is not None:
                self._held = found
            elif self._held is not None:
                log.warning("credentials could not be renewed yet", extra={**self._where, "cause": str(error)})
            self._renew_at = self._next_renewal()
        if found is not None:
            search.set_result(found)
        else:
            search.set_exception(error)

    def _next_renewal(self) -> datetime | None:
        """Return when the credentials that are held should be renewed; at a distance, where that has just failed."""
        if self._held is None or self._held.expires_at is None:
            return None
        now = self._clock.now()
        left = self._held.expires_at - now
        early = min(RENEWAL_MAX, left * _RENEWAL_SHARE)
        return max(self._held.expires_at - early, now + _RENEWAL_AGAIN_MIN)
