"""What a store tells of its requests: each attempt, how it ended, and in whose scope; never what was sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cloudquery_s3 import scope
from cloudquery_s3.cancellation import Cancellation
from cloudquery_s3.errors import StoreError
from cloudquery_s3.scope import Scope
from cloudquery_s3.stores.s3 import S3Store
from cloudquery_s3.stores.s3_settings import MIB, S3Settings
from wire_server import CLOSE, NoPause, error

if TYPE_CHECKING:
    from cloudquery_s3.stores.sent_request import SentRequest
    from wire_server import WireServer


class Told:
    """A listener, and what it has heard, with the scope in which it was told."""

    def __init__(self) -> None:
        self.requests: list[SentRequest] = []
        self.scopes: list[Scope] = []

    def __call__(self, request: SentRequest) -> None:
        self.requests.append(request)
        self.scopes.append(scope.current())

    @property
    def summary(self) -> list[tuple[str, int | None, int]]:
        """Operation, status and resends of each request."""
        return [(request.operation, request.status, request.resends) for request in self.requests]


def put(wire: WireServer, told: Told, size_bytes: int) -> None:
    """Write an object of so many bytes."""
    settings = S3Settings(
        bucket="bkt",
        region="eu-west-1",
        endpoint=wire.endpoint,
        single_put_max_bytes=5 * MIB,
        part_size_bytes=5 * MIB,
    )
    store = S3Store(settings, NoPause(), listener=told)
    writer = store.open("key", Cancellation())
    writer.write([bytes(size_bytes)])
    try:
        writer.commit()
    finally:
        store.close()


def test_each_attempt_is_told(wire: WireServer) -> None:
    """A refusal, a lost answer and the success are three requests; the second and the third were sent again."""
    wire.answers["PutObject"] = [error(503, "SlowDown"), CLOSE]
    told = Told()
    put(wire, told, 1)
    assert told.summary == [("PutObject", 503, 0), ("PutObject", None, 1), ("PutObject", 200, 2)]
    assert all(request.seconds > 0 for request in told.requests)


def test_a_failure_for_good_is_told(wire: WireServer) -> None:
    """A request that is not sent again is told, too."""
    wire.answers["PutObject"] = [error(403, "AccessDenied")]
    told = Told()
    with pytest.raises(StoreError):
        put(wire, told, 1)
    assert told.summary == [("PutObject", 403, 0)]


def test_parts_are_told_in_the_scope_of_their_object(wire: WireServer) -> None:
    """Parts that other threads send are told in the scope of the object that they are of."""
    told, mine = Told(), Scope(table="t")
    with scope.within(mine):
        put(wire, told, 11 * MIB)
    operations = sorted(operation for operation, _, _ in told.summary)
    assert operations == ["CompleteMultipartUpload", "CreateMultipartUpload", *["UploadPart"] * 3]
    assert all(one is mine for one in told.scopes)
