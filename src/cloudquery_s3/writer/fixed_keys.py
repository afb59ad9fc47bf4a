"""Fixed keys (without `{{UUID}}`): no source's rows replace another's of the same sync."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from cloudquery_s3.errors import TableError
from cloudquery_s3.writer.origin import is_shard

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloudquery_s3.committed import Origin

_SYNCS: Final = 64

_WAY_OUT: Final = (
    "put {{UUID}} into 'path' and leave 'no_rotate' off, or give each source a destination with a 'path' of its own"
)


class FixedKeys:
    """Whose rows are at the fixed keys of one sync in one bucket. Lives on the event loop.

    Keys of rows that name no source, such as those of a source's state, may be written again and again.
    """

    def __init__(self) -> None:
        self._sources: dict[str, frozenset[str]] = {}

    def check(self, table: str, key: str, origin: Origin) -> None:
        """Return if an object of these rows may be stored at this key.

        Raises:
            TableError: it would replace the rows of another source or shard.
        """
        if shards := sorted(filter(is_shard, origin.sources)):
            raise TableError(
                table, f"its rows are of shard {shards[0]}, and every shard writes to the same key {key}: {_WAY_OUT}"
            )
        others = self._sources.get(key, frozenset()) - origin.sources
        if others and origin.sources:
            raise TableError(
                table,
                f"its key {key} has the rows of source {', '.join(sorted(others))} of this sync, and those of "
                f"{', '.join(sorted(origin.sources))} would replace them: {_WAY_OUT}",
            )

    @contextmanager
    def claimed(self, table: str, key: str, origin: Origin) -> Iterator[None]:
        """Claim a key for the rows of an object while it is stored, and afterwards if it was.

        Raises:
            TableError: see `check`.
        """
        self.check(table, key, origin)
        before = self._sources.get(key, frozenset())
        self._sources[key] = before | origin.sources
        try:
            yield
        except BaseException:
            self._sources[key] = before
            raise


class FixedKeysOfSyncs:
    """The fixed keys of the latest syncs of this process: a second Write of a sync comes with another Init."""

    def __init__(self) -> None:
        self._syncs: dict[tuple[str, str], FixedKeys] = {}

    def of(self, *, bucket: str, sync_id: str) -> FixedKeys:
        """Return those of a sync; nothing is known of one without an id.

        Args:
            bucket: tells buckets apart: where it is, and its name.
            sync_id: the CLI's invocation id.
        """
        if not sync_id:
            return FixedKeys()
        keys = self._syncs.pop((bucket, sync_id), None) or FixedKeys()
        self._syncs[bucket, sync_id] = keys
        while len(self._syncs) > _SYNCS:
            del self._syncs[next(iter(self._syncs))]
        return keys
