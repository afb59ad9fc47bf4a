"""Whether an object is in the bucket although no answer has said so: it is looked at."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from cloudquery_s3.errors import ObjectNotFoundError, StoreError
from cloudquery_s3.stores.s3_requests import Request

if TYPE_CHECKING:
    from cloudquery_s3.stores.s3_errors import RequestFailedError
    from cloudquery_s3.stores.s3_requests import S3Client

log = logging.getLogger(__name__)


def is_stored(client: S3Client, key: str, *, etag: str, size_bytes: int, failures: list[RequestFailedError]) -> bool:
    """Return whether the object at a key is the one of this entity tag and size, after attempts to store it failed.

    Asks only if one of these attempts may have worked. True is certain. False is not where the object may not be read,
    or has no entity tag of its bytes (encryption with KMS): a warning says then that it may be there, whole.
    """
    if not any(failure.may_have_worked for failure in failures):
        return False
    try:
        answer = client.send(Request("HeadObject", "HEAD", key))
    except ObjectNotFoundError:
        return False
    except StoreError as error:
        cause = str(error)
    else:
        if answer.etag == etag and answer.headers.get("Content-Length") == str(size_bytes):
            return True
        cause = "an object that cannot be told from it is at its key"
    log.warning("the answer was lost: the object may be there, whole", extra={"key": key, "cause": cause})
    return False
