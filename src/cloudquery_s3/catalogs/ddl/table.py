"""What is to be said of a table, whatever the dialect."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    import pyarrow as pa

    from cloudquery_s3.catalogs.layout import Layout

FileFormat: TypeAlias = Literal["parquet", "json", "csv"]

FIRST_DATE: Final = date(2020, 1, 1)
"""The first day that a projection of partitions covers where nobody says another."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column, as the files have it.

    Attributes:
        name: as in the files.
        type: as a reader of the files sees it.
        comment: CloudQuery's description; empty where there is none.
    """

    name: str
    type: pa.DataType
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Csv:
    """How CSV files are written.

    Attributes:
        delimiter: what separates the fields.
        header: whether the first line holds the columns' names.
    """

    delimiter: str = ","
    header: bool = True


@dataclass(frozen=True, slots=True)
class Table:
    """One table.

    Attributes:
        name: of the table.
        columns: in the order of the files.
        layout: where its objects are.
        format: of the files.
        compression: `gzip`, `zstd` or empty; Parquet compresses by itself.
        csv: details of CSV.
        comment: CloudQuery's description; empty where there is none.
        incremental: whether a sync brings only what is new, so that no single one holds the whole table.
    """

    name: str
    columns: tuple[Column, ...]
    layout: Layout
    format: FileFormat = "parquet"
    compression: str = ""
    csv: Csv = field(default_factory=Csv)
    comment: str = ""
    incremental: bool = False

    def has(self, column: str) -> bool:
        """Tell whether there is a column of this name."""
        return any(known.name == column for known in self.columns)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the statements need to know beside the tables.

    Attributes:
        namespace: the database, schema or dataset of the tables; empty for the engine's current one.
        access: how the engine gets at the bucket, in its own words: a role's ARN, an integration, a connection.
        region: of the bucket.
        since: the first day that projected partitions cover.
        manifests: `s3://bucket/folder/` where the manifests of Writes are; empty where there are none.
    """

    namespace: str = ""
    access: str = ""
    region: str = "us-east-1"
    since: date = FIRST_DATE
    manifests: str = ""
