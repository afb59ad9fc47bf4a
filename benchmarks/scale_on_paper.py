"""What a sync by many shards comes to, worked out from measured figures and AWS's published prices and limits. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from cloudquery_s3.publication.merge import MAX_ENTRIES

PUT_DOLLARS: Final = 0.005 / 1000
GET_DOLLARS: Final = 0.0004 / 1000
"""Of one request, S3 Standard in us-east-1; to list costs as to put does."""
PUTS_PER_S: Final = 3_500
"""What S3 promises a prefix; it parts prefixes under load, which takes it some minutes."""
OBJECTS_PER_LIST: Final = 1_000
ENTRY_BYTES: Final = 312
"""Of a manifest, an object, without column statistics; measured over 20,000 objects."""
MANIFEST_BYTES: Final = 450
"""Of a publication, a manifest; an estimate from its fields."""
ICEBERG_ENTRY_BYTES: Final = 450
"""Of an Iceberg manifest, a data file, with the bounds of some twenty columns; an estimate."""
PART_BYTES: Final = 5 * 2**20
SINGLE_PUT_MAX_BYTES: Final = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Plan:
    """A sync.

    Attributes:
        shards: how many processes share it.
        rows: how many rows it has in all.
        tables: among how many tables they are spread, evenly, in every shard.
        rows_per_object: `batch_size`, where nothing ends an object before.
        bytes_per_row: of a file; by default what the table of the benchmarks has as Parquet.
    """

    shards: int
    rows: int
    tables: int
    rows_per_object: int
    bytes_per_row: float = 566.0

    @property
    def objects(self) -> int:
        """How many objects there are: each table of each shard has its own."""
        per_table = self.rows / self.shards / self.tables
        return self.shards * self.tables * math.ceil(per_table / self.rows_per_object)

    @property
    def object_bytes(self) -> float:
        """How large each is."""
        return self.rows * self.bytes_per_row / self.objects

    @property
    def puts(self) -> int:
        """The requests that write: one an object, or its parts and two; a manifest a shard."""
        large = self.object_bytes > SINGLE_PUT_MAX_BYTES
        per_object = 2 + math.ceil(self.object_bytes / PART_BYTES) if large else 1
        return self.objects * per_object + self.shards

    @property
    def put_dollars(self) -> float:
        """What they cost."""
        return self.puts * PUT_DOLLARS

    @property
    def least_seconds(self) -> float:
        """How long S3 takes for them at least, where all of a table's keys begin alike."""
        return self.puts / self.tables / PUTS_PER_S

    @property
    def manifest_bytes(self) -> float:
        """The size of a shard's manifest."""
        return self.objects / self.shards * ENTRY_BYTES

    @property
    def list_bytes(self) -> int:
        """The list of all objects: in the publication, or, above `MAX_ENTRIES`, in the manifests that it names."""
        return self.objects * ENTRY_BYTES

    @property
    def publication_bytes(self) -> int:
        """The size of the publication, without the schemas of its tables."""
        return self.shards * MANIFEST_BYTES + (self.list_bytes if self.objects <= MAX_ENTRIES else 0)

    @property
    def lists(self) -> int:
        """The requests that find every object for a publication: a thousand objects each, no fewer than tables."""
        return max(self.tables, math.ceil(self.objects / OBJECTS_PER_LIST))

    @property
    def publish_dollars(self) -> float:
        """What publishing costs: those, and reading each manifest."""
        return self.lists * PUT_DOLLARS + self.shards * GET_DOLLARS

    @property
    def iceberg_bytes(self) -> int:
        """The manifests of an Iceberg table's commit, all tables together."""
        return self.objects * ICEBERG_ENTRY_BYTES


PLANS: Final = {
    "defaults": Plan(1_000, 10**10, 50, 10_000),
    "`batch_size: 200000`": Plan(1_000, 10**10, 50, 200_000),
    "100 shards, `batch_size: 1000000`": Plan(100, 10**10, 50, 1_000_000),
}
"""What docs/scaling.md works out."""
