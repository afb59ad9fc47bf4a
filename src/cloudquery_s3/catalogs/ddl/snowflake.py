"""Snowflake: a stage, an external table, and COPY INTO.

Source: Snowflake's documentation, "CREATE EXTERNAL TABLE", "COPY INTO <table>", "CREATE FILE FORMAT", "Data types".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pyarrow as pa

from cloudquery_s3.catalogs.ddl.dialect import Dialect
from cloudquery_s3.catalogs.ddl.types import TypeTable

if TYPE_CHECKING:
    from cloudquery_s3.catalogs.ddl.table import Table

TYPES: Final = TypeTable(
    names={
        "bool": "BOOLEAN",
        "int8": "NUMBER(38,0)",
        "int16": "NUMBER(38,0)",
        "int32": "NUMBER(38,0)",
        "int64": "NUMBER(38,0)",
        "uint8": "NUMBER(38,0)",
        "uint16": "NUMBER(38,0)",
        "uint32": "NUMBER(38,0)",
        "float32": "FLOAT",
        "float64": "FLOAT",
        "string": "VARCHAR",
        "binary": "BINARY",
        "date32[day]": "DATE",
        "date64[ms]": "DATE",
        "time32[ms]": "TIME",
        "time64[us]": "TIME",
        "time64[ns]": "TIME",
        "timestamp[s]": "TIMESTAMP_NTZ",
        "timestamp[ms]": "TIMESTAMP_NTZ",
        "timestamp[us]": "TIMESTAMP_NTZ",
        "timestamp[ns]": "TIMESTAMP_NTZ",
        "timestamptz[s]": "TIMESTAMP_LTZ",
        "timestamptz[ms]": "TIMESTAMP_LTZ",
        "timestamptz[us]": "TIMESTAMP_LTZ",
        "timestamptz[ns]": "TIMESTAMP_LTZ",
        "null": "VARCHAR",
    },
    decimal="NUMBER({precision},{scale})",
)
"""Lists, structs and maps are VARIANT. Unsigned 64-bit numbers are missing: the reader refuses the large ones."""

_DEFAULT_ACCESS: Final = "my_integration"
_FORMATS: Final = {
    "parquet": "TYPE = PARQUET USE_LOGICAL_TYPE = TRUE USE_VECTORIZED_SCANNER = TRUE",
    "json": "TYPE = JSON",
}


class Snowflake(Dialect):
    """A stage over a table's folder, an external table on it, and a table of Snowflake's own that COPY fills."""

    name = "snowflake"
    types = TYPES

    def table(self, table: Table) -> list[str]:
        """Return the stage and the external table."""
        name = self.qualified(table.name)
        columns = [
            f"  {self.quoted(column.name)} {kind} AS ({self._value(table, at, column.name, kind)})"
            f"{self._comment(column.comment)}"
            for at, (column, kind) in enumerate(self.columns(table), start=1)
        ]
        columns += [
            f"  {self.quoted(level.name)} VARCHAR AS ({self._folder(level.name)})" for level in table.layout.hive
        ]
        partitioned = ", ".join(self.quoted(level.name) for level in table.layout.hive)
        return [
            (
                f"CREATE STAGE IF NOT EXISTS {self._stage(table)}\n  URL = {self.text(self.own_folder(table))}\n"
                f"  STORAGE_INTEGRATION = {self.around.access or _DEFAULT_ACCESS}\n"
                f"  FILE_FORMAT = ({_file_format(table)})"
            ),
            f"CREATE EXTERNAL TABLE IF NOT EXISTS {name} (\n"
            + ",\n".join(columns)
            + "\n)\n"
            + (f"PARTITION BY ({partitioned})\n" if partitioned else "")
            + f"LOCATION = @{self._stage(table)}\nAUTO_REFRESH = FALSE\nFILE_FORMAT = ({_file_format(table)})"
            + (f"\nCOMMENT = {self.text(table.comment)}" if table.comment else ""),
            f"ALTER EXTERNAL TABLE {name} REFRESH",
        ]

    def load(self, table: Table) -> list[str]:
        """Return a table of Snowflake's own, and the COPY that brings the objects that it has not yet loaded."""
        name = self.qualified(f"{table.name}_local")
        columns = ",\n".join(f"  {self.quoted(column.name)} {kind}" for column, kind in self.columns(table))
        by_name = "" if table.format == "csv" else "\nMATCH_BY_COLUMN_NAME = CASE_SENSITIVE"
        return [
            f"CREATE TABLE IF NOT EXISTS {name} (\n{columns}\n)",
            f"COPY INTO {name} FROM @{self._stage(table)}{by_name}",
        ]

    def text(self, value: str) -> str:
        """Return a text as SQL; a backslash is an escape in it."""
        return "'{}'".format(value.replace("\\", "\\\\").replace("'", "''"))

    def complete_syncs(self) -> str:
        """Return a query of the manifests, in the stage that `manifests` makes."""
        return (
            f"SELECT DISTINCT a.value::VARCHAR AS source, {self.moment('b.value::VARCHAR')} AS sync_time\n"
            f"FROM @{self.qualified('cloudquery_manifests')} m,\n"
            "  LATERAL FLATTEN(m.$1:sources) a, LATERAL FLATTEN(m.$1:sync_times) b\n"
            "WHERE m.$1:status = 'complete'"
        )

    def manifests(self) -> list[str]:
        """Return the stage of the manifests."""
        return [
            (
                f"CREATE STAGE IF NOT EXISTS {self.qualified('cloudquery_manifests')}\n"
                f"  URL = {self.text(self.around.manifests)}\n"
                f"  STORAGE_INTEGRATION = {self.around.access or _DEFAULT_ACCESS}\n  FILE_FORMAT = (TYPE = JSON)"
            )
        ]

    def moment(self, text: str) -> str:
        """Return Snowflake's reading of ISO 8601."""
        return f"TO_TIMESTAMP_TZ({text})"

    def type_of(self, data_type: pa.DataType, table: Table) -> str | None:
        """Return the type; everything nested is VARIANT."""
        return "VARIANT" if pa.types.is_nested(data_type) else super().type_of(data_type, table)

    def folder_columns(self, table: Table) -> list[str]:
        """Return the columns that the external table takes out of file names."""
        return [level.name for level in table.layout.hive]

    def _stage(self, table: Table) -> str:
        return self.qualified(f"{table.name}_stage")

    def _value(self, table: Table, at: int, name: str, kind: str) -> str:
        return f"VALUE:c{at}::{kind}" if table.format == "csv" else f"VALUE:{self.quoted(name)}::{kind}"

    def _folder(self, name: str) -> str:
        return f"REGEXP_SUBSTR(METADATA$FILENAME, {self.text(f'{name}=([^/]+)')}, 1, 1, 'e')"

    def _comment(self, comment: str) -> str:
        return f" COMMENT {self.text(comment)}" if comment else ""


def _file_format(table: Table) -> str:
    if table.format != "csv":
        return _FORMATS[table.format]
    skipped = " SKIP_HEADER = 1" if table.csv.header else ""
    delimiter = table.csv.delimiter.replace("'", "''")
    return f"TYPE = CSV FIELD_DELIMITER = '{delimiter}' FIELD_OPTIONALLY_ENCLOSED_BY = '\"'{skipped}"
