"""Amazon Athena: Hive's DDL with partition projection, and Trino's SQL for views.

Source: Athena's documentation, "Data types in Amazon Athena", "CREATE TABLE", "Partition projection".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from cloudquery_s3.catalogs.ddl.dialect import MANIFESTS
from cloudquery_s3.catalogs.ddl.projection import projection_properties
from cloudquery_s3.catalogs.ddl.trino_queries import TrinoQueries
from cloudquery_s3.catalogs.ddl.types import HIVE_MISREADS, TypeTable

if TYPE_CHECKING:
    import pyarrow as pa

    from cloudquery_s3.catalogs.ddl.table import Table

TYPES: Final = TypeTable(
    names={
        "bool": "boolean",
        "int8": "tinyint",
        "int16": "smallint",
        "int32": "int",
        "int64": "bigint",
        "uint8": "smallint",
        "uint16": "int",
        "uint32": "bigint",
        "uint64": "decimal(20,0)",
        "float32": "float",
        "float64": "double",
        "string": "string",
        "binary": "binary",
        "date32[day]": "date",
        "date64[ms]": "date",
        "time64[us]": "bigint",
        "time64[ns]": "bigint",
        "timestamp[s]": "timestamp",
        "timestamp[ms]": "timestamp",
        "timestamp[us]": "timestamp",
        "timestamptz[s]": "timestamp",
        "timestamptz[ms]": "timestamp",
        "timestamptz[us]": "timestamp",
        "null": "string",
    }
)
"""Times of day are whole numbers in the unit of the file: Athena's tables have no such type. Of milliseconds there are
none, since Trino's reader, which is Athena's, refuses them."""

SERDES: Final = {
    "parquet": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
    "json": "org.openx.data.jsonserde.JsonSerDe",
    "csv": "org.apache.hadoop.hive.serde2.OpenCSVSerde",
}


class Athena(TrinoQueries):
    """Tables over the objects; nothing is loaded, and no partition is ever added."""

    name = "athena"
    types = TYPES
    misread = HIVE_MISREADS
    end_of_view: ClassVar[str] = ""

    def table(self, table: Table) -> list[str]:
        """Return an external table."""
        columns = ",\n".join(
            f"  {_ticked(column.name)} {kind}{self._comment(column.comment)}" for column, kind in self.columns(table)
        )
        properties = ",\n".join(
            f"  {self.text(key)} = {self.text(value)}"
            for key, value in (file_properties(table) | projection_properties(table.layout, self.around.since)).items()
        )
        parts = [
            f"CREATE EXTERNAL TABLE IF NOT EXISTS {self._name(table.name)} (\n{columns}\n)",
            *([f"COMMENT {self.text(table.comment)}"] if table.comment else []),
            *self._partitioned(table),
            self._storage(table),
            f"LOCATION {self.text(self.own_folder(table))}",
            *([f"TBLPROPERTIES (\n{properties}\n)"] if properties else []),
        ]
        return ["\n".join(parts)]

    def manifests(self) -> list[str]:
        """Return a table of the manifests, each of which is a JSON document on one line."""
        return [
            (
                f"CREATE EXTERNAL TABLE IF NOT EXISTS {self._name(MANIFESTS)} (\n"
                "  `kind` string,\n  `status` string,\n  `sources` array<string>,\n  `sync_times` array<string>\n)\n"
                f"ROW FORMAT SERDE '{SERDES['json']}'\nLOCATION {self.text(self.around.manifests)}"
            )
        ]

    def type_of(self, data_type: pa.DataType, table: Table) -> str | None:
        """Return the type: of CSV, whose reader knows no other, a text."""
        return "string" if table.format == "csv" else super().type_of(data_type, table)

    def text(self, value: str) -> str:
        """Return a text as Hive's DDL has it, with escapes."""
        escaped = value.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n").replace("\x01", "\\u0001")
        return f"'{escaped}'"

    def _storage(self, table: Table) -> str:
        if table.format == "parquet":
            return "STORED AS PARQUET"
        serde = f"ROW FORMAT SERDE '{SERDES[table.format]}'"
        if table.format == "csv":
            listed = (f"'{key}' = {self.text(value)}" for key, value in csv_serde_properties(table).items())
            serde += f"\nWITH SERDEPROPERTIES ({', '.join(listed)})"
        return f"{serde}\nSTORED AS TEXTFILE"

    def _partitioned(self, table: Table) -> list[str]:
        levels = [f"{_ticked(level.name)} {folder_type(level.kind)}" for level in table.layout.projected]
        return [f"PARTITIONED BY ({', '.join(levels)})"] if levels else []

    def _name(self, name: str) -> str:
        parts = [self.around.namespace, name] if self.around.namespace else [name]
        return ".".join(map(_ticked, parts))

    def _comment(self, comment: str) -> str:
        return f" COMMENT {self.text(comment)}" if comment else ""


def file_properties(table: Table) -> dict[str, str]:
    """Return what a Hive table's properties say of its files."""
    return {"skip.header.line.count": "1"} if table.format == "csv" and table.csv.header else {}


def folder_type(kind: str) -> str:
    """Return the type of a column that is the name of a folder."""
    return "int" if kind == "integer" else "string"


def csv_serde_properties(table: Table) -> dict[str, str]:
    """Return how OpenCSVSerde reads our CSV: quotes are doubled, and nothing is an escape (U+0001 does not occur)."""
    return {"separatorChar": table.csv.delimiter, "quoteChar": '"', "escapeChar": "\x01"}


def _ticked(name: str) -> str:
    return "`{}`".format(name.replace("`", "``"))
