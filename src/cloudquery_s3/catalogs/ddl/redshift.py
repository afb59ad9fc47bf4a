"""Amazon Redshift: a Spectrum table over the objects, and COPY.

Source: Redshift's documentation, "CREATE EXTERNAL TABLE", "COPY from columnar data formats", "Data types".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pyarrow as pa

from cloudquery_s3.catalogs.ddl.athena import SERDES
from cloudquery_s3.catalogs.ddl.dialect import MANIFESTS, Dialect
from cloudquery_s3.catalogs.ddl.types import TypeTable

if TYPE_CHECKING:
    from cloudquery_s3.catalogs.ddl.table import Table

TYPES: Final = TypeTable(
    names={
        "bool": "boolean",
        "int8": "smallint",
        "int16": "smallint",
        "int32": "integer",
        "int64": "bigint",
        "uint8": "smallint",
        "uint16": "integer",
        "uint32": "bigint",
        "float32": "real",
        "float64": "double precision",
        "string": "varchar(65535)",
        "binary": "varbyte(65535)",
        "date32[day]": "date",
        "date64[ms]": "date",
        "timestamp[s]": "timestamp",
        "timestamp[ms]": "timestamp",
        "timestamp[us]": "timestamp",
        "timestamptz[s]": "timestamp",
        "timestamptz[ms]": "timestamp",
        "timestamptz[us]": "timestamp",
    },
)

_DEFAULT_ACCESS: Final = "arn:aws:iam::123456789012:role/redshift-reader"
_DEFAULT_NAMESPACE: Final = "spectrum"


class Redshift(Dialect):
    """Tables in an external schema (`spectrum` where no other is named), and COPY into tables of Redshift's own."""

    name = "redshift"
    types = TYPES

    def table(self, table: Table) -> list[str]:
        """Return a Spectrum table; it reads all folders below its own, whatever they are called."""
        columns = ",\n".join(f"  {self.quoted(column.name)} {kind}" for column, kind in self.columns(table))
        return [
            (
                f"CREATE EXTERNAL TABLE {self.qualified(table.name)} (\n{columns}\n)\n{_storage(table)}\n"
                f"LOCATION {self.text(self.own_folder(table))}{_properties(table)}"
            )
        ]

    def load(self, table: Table) -> list[str]:
        """Return a table of Redshift's own, its comments, and the COPY that fills it."""
        name = self.quoted(f"{table.name}_local")
        columns = ",\n".join(
            f"  {self.quoted(column.name)} {'super' if pa.types.is_nested(column.type) else kind}"
            for column, kind in self.columns(table)
        )
        role = f"IAM_ROLE {self.text(self.around.access or _DEFAULT_ACCESS)}"
        statements = [f"CREATE TABLE IF NOT EXISTS {name} (\n{columns}\n)"]
        if table.comment:
            statements.append(f"COMMENT ON TABLE {name} IS {self.text(table.comment)}")
        statements += [
            f"COMMENT ON COLUMN {name}.{self.quoted(column.name)} IS {self.text(column.comment)}"
            for column, _ in self.columns(table)
            if column.comment
        ]
        return [*statements, f"COPY {name}\nFROM {self.text(self.own_folder(table))}\n{role}\n{_copy_format(table)}"]

    def manifests(self) -> list[str]:
        """Return a table of the manifests, each of which is a JSON document on one line."""
        return [
            (
                f"CREATE EXTERNAL TABLE {self.qualified(MANIFESTS)} (\n"
                "  kind varchar(32),\n  status varchar(32),\n  sources array<varchar(1024)>,\n"
                "  sync_times array<varchar(64)>\n)\n"
                f"ROW FORMAT SERDE '{SERDES['json']}'\nSTORED AS TEXTFILE\nLOCATION {self.text(self.around.manifests)}"
            )
        ]

    def text(self, value: str) -> str:
        """Return a text as SQL; a backslash is an escape in it."""
        return "'{}'".format(value.replace("\\", "\\\\").replace("'", "''"))

    def complete_syncs(self) -> str:
        """Return a query of the manifests."""
        return (
            f"SELECT DISTINCT a AS source, {self.moment('b')} AS sync_time\n"
            f"FROM {self.qualified(MANIFESTS)} AS m, m.sources AS a, m.sync_times AS b\nWHERE m.status = 'complete'"
        )

    def moment(self, text: str) -> str:
        """Return Redshift's reading of ISO 8601."""
        return f"CAST({text} AS timestamp)"

    create_view = "CREATE OR REPLACE VIEW"
    end_of_view = "\nWITH NO SCHEMA BINDING"

    def qualified(self, name: str) -> str:
        """Return a name in the external schema; a view is no external table, and belongs to `public`."""
        if name.endswith("_latest"):
            return self.quoted(name)
        schema = self.around.namespace or _DEFAULT_NAMESPACE
        return f"{self.quoted(schema)}.{self.quoted(name)}"

    def folder_columns(self, table: Table) -> list[str]:
        """Return none: the files have the values, and Spectrum would want every folder to be added."""
        del table
        return []


def _storage(table: Table) -> str:
    if table.format == "parquet":
        return "STORED AS PARQUET"
    serde = f"ROW FORMAT SERDE '{SERDES[table.format]}'"
    if table.format == "csv":
        serde += f"\nWITH SERDEPROPERTIES ('separatorChar' = '{table.csv.delimiter}', 'quoteChar' = '\"')"
    return f"{serde}\nSTORED AS TEXTFILE"


def _properties(table: Table) -> str:
    headed = table.format == "csv" and table.csv.header
    return "\nTABLE PROPERTIES ('skip.header.line.count' = '1')" if headed else ""


def _copy_format(table: Table) -> str:
    if table.format == "parquet":
        nested = any(pa.types.is_nested(column.type) for column in table.columns)
        return f"FORMAT AS PARQUET{' SERIALIZETOJSON' if nested else ''}"
    compression = {"gzip": " GZIP", "zstd": " ZSTD"}.get(table.compression, "")
    if table.format == "json":
        return f"FORMAT AS JSON 'auto'{compression} TIMEFORMAT 'auto'"
    header = " IGNOREHEADER 1" if table.csv.header else ""
    return f"FORMAT AS CSV DELIMITER '{table.csv.delimiter}'{header}{compression} TIMEFORMAT 'auto'"
