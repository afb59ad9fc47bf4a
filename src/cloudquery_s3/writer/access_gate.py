"""Whether a refusal concerns one key or the whole bucket: decided by how other objects of the same Write fare."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeVar

from cloudquery_s3.errors import KeyRefusedError, StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudquery_s3.cancellation import Cancellation

_Result = TypeVar("_Result")


class AccessGate:
    """Lets the uploads of one Write begin, and judges the first refusals. Safe to use from several threads.

    A policy may allow some prefixes and refuse others. So `AccessDenied` for a key is that table's own fault where
    another key of this Write has been stored. While none has, the uploads under way are awaited, and no other begins:
    one success decides for the key, none for the bucket. A bucket that refuses everyone thus sees no request more than
    were under way at the first refusal.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._under_way = 0
        self._refused = 0
        self._has_stored = False
        self._refusal: StoreUnavailableError | None = None

    def store(self, commit: Callable[[], _Result], cancellation: Cancellation) -> _Result:
        """Return what `commit` returns, once it may begin: it stores one object, whole.

        Raises:
            KeyRefusedError: the store refuses this key, and has taken another.
            StoreUnavailableError: it refuses everyone.
            ObjectCancelledError: the object was given up before it began.
        """
        return self._attempt(commit, cancellation, stores=True)

    def send(self, upload: Callable[[], _Result], cancellation: Cancellation) -> _Result:
        """Return what `upload` returns, once it may begin: it sends a part of an object, which proves nothing yet.

        Raises: as `store`.
        """
        return self._attempt(upload, cancellation, stores=False)

    def _attempt(self, attempt: Callable[[], _Result], cancellation: Cancellation, *, stores: bool) -> _Result:
        self._enter(cancellation)
        try:
            result = attempt()
            with self._changed:
                self._has_stored = self._has_stored or stores
        except StoreUnavailableError as error:
            if not error.may_concern_the_key:
                raise
            raise self._judge(error) from None
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()
        return result

    def _enter(self, cancellation: Cancellation) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self._refused or self._has_stored or self._refusal)
            cancellation.check()
            if self._refusal is not None:
                raise self._refusal
            self._under_way += 1

    def _judge(self, error: StoreUnavailableError) -> StoreUnavailableError | KeyRefusedError:
        """Return what a refusal is, when the uploads under way have told."""
        with self._changed:
            self._refused += 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._has_stored or self._refusal or self._refused >= self._under_way)
            if self._has_stored:
                self._refused -= 1
                return KeyRefusedError(error)
            self._refusal = self._refusal or error
            return error
