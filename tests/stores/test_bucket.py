"""A bucket as its readers see it, on real servers."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING
from unittest import mock

import pytest

import s3_servers
from cloudquery_s3.cancellation import Cancellation
from cloudquery_s3.errors import CredentialsError, ObjectNotFoundError, StoreError, StoreUnavailableError
from cloudquery_s3.stores.bucket import Bucket, bucket_of
from cloudquery_s3.stores.object_store import ObjectKind
from cloudquery_s3.stores.s3 import s3_store
from lake import in_bucket
from specs import parsed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloudquery_s3.spec import Spec

pytestmark = pytest.mark.server
ODD = ["a b", "a+b", "a%20b", "ä/ö", "a&b<c>", "a'\"b", "a=b,c;d"]


@pytest.fixture(scope="module", params=s3_servers.CONDITIONAL)
def server(request: pytest.FixtureRequest) -> Iterator[s3_servers.S3Server]:
    """Each server, with its credentials in the environment."""
    with request.param() as running, mock.patch.dict(os.environ, running.environment()):
        yield running


@pytest.fixture
def spec(server: s3_servers.S3Server) -> Spec:
    """A destination in a bucket of its own."""
    return parsed(**in_bucket(server.new_bucket()))


@contextmanager
def opened(spec: Spec) -> Iterator[Bucket]:
    """The spec's bucket, closed at the end."""
    bucket = bucket_of(spec, content_type="text/plain")
    try:
        yield bucket
    finally:
        bucket.close()


def test_listing(spec: Spec) -> None:
    """A listing has every object under its prefix once, in order, over any number of pages, whatever the keys are."""
    names = sorted([f"many/{number:04}" for number in range(1234)] + [f"many/{name}" for name in ODD])
    with opened(spec) as bucket, ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lambda key: bucket.put(key, key.encode()), [*names, "mamy", "manz"]))
        listed = list(bucket.list("many/"))
        assert [one.key for one in listed] == sorted(names, key=str.encode)
        assert [one.size_bytes for one in listed] == [len(one.key.encode()) for one in listed]
        assert all(one.etag and '"' not in one.etag and one.modified.startswith("20") for one in listed)
        middle = listed[1000].key
        assert [one.key for one in bucket.list("many/", start_after=middle)] == [one.key for one in listed[1001:]]
        assert list(bucket.list("nothing/")) == []


def test_reading(spec: Spec) -> None:
    """An object is read whole, or its first or last bytes; one that is not there is an error, or None if asked so."""
    with opened(spec) as bucket:
        bucket.put("k", b"0123456789")
        assert bucket.get("k").body == b"0123456789"
        assert bucket.get("k", first=3).body == b"012"
        assert bucket.get("k", last=3).body == b"789"
        assert bucket.get("k", first=100).body == bucket.get("k", last=100).body == b"0123456789"
        found = bucket.find("k")
        assert found is not None
        assert found.etag == next(bucket.list("k")).etag
        assert bucket.find("nothing") is None
        with pytest.raises(ObjectNotFoundError):
            bucket.get("nothing")


def test_looking(spec: Spec) -> None:
    """The store tells of an object what the plugin sent with it."""
    store = s3_store(spec, content_type="text/plain")
    writer = store.open("k", Cancellation())
    writer.write([b"content"])
    stored = writer.commit()
    store.close()
    with opened(spec) as bucket:
        head = bucket.head("k")
        assert head is not None
        assert (head.size_bytes, head.etag) == (7, stored.etag)
        assert head.checksum in {None, stored.checksum}
        assert bucket.head("nothing") is None


def test_conditions(spec: Spec, server: s3_servers.S3Server) -> None:
    """Of several that create an object one does, and of several that replace the same one too."""
    at_once = 1 if server.name == "moto" else 8  # moto looks and then writes: two at the same time may both win
    with opened(spec) as bucket, ThreadPoolExecutor(at_once) as pool:
        created = list(pool.map(lambda n: bucket.put("k", b"%d" % n), range(8)))
        assert created.count(True) == 1
        first = bucket.get("k")
        assert first.body == b"%d" % created.index(True)
        replaced = list(pool.map(lambda n: bucket.put("k", b"r%d" % n, replacing=first.etag), range(8)))
        assert replaced.count(True) == 1
        assert bucket.get("k").body == b"r%d" % replaced.index(True)
        assert not bucket.put("gone", b"x", replacing=first.etag)
        assert bucket.find("gone") is None


def test_content_type(spec: Spec, server: s3_servers.S3Server) -> None:
    """A document has its own type, and another object that of the spec's format."""
    with opened(spec) as bucket:
        bucket.put("document", b"{}", kind=ObjectKind("its key", "application/json"))
        bucket.put("object", b"")
    heads = {key: server.client().head_object(Bucket=spec.bucket, Key=key) for key in ("document", "object")}
    assert {key: head["ContentType"] for key, head in heads.items()} == {
        "document": "application/json",
        "object": "text/plain",
    }


def test_deleting(spec: Spec) -> None:
    """An object is removed, and removing it again is no error."""
    with opened(spec) as bucket:
        bucket.put("k", b"")
        bucket.delete("k")
        bucket.delete("k")
        assert list(bucket.list("")) == []


def test_no_such_bucket(spec: Spec) -> None:
    """A bucket that is not there is named."""
    missing = replace(spec, bucket="no-such-bucket-1234")
    with opened(missing) as bucket, pytest.raises(StoreUnavailableError, match="no-such-bucket-1234"):
        list(bucket.list(""))


def test_no_credentials(spec: Spec, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without credentials nothing is sent."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(CredentialsError):
        bucket_of(spec, content_type="")


def test_what_a_reader_must_be_allowed(spec: Spec, server: s3_servers.S3Server) -> None:
    """Where something is forbidden, the error names the permission that a reader needs, and not a writer's."""
    if server.name != "moto":
        pytest.skip("only moto enforces policies here")
    iam = server.client("iam")
    iam.create_user(UserName="nobody")
    keys = iam.create_access_key(UserName="nobody")["AccessKey"]
    names = {"AWS_ACCESS_KEY_ID": keys["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"]}
    with mock.patch.dict(os.environ, names), s3_servers.enforced_permissions(server), opened(spec) as bucket:
        with pytest.raises(StoreError, match="allow s3:ListBucket on the bucket"):
            list(bucket.list(""))
        with pytest.raises(StoreError, match="allow s3:GetObject on the keys"):
            bucket.get("k")
