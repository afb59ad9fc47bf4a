"""Puts a Write's manifest into the bucket, as the last request of the Write."""

from __future__ import annotations

import asyncio
import functools
import logging
from typing import TYPE_CHECKING

from cloudquery_s3.cancellation import Cancellation
from cloudquery_s3.errors import PublicationError, StoreError
from cloudquery_s3.publication.manifest import ManifestBuilder
from cloudquery_s3.publication.places import LATEST, MANIFEST, latest_keys, manifest_key

if TYPE_CHECKING:
    from cloudquery_s3.committed import CommittedObject, PublisherFactory, WriteEnd, WriteStart
    from cloudquery_s3.spec import Spec
    from cloudquery_s3.stores.object_store import ObjectKind, ObjectStore

log = logging.getLogger(__name__)


class ManifestPublisher:
    """Puts one Write's manifest, whether the Write was complete or not.

    After a complete Write without `part` the same document goes to the key of `latest`, where one is set. PutObject is
    the only permission that this needs. See `Publisher`.
    """

    def __init__(self, write: WriteStart, *, spec: Spec, sync_id: str, store: ObjectStore) -> None:
        self._write = write
        self._spec = spec
        self._sync_id = sync_id
        self._store = store
        self._builder = ManifestBuilder(write, spec=spec, sync_id=sync_id)

    def committed(self, record: CommittedObject) -> None:
        """Take note of an object."""
        self._builder.add(record)

    async def publish(self, end: WriteEnd) -> None:
        """Put the manifest, and the latest one.

        Raises:
            PublicationError: it could not be put.
        """
        await asyncio.to_thread(self._publish, end)

    def _publish(self, end: WriteEnd) -> None:
        document = self._builder.document(end)
        key = manifest_key(
            self._spec, sync_id=self._sync_id, attempt_id=self._write.write_id, started_at=self._write.started_at
        )
        self._put(key, document, MANIFEST)
        log.info("manifest written", extra={"key": key, "status": end.status, "bytes": len(document)})
        options = self._spec.manifest
        if end.status != "complete" or options is None or options.part or not options.latest:
            return
        keys = latest_keys(self._spec, self._builder.sources)
        if not keys:
            log.warning("no row named its source: the latest manifest stays", extra={"key": options.latest})
        for latest in keys:
            self._put(latest, document, LATEST)

    def _put(self, key: str, document: bytes, kind: ObjectKind) -> None:
        writer = self._store.open(key, Cancellation(), unique=kind is MANIFEST, kind=kind)
        try:
            writer.write([document])
            writer.commit()
        except StoreError as error:
            writer.abort()
            raise PublicationError(f"the manifest could not be written: {error}") from error


def manifest_publisher(spec: Spec, *, sync_id: str, store: ObjectStore) -> PublisherFactory:
    """Return what makes the manifest publisher of each Write of a sync; the spec's `manifest` must be set."""
    return functools.partial(ManifestPublisher, spec=spec, sync_id=sync_id, store=store)
