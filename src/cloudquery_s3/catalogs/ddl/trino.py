"""Trino, by its Hive connector.

Source: Trino's documentation, "Hive connector": table and column properties, partition projection; "Data types".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cloudquery_s3.catalogs.ddl.dialect import MANIFESTS
from cloudquery_s3.catalogs.ddl.projection import date_range, digits, integer_range
from cloudquery_s3.catalogs.ddl.trino_queries import TrinoQueries
from cloudquery_s3.catalogs.ddl.types import HIVE_MISREADS, TypeTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from cloudquery_s3.catalogs.ddl.table import Table
    from cloudquery_s3.catalogs.layout import Partition

TYPES: Final = TypeTable(
    names={
        "bool": "boolean",
        "int8": "tinyint",
        "int16": "smallint",
        "int32": "integer",
        "int64": "bigint",
        "uint8": "smallint",
        "uint16": "integer",
        "uint32": "bigint",
        "uint64": "decimal(20,0)",
        "float32": "real",
        "float64": "double",
        "string": "varchar",
        "binary": "varbinary",
        "date32[day]": "date",
        "date64[ms]": "date",
        "time64[us]": "bigint",
        "time64[ns]": "bigint",
        "timestamp[s]": "timestamp(3)",
        "timestamp[ms]": "timestamp(3)",
        "timestamp[us]": "timestamp(3)",
        "timestamp[ns]": "timestamp(3)",
        "timestamptz[s]": "timestamp(3)",
        "timestamptz[ms]": "timestamp(3)",
        "timestamptz[us]": "timestamp(3)",
        "timestamptz[ns]": "timestamp(3)",
        "null": "varchar",
    },
    list="array({item})",
    struct="row({fields})",
    field='"{name}" {type}',
    map="map({key}, {item})",
)
"""Timestamps have the precision that the Hive connector reads by default, milliseconds. Times of day are whole numbers
in the unit of the file: its tables have no such type."""

_CATALOG: Final = (
    "-- The catalogue needs two properties. hive.recursive-directories=true: without it, objects in folders that are\n"
    "-- no partitions are passed over, manifests among them. hive.parquet.time-zone=UTC: without it, timestamps of\n"
    "-- Parquet are in the zone of the server's clock, and the views of the latest rows find none.\n\n"
)

_FORMATS: Final = {"parquet": "PARQUET", "json": "OPENX_JSON", "csv": "CSV"}


class Trino(TrinoQueries):
    """Tables over the objects, with partition projection."""

    name = "trino"
    types = TYPES
    misread = HIVE_MISREADS

    def script(self, tables: Sequence[Table]) -> str:
        """Return everything that has to be run, after what the catalogue has to be told; see `Dialect`."""
        return _CATALOG + super().script(tables)

    def table(self, table: Table) -> list[str]:
        """Return an external table; the columns of its folders come last, as Trino wants them."""
        columns = [
            f"  {self.quoted(column.name)} {kind}{self._comment(column.comment)}"
            for column, kind in self.columns(table)
        ]
        columns += [f"  {self.quoted(level.name)} {self._projected(level)}" for level in table.layout.projected]
        comment = f"COMMENT {self.text(table.comment)}\n" if table.comment else ""
        properties = ",\n".join(f"  {key} = {value}" for key, value in self._properties(table).items())
        name = self.qualified(table.name)
        body = ",\n".join(columns)
        return [f"CREATE TABLE IF NOT EXISTS {name} (\n{body}\n)\n{comment}WITH (\n{properties}\n)"]

    def manifests(self) -> list[str]:
        """Return a table of the manifests, each of which is a JSON document on one line."""
        return [
            (
                f"CREATE TABLE IF NOT EXISTS {self.qualified(MANIFESTS)} (\n"
                '  "kind" varchar,\n  "status" varchar,\n'
                '  "sources" array(varchar),\n  "sync_times" array(varchar)\n)\n'
                f"WITH (\n  format = 'OPENX_JSON',\n  external_location = {self.text(self.around.manifests)}\n)"
            )
        ]

    def type_of(self, data_type: pa.DataType, table: Table) -> str | None:
        """Return the type: of CSV, whose reader knows no other, a text."""
        return "varchar" if table.format == "csv" else super().type_of(data_type, table)

    def _properties(self, table: Table) -> dict[str, str]:
        layout = table.layout
        location = self.own_folder(table)
        properties = {"format": f"'{_FORMATS[table.format]}'", "external_location": self.text(location)}
        if table.format == "csv":
            properties |= {"csv_separator": self.text(table.csv.delimiter), "csv_escape": "U&'\\0001'"}
            properties |= {"skip_header_line_count": "1"} if table.csv.header else {}
        if layout.projected:
            names = ", ".join(self.text(level.name) for level in layout.projected)
            properties |= {
                "partitioned_by": f"ARRAY[{names}]",
                "partition_projection_enabled": "true",
                "partition_projection_location_template": self.text(layout.projection_template),
            }
        return properties

    def _projected(self, level: Partition) -> str:
        if level.kind == "date":
            first, last = date_range(level, self.around.since)
            return (
                f"varchar WITH (partition_projection_type = 'date', "
                f"partition_projection_format = {self.text(level.date_format)}, "
                f"partition_projection_range = ARRAY['{first}', '{last}'], partition_projection_interval = 1, "
                f"partition_projection_interval_unit = '{level.unit}')"
            )
        low, high = integer_range(level, self.around.since)
        return (
            f"integer WITH (partition_projection_type = 'integer', "
            f"partition_projection_range = ARRAY['{low}', '{high}'], partition_projection_digits = {digits(level)})"
        )

    def _comment(self, comment: str) -> str:
        return f" COMMENT {self.text(comment)}" if comment else ""
