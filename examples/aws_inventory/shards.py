"""Which listings one shard of a sync makes: `cloudquery sync --shard NUMBER/TOTAL`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from examples.aws_inventory.resolvers import RESOLVERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from examples.aws_inventory.aws import Aws
    from examples.aws_inventory.tables import Table

Pair = tuple[str, str]
"""A table and a region in which it is listed."""


@dataclass(frozen=True)
class Shard:
    """One of `total` processes that share a sync; `number` counts from 1."""

    number: int = 1
    total: int = 1

    def of(self, pairs: list[Pair]) -> list[Pair]:
        """Return this shard's part: every pair is in exactly one shard's, and the order stays.

        Consecutive parts of ceil(n / total) pairs; the last ones are smaller, or empty.

        Source: CloudQuery's Go SDK, `scheduler.shardTableClients`.
        """
        size = -(-len(pairs) // self.total)
        return pairs[(self.number - 1) * size : self.number * size]


def regions_by_table(aws: Aws, tables: Sequence[Table], shard: Shard) -> dict[str, list[str]]:
    """Return where this shard lists each of the tables, which may be nowhere.

    What is shared out is the pairs of a table and a region, in the order of the tables. A child goes with its parent,
    whole, as in the Go SDK, which lists the children of each of a parent's rows where it has listed the row.

    Raises:
        ListingError: the regions are not known, and AWS did not tell.
    """
    pairs = [
        (table.name, region)
        for table in tables
        if table.parent is None
        for region in RESOLVERS[table.name].regions(aws)
    ]
    chosen: dict[str, list[str]] = {table.name: [] for table in tables}
    for name, region in shard.of(pairs):
        chosen[name].append(region)
    for table in tables:
        if table.parent is not None and chosen[table.parent.name]:
            chosen[table.name].extend(RESOLVERS[table.name].regions(aws))
    return chosen
