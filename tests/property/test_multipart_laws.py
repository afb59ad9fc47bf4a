"""Whatever is written in whatever pieces, an S3 object is those bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloudquery_s3.cancellation import Cancellation
from cloudquery_s3.stores.s3 import S3Store
from cloudquery_s3.stores.s3_settings import S3Settings
from s3_servers import isolated_environment
from wire_server import NoPause, WireServer, wire_server

if TYPE_CHECKING:
    from collections.abc import Iterator

PART_BYTES = 10
SINGLE_PUT_MAX_BYTES = 25
STEPS = st.lists(st.lists(st.binary(max_size=40), max_size=4) | st.just("flush"), max_size=12)


@pytest.fixture(scope="module")
def wire() -> Iterator[WireServer]:
    """A server that records."""
    with wire_server() as server:
        yield server


@pytest.fixture(scope="module")
def store(wire: WireServer) -> Iterator[S3Store]:
    """A store of tiny parts."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name, value in isolated_environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "example-secret")
        store = S3Store(
            S3Settings(
                bucket="bkt",
                region="us-east-1",
                endpoint=wire.endpoint,
                part_size_bytes=PART_BYTES,
                single_put_max_bytes=SINGLE_PUT_MAX_BYTES,
            ),
            NoPause(),
        )
        yield store
    store.close()


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_an_object_is_what_was_written(wire: WireServer, store: S3Store, steps: list[list[bytes] | str]) -> None:
    """The requests of one object hold its bytes in order; all parts but the last have S3's least size; none is lost."""
    wire.requests.clear()
    writer = store.open("key", Cancellation())
    written = 0
    for step in steps:
        if isinstance(step, str):
            writer.flush()
        else:
            writer.write(step)
            written += sum(map(len, step))
        assert 0 <= writer.buffered_bytes <= written
    stored = writer.commit()
    assert stored.size_bytes == written
    assert writer.buffered_bytes == 0
    bodies = [request.body for request in wire.of("PutObject")] or parts_in_order(wire)
    assert b"".join(bodies) == b"".join(chunk for step in steps if not isinstance(step, str) for chunk in step)
    assert all(len(body) >= PART_BYTES for body in bodies[:-1])
    assert len(wire.of("PutObject")) + len(wire.of("CompleteMultipartUpload")) == 1


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_an_abandoned_object_is_taken_back(wire: WireServer, store: S3Store, steps: list[list[bytes] | str]) -> None:
    """After abort every upload that was created is aborted, last of all requests, and nothing was completed."""
    wire.requests.clear()
    writer = store.open("key", Cancellation())
    for step in steps:
        if isinstance(step, str):
            writer.flush()
        else:
            writer.write(step)
    writer.abort()
    assert writer.buffered_bytes == 0
    assert len(wire.of("AbortMultipartUpload")) == len(wire.of("CreateMultipartUpload"))
    assert not wire.of("PutObject") + wire.of("CompleteMultipartUpload")
    if wire.requests:
        assert wire.operations[-1] == "AbortMultipartUpload"


def parts_in_order(wire: WireServer) -> list[bytes]:
    """Return the parts' bodies by part number."""
    numbered = {int(parse_qs(urlsplit(part.target).query)["partNumber"][0]): part for part in wire.of("UploadPart")}
    assert sorted(numbered) == list(range(1, len(numbered) + 1))
    return [numbered[number].body for number in sorted(numbered)]
