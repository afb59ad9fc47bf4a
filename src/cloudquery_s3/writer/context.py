"""What all tables of a destination share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from cloudquery_s3.committed import PublisherFactory
    from cloudquery_s3.formats.encoder import Format
    from cloudquery_s3.object_key import PathTemplate
    from cloudquery_s3.stores.object_store import ObjectStore
    from cloudquery_s3.writer.budget import MemoryBudget
    from cloudquery_s3.writer.fixed_keys import FixedKeys
    from cloudquery_s3.writer.pools import Pools
    from cloudquery_s3.writer.rotation import RotationPolicy

MOST_PIECE_BYTES: Final = 64 << 20
_PIECES_IN_BUDGET: Final = 16

_SPLIT_DELAY_S: Final = 1.0

LEAST_PIECE_BYTES: Final = 1 << 20
"""Fewer Arrow bytes are not encoded on their own: Parquet would be a heap of small row groups."""


@dataclass(frozen=True, slots=True)
class WriteContext:
    """What all tables of a destination share.

    Attributes:
        template: names each object.
        policy: ends each object by size.
        timeout_s: ends each object by the age of its first row, in seconds; 0 or less: never.
        file_format: encodes each object.
        store: takes each object.
        pools: do the work.
        budget: bounds the memory.
        fixed_keys: guard keys without `{{UUID}}`.
        now: the wall clock in UTC, for keys and times.
        new_id: a fresh UUID, for `{{UUID}}`.
        publishers: make what publishes each Write, in this order.
        takes_deletes: whether a publisher can delete rows, so that every write mode works.
        empty_objects: whether a migrated table without rows leaves an empty object.
        max_open_partitions: how many objects of one table may take rows at a time.
        object_size: ends each object by its encoded bytes; 0: never.
    """

    template: PathTemplate
    policy: RotationPolicy
    timeout_s: float
    file_format: Format
    store: ObjectStore
    pools: Pools
    budget: MemoryBudget
    fixed_keys: FixedKeys
    now: Callable[[], datetime]
    new_id: Callable[[], str]
    publishers: Sequence[PublisherFactory] = ()
    takes_deletes: bool = False
    empty_objects: bool = False
    max_open_partitions: int = 100
    object_size: int = 0

    @property
    def split_delay_s(self) -> float:
        """How long rows may wait to be split by partition, in seconds; 0 or less: until there are enough."""
        return min(_SPLIT_DELAY_S, self.timeout_s / 2)

    @property
    def object_timeout_s(self) -> float:
        """How old an object may become, in seconds: `timeout_s` less what its first row may have waited before."""
        return self.timeout_s - self.split_delay_s if self.template.partition_fields else self.timeout_s

    @property
    def piece_bytes(self) -> int:
        """With so many Arrow bytes pending, an object is encoded and sent as far as it goes: never whole in memory.

        One whose size is limited may be whole, and Parquet have one row group. One without a limit is many pieces, of
        which several are on their way at once, each with its copies: it leaves most of the budget to them.
        """
        if self.policy.max_bytes > 0:
            return MOST_PIECE_BYTES
        return min(MOST_PIECE_BYTES, max(LEAST_PIECE_BYTES, self.budget.limit_bytes // _PIECES_IN_BUDGET))
