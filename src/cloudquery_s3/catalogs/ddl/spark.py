"""Apache Spark SQL, Databricks included.

Source: Spark's documentation, "CREATE DATASOURCE TABLE", "Parquet Files", "CSV Files".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cloudquery_s3.catalogs.ddl.dialect import MANIFESTS, Dialect
from cloudquery_s3.catalogs.ddl.types import TypeTable

if TYPE_CHECKING:
    from cloudquery_s3.catalogs.ddl.table import Table

TYPES: Final = TypeTable(
    names={
        "bool": "BOOLEAN",
        "int8": "TINYINT",
        "int16": "SMALLINT",
        "int32": "INT",
        "int64": "BIGINT",
        "uint8": "SMALLINT",
        "uint16": "INT",
        "uint32": "BIGINT",
        "uint64": "DECIMAL(20,0)",
        "float32": "FLOAT",
        "float64": "DOUBLE",
        "string": "STRING",
        "binary": "BINARY",
        "date32[day]": "DATE",
        "date64[ms]": "DATE",
        "time32[ms]": "INT",
        "time64[us]": "BIGINT",
        "timestamp[s]": "TIMESTAMP_NTZ",
        "timestamp[ms]": "TIMESTAMP_NTZ",
        "timestamp[us]": "TIMESTAMP_NTZ",
        "timestamptz[s]": "TIMESTAMP",
        "timestamptz[ms]": "TIMESTAMP",
        "timestamptz[us]": "TIMESTAMP",
    },
    decimal="DECIMAL({precision},{scale})",
    list="ARRAY<{item}>",
    struct="STRUCT<{fields}>",
    field="`{name}`: {type}",
    map="MAP<{key}, {item}>",
)


class Spark(Dialect):
    """Tables over the objects; `MSCK REPAIR TABLE` finds new folders."""

    name = "spark"
    types = TYPES

    def table(self, table: Table) -> list[str]:
        """Return an external table, and what finds its folders."""
        folders = table.layout.hive
        columns = [
            f"  {self.quoted(column.name)} {kind}{self._comment(column.comment)}"
            for column, kind in self.columns(table)
        ]
        columns += [
            f"  {self.quoted(level.name)} {'INT' if level.kind == 'integer' else 'STRING'}" for level in folders
        ]
        parts = [
            f"CREATE TABLE IF NOT EXISTS {self.qualified(table.name)} (\n" + ",\n".join(columns) + "\n)",
            f"USING {table.format.upper()}",
            *self._options(table),
            *([f"PARTITIONED BY ({', '.join(self.quoted(level.name) for level in folders)})"] if folders else []),
            f"LOCATION {self.text(self.own_folder(table).replace('s3://', 's3a://', 1))}",
            *([f"COMMENT {self.text(table.comment)}"] if table.comment else []),
        ]
        repair = [f"MSCK REPAIR TABLE {self.qualified(table.name)}"] if folders else []
        return ["\n".join(parts), *repair]

    def manifests(self) -> list[str]:
        """Return a table of the manifests, each of which is a JSON document on one line."""
        return [
            (
                f"CREATE TABLE IF NOT EXISTS {self.qualified(MANIFESTS)} (\n"
                "  kind STRING,\n  status STRING,\n  sources ARRAY<STRING>,\n  sync_times ARRAY<STRING>\n)\n"
                "USING JSON\nOPTIONS ('recursiveFileLookup' = 'true')\n"
                f"LOCATION {self.text(self.around.manifests.replace('s3://', 's3a://', 1))}"
            )
        ]

    def complete_syncs(self) -> str:
        """Return a query of the manifests."""
        return (
            f"SELECT DISTINCT source, {self.moment('moment')} AS sync_time\n"
            f"FROM {self.qualified(MANIFESTS)}\n"
            "LATERAL VIEW explode(sources) a AS source\nLATERAL VIEW explode(sync_times) b AS moment\n"
            "WHERE status = 'complete'"
        )

    def moment(self, text: str) -> str:
        """Return Spark's reading of ISO 8601."""
        return f"CAST({text} AS TIMESTAMP)"

    def quoted(self, name: str) -> str:
        """Return an identifier between backticks."""
        return "`{}`".format(name.replace("`", "``"))

    def text(self, value: str) -> str:
        """Return a text as SQL; Spark knows escapes in it."""
        return "'{}'".format(value.replace("\\", "\\\\").replace("'", "\\'"))

    def folder_columns(self, table: Table) -> list[str]:
        """Return the columns that Spark finds in `name=value`."""
        return [level.name for level in table.layout.hive]

    def _options(self, table: Table) -> list[str]:
        options = {"header": str(table.csv.header).lower(), "sep": table.csv.delimiter, "quote": '"', "escape": '"'}
        chosen = options | {"multiLine": "true"} if table.format == "csv" else {}
        if not table.layout.hive and table.layout.levels:
            chosen |= {"recursiveFileLookup": "true"}
        listed = ", ".join(f"'{key}' = {self.text(value)}" for key, value in chosen.items())
        return [f"OPTIONS ({listed})"] if chosen else []

    def _comment(self, comment: str) -> str:
        return f" COMMENT {self.text(comment)}" if comment else ""
