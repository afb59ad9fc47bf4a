"""The test write: finds out before any data moves whether objects can be written."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from cloudquery_s3.cancellation import Cancellation
from cloudquery_s3.errors import StoreError

if TYPE_CHECKING:
    from cloudquery_s3.stores.object_store import ObjectStore

log = logging.getLogger(__name__)


def try_write(store: ObjectStore, key: str) -> None:
    """Write an empty object as any other is written, and remove it where the credentials allow that.

    Raises:
        StoreError: it could not be written.

    Source: docs/path.md, "The test object"; that it is removed is this plugin's own.
    """
    writer = store.open(key, Cancellation())
    try:
        writer.commit()
    except StoreError:
        writer.abort()
        raise
    try:
        store.delete(key)
    except StoreError as error:
        log.debug("the test object stays", extra={"key": key, "cause": str(error)})
