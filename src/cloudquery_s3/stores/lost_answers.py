"""Whether an object is in the bucket although no answer has said so: it is looked at."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

from cloudquery_s3.errors import ObjectCancelledError, ObjectNotFoundError, StoreError
from cloudquery_s3.stores.s3_requests import Request

if TYPE_CHECKING:
    from cloudquery_s3.cancellation import Cancellation
    from cloudquery_s3.stores.failures import RequestFailedError
    from cloudquery_s3.stores.s3_requests import S3Client

log = logging.getLogger(__name__)


class Sent(NamedTuple):
    """How the store would describe the object if it has it: its entity tag, and its size in bytes."""

    etag: str
    size_bytes: int


def is_stored(
    client: S3Client,
    key: str,
    sent: Sent,
    cancellation: Cancellation,
    failures: list[RequestFailedError],
) -> bool:
    """Return whether the object at a key is the one that was sent, after attempts to store it failed.

    Asks only if one of these attempts may have worked. True is certain. False is not where the object may not be read,
    has no entity tag of its bytes (encryption with KMS), or was given up meanwhile: a warning says then that it may be
    there, whole.
    """
    if not any(failure.may_have_worked for failure in failures):
        return False
    try:
        answer = client.send(Request("HeadObject", "HEAD", key), cancellation)
    except ObjectNotFoundError:
        return False
    except (StoreError, ObjectCancelledError) as error:
        cause = str(error)
    else:
        if answer.etag == sent.etag and answer.headers.get("Content-Length") == str(sent.size_bytes):
            return True
        cause = "an object that cannot be told from it is at its key"
    log.warning("the answer was lost: the object may be there, whole", extra={"key": key, "cause": cause})
    return False
