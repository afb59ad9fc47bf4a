"""A bucket that the plugin has written to, as its readers see it."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson

import committed_records as committed
import rows
from cloudquery_s3.formats import make_format
from cloudquery_s3.publication.progress import NoProgress
from cloudquery_s3.publication.publish import Outcome, publish
from cloudquery_s3.publication.syncs import Sync, load_syncs
from cloudquery_s3.publication.verify import Verification, verify
from cloudquery_s3.stores.bucket import bucket_of
from cloudquery_s3.stores.s3 import s3_store
from specs import parsed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloudquery_s3.committed import CommittedObject
    from cloudquery_s3.spec import Spec
    from s3_servers import Bucket


class Lake:
    """One destination in a bucket; `spec` is its spec as it is written."""

    def __init__(self, raw: Bucket, spec: dict[str, Any]) -> None:
        self.raw = raw
        self.written = spec
        self.spec = parsed(**spec)
        self.bucket = bucket_of(self.spec, content_type=make_format(self.spec).content_type)

    def write(
        self, sync_id: str, minute: int = 0, /, values: Any = ((1, 2), (3,)), **more: Any
    ) -> list[CommittedObject]:
        """Write table `t`, an object for each tuple of numbers, with a manifest; the Write takes a minute."""
        part, table = more.pop("part", None), more.pop("table", "t")
        with self.store(self.in_part(part)) as store:
            batches = [rows.batch(table, list(one)) for one in values]
            at = committed.BEGAN + timedelta(minutes=minute)
            tables = {table: batches} if batches else {}
            return committed.write(self.in_part(part), store, tables, sync_id=sync_id, at=at, **more)

    def in_part(self, part: str | None) -> Spec:
        """The spec of one shard."""
        if part is None:
            return self.spec
        return parsed(**{**self.written, "manifest": {**self.written["manifest"], "part": part}})

    @contextmanager
    def store(self, spec: Spec) -> Iterator[Any]:
        """The plugin's store."""
        store = s3_store(spec, content_type=make_format(spec).content_type)
        try:
            yield store
        finally:
            store.close()

    def publish(self, sync_id: str, parts: int | None = None) -> Outcome:
        """Publish a sync."""
        return publish(self.bucket, self.spec, sync_id=sync_id, parts=parts, progress=NoProgress())

    def verify(self, sync_id: str | None = None, *, deep: bool = False) -> Verification:
        """Verify a sync, or all of them."""
        return verify(self.bucket, self.spec, sync_id=sync_id, deep=deep, progress=NoProgress())

    def findings(self, sync_id: str | None = None, *, deep: bool = False) -> list[tuple[str, str]]:
        """What is to be said of which key."""
        return [(finding.kind, finding.key) for finding in self.verify(sync_id, deep=deep).findings]

    def syncs(self) -> list[Sync]:
        """The syncs in the bucket."""
        return load_syncs(self.bucket, self.spec)

    def statuses(self) -> dict[str, str]:
        """The status of each sync, the newest first."""
        return {sync.sync_id: sync.status for sync in self.syncs()}

    def document(self, key: str) -> dict[str, Any]:
        """A manifest, a publication, or a latest document."""
        found: dict[str, Any] = orjson.loads(self.bucket.get(key).body)
        return found

    def put(self, key: str, body: bytes) -> None:
        """Put an object past the plugin."""
        self.raw.server.client().put_object(Bucket=self.raw.name, Key=key, Body=body)

    def delete(self, key: str) -> None:
        """Delete one past the plugin."""
        self.raw.server.client().delete_object(Bucket=self.raw.name, Key=key)

    def all_keys(self) -> list[str]:
        """All keys."""
        return [one.key for one in self.bucket.list("")]

    def close(self) -> None:
        """Release connections."""
        self.bucket.close()


def moment(minute: int) -> str:
    """When a Write began, as its manifest says."""
    at: datetime = committed.BEGAN + timedelta(minutes=minute)
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")
