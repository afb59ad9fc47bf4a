"""BigQuery: an external table by a connection (BigQuery Omni), and LOAD DATA.

Source: BigQuery's documentation, "Data definition language", "Load statements", "Loading Parquet data", "Data types".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cloudquery_s3.catalogs.ddl.dialect import MANIFESTS, Dialect
from cloudquery_s3.catalogs.ddl.types import TypeTable

if TYPE_CHECKING:
    from cloudquery_s3.catalogs.ddl.table import Table

TYPES: Final = TypeTable(
    names={
        "bool": "BOOL",
        "int8": "INT64",
        "int16": "INT64",
        "int32": "INT64",
        "int64": "INT64",
        "uint8": "INT64",
        "uint16": "INT64",
        "uint32": "INT64",
        "float32": "FLOAT64",
        "float64": "FLOAT64",
        "string": "STRING",
        "binary": "BYTES",
        "date32[day]": "DATE",
        "date64[ms]": "DATE",
        "time32[ms]": "TIME",
        "time64[us]": "TIME",
        "timestamp[s]": "DATETIME",
        "timestamp[ms]": "DATETIME",
        "timestamp[us]": "DATETIME",
        "timestamptz[s]": "TIMESTAMP",
        "timestamptz[ms]": "TIMESTAMP",
        "timestamptz[us]": "TIMESTAMP",
        "null": "INT64",
    },
    decimal="BIGNUMERIC({precision}, {scale})",
    list="ARRAY<{item}>",
    struct="STRUCT<{fields}>",
    field="`{name}` {type}",
    map="ARRAY<STRUCT<key {key}, value {item}>>",
)
"""Unsigned 64-bit numbers are missing: BigQuery's largest whole number is signed."""

_DEFAULT_ACCESS: Final = "aws-us-east-1.my_connection"
_FORMATS: Final = {"parquet": "PARQUET", "json": "JSON", "csv": "CSV"}


class BigQuery(Dialect):
    """External tables, and LOAD DATA into tables of BigQuery's own."""

    name = "bigquery"
    types = TYPES

    def table(self, table: Table) -> list[str]:
        """Return an external table."""
        return [self._external(table)]

    def load(self, table: Table) -> list[str]:
        """Return the LOAD DATA that copies the rows."""
        name = self.qualified(f"{table.name}_local")
        columns = ",\n".join(f"  {self.quoted(column.name)} {kind}" for column, kind in self.columns(table))
        options = ", ".join([f"uris = [{self.text(self._uri(table))}]", *self._file_options(table)])
        return [
            (
                f"LOAD DATA INTO {name} (\n{columns}\n)\nFROM FILES ({options}{self._prefix(table)})"
                f"{self._folders(table)}\nWITH CONNECTION {self.quoted(self.around.access or _DEFAULT_ACCESS)}"
            )
        ]

    def manifests(self) -> list[str]:
        """Return an external table of the manifests, each of which is a JSON document on one line."""
        manifests = f"{self.around.manifests}*"
        return [
            (
                f"CREATE EXTERNAL TABLE IF NOT EXISTS {self.qualified(MANIFESTS)} (\n"
                "  kind STRING,\n  status STRING,\n  sources ARRAY<STRING>,\n  sync_times ARRAY<STRING>\n)\n"
                f"WITH CONNECTION {self.quoted(self.around.access or _DEFAULT_ACCESS)}\n"
                f"OPTIONS (format = 'JSON', ignore_unknown_values = TRUE, uris = [{self.text(manifests)}])"
            )
        ]

    def complete_syncs(self) -> str:
        """Return a query of the manifests."""
        return (
            f"SELECT DISTINCT source, {self.moment('moment')} AS sync_time\nFROM {self.qualified(MANIFESTS)},\n"
            "  UNNEST(sources) AS source, UNNEST(sync_times) AS moment\nWHERE status = 'complete'"
        )

    def moment(self, text: str) -> str:
        """Return BigQuery's reading of ISO 8601."""
        return f"TIMESTAMP({text})"

    def quoted(self, name: str) -> str:
        """Return an identifier between backticks."""
        return "`{}`".format(name.replace("\\", "\\\\").replace("`", "\\`"))

    def text(self, value: str) -> str:
        """Return a text as SQL; BigQuery knows escapes in it."""
        escaped = value.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n").replace("\r", "\\r")
        return f"'{escaped}'"

    def folder_columns(self, table: Table) -> list[str]:
        """Return the columns that BigQuery finds in `name=value`."""
        return [level.name for level in table.layout.hive]

    def _external(self, table: Table) -> str:
        columns = ",\n".join(
            f"  {self.quoted(column.name)} {kind}{self._description(column.comment)}"
            for column, kind in self.columns(table)
        )
        options = [
            f"uris = [{self.text(self._uri(table))}]",
            *self._file_options(table),
            *([f"description = {self.text(table.comment)}"] if table.comment else []),
        ]
        return (
            f"CREATE EXTERNAL TABLE IF NOT EXISTS {self.qualified(table.name)} (\n{columns}\n)"
            f"\nWITH CONNECTION {self.quoted(self.around.access or _DEFAULT_ACCESS)}{self._folders(table)}\n"
            f"OPTIONS ({', '.join(options)}{self._prefix(table)})"
        )

    def _uri(self, table: Table) -> str:
        return f"{self.own_folder(table)}*"

    def _prefix(self, table: Table) -> str:
        location = table.layout.location.rstrip("/")
        return f", hive_partition_uri_prefix = {self.text(location)}" if table.layout.hive else ""

    def _folders(self, table: Table) -> str:
        levels = [
            f"  {self.quoted(level.name)} {'INT64' if level.kind == 'integer' else 'STRING'}"
            for level in table.layout.hive
        ]
        return "\nWITH PARTITION COLUMNS (\n{}\n)".format(",\n".join(levels)) if levels else ""

    def _file_options(self, table: Table) -> list[str]:
        options = [f"format = '{_FORMATS[table.format]}'"]
        if table.format == "parquet":
            return [*options, "enable_list_inference = TRUE"]
        if table.format == "json":
            return [*options, "ignore_unknown_values = TRUE"]
        header = [f"skip_leading_rows = {int(table.csv.header)}"]
        return [
            *options,
            f"field_delimiter = {self.text(table.csv.delimiter)}",
            "allow_quoted_newlines = TRUE",
            *header,
        ]

    def _description(self, comment: str) -> str:
        return f" OPTIONS (description = {self.text(comment)})" if comment else ""
