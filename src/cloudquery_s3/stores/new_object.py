"""An object that is to be stored, and what its store says when it is there already."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cloudquery_s3.errors import ObjectCancelledError, StoreError
from cloudquery_s3.stores.object_store import ROWS, ObjectKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloudquery_s3.cancellation import Cancellation
    from cloudquery_s3.stores.failures import RequestFailedError

_PRECONDITION_FAILED: Final = 412


@dataclass(frozen=True, slots=True)
class NewObject:
    """An object on its way.

    Attributes:
        key: where it will be.
        cancellation: gives it up.
        create_only: whether the store shall take it only where nothing is at its key.
        kind: what it is for.
    """

    key: str
    cancellation: Cancellation
    create_only: bool = False
    kind: ObjectKind = ROWS

    @property
    def condition(self) -> Mapping[str, str]:
        """The header of the request that makes it visible."""
        return {"If-None-Match": "*"} if self.create_only else {}

    def is_there(self, error: StoreError | ObjectCancelledError, failures: Sequence[RequestFailedError]) -> bool:
        """Return whether a refusal means that this very object is stored: an earlier attempt may have worked.

        Nobody else writes the key, so that what is there then is what was sent. Needs no permission to look.
        """
        refused = isinstance(error, StoreError) and error.status == _PRECONDITION_FAILED
        return self.create_only and refused and any(failure.may_have_worked for failure in failures)
