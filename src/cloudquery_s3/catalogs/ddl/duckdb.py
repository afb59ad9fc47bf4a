"""DuckDB: views over the objects.

Source: DuckDB's documentation, "Reading and Writing Parquet Files", "Loading JSON", "CSV Import", "Data Types".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cloudquery_s3.catalogs.ddl.dialect import Dialect
from cloudquery_s3.catalogs.ddl.types import TypeTable

if TYPE_CHECKING:
    from cloudquery_s3.catalogs.ddl.table import Table

TYPES: Final = TypeTable(
    names={
        "bool": "BOOLEAN",
        "int8": "TINYINT",
        "int16": "SMALLINT",
        "int32": "INTEGER",
        "int64": "BIGINT",
        "uint8": "UTINYINT",
        "uint16": "USMALLINT",
        "uint32": "UINTEGER",
        "uint64": "UBIGINT",
        "float16": "FLOAT",
        "float32": "FLOAT",
        "float64": "DOUBLE",
        "string": "VARCHAR",
        "binary": "BLOB",
        "date32[day]": "DATE",
        "date64[ms]": "DATE",
        "time32[ms]": "TIME",
        "time64[us]": "TIME",
        "time64[ns]": "TIME",
        "timestamp[s]": "TIMESTAMP",
        "timestamp[ms]": "TIMESTAMP",
        "timestamp[us]": "TIMESTAMP",
        "timestamp[ns]": "TIMESTAMP_NS",
        "timestamptz[s]": "TIMESTAMPTZ",
        "timestamptz[ms]": "TIMESTAMPTZ",
        "timestamptz[us]": "TIMESTAMPTZ",
        "timestamptz[ns]": "TIMESTAMPTZ",
        "null": "INTEGER",
    },
    decimal="DECIMAL({precision},{scale})",
    list="{item}[]",
    struct="STRUCT({fields})",
    field='"{name}" {type}',
    map="MAP({key}, {item})",
)


class DuckDb(Dialect):
    """Views that read the objects at each query, new ones included."""

    name = "duckdb"
    types = TYPES

    def table(self, table: Table) -> list[str]:
        """Return a view, and its comments."""
        name = self.qualified(table.name)
        columns = [
            f"CAST({self.quoted(column.name)} AS {kind}) AS {self.quoted(column.name)}"
            for column, kind in self.columns(table)
        ]
        columns += [self.quoted(folder) for folder in self.folder_columns(table)]
        selected = ",\n".join(f"  {column}" for column in columns)
        statements = [f"CREATE OR REPLACE VIEW {name} AS\nSELECT\n{selected}\nFROM {self._reader(table)}"]
        if table.comment:
            statements.append(f"COMMENT ON VIEW {name} IS {self.text(table.comment)}")
        statements += [
            f"COMMENT ON COLUMN {name}.{self.quoted(column.name)} IS {self.text(column.comment)}"
            for column, _ in self.columns(table)
            if column.comment
        ]
        return statements

    def complete_syncs(self) -> str:
        """Return a query of the manifests."""
        fields = "{'status': 'VARCHAR', 'sources': 'VARCHAR[]', 'sync_times': 'VARCHAR[]'}"
        url = self.text(f"{self.around.manifests}**/*.json")
        return (
            f"SELECT DISTINCT source, {self.moment('moment')} AS sync_time\n"
            f"FROM read_json({url}, format = 'auto', columns = {fields}),\n"
            "  unnest(sources) AS a(source), unnest(sync_times) AS b(moment)\nWHERE status = 'complete'"
        )

    def moment(self, text: str) -> str:
        """Return DuckDB's reading of ISO 8601."""
        return f"CAST({text} AS TIMESTAMPTZ)"

    def folder_columns(self, table: Table) -> list[str]:
        """Return the columns that DuckDB finds in `name=value`."""
        return [level.name for level in table.layout.hive]

    def _reader(self, table: Table) -> str:
        options = [f"{self.text(table.layout.glob)}", "union_by_name = true"]
        if table.layout.hive:
            integers = [level.name for level in table.layout.hive if level.kind == "integer"]
            types = ", ".join(
                f"{self.text(level.name)}: {'BIGINT' if level.name in integers else 'VARCHAR'}"
                for level in table.layout.hive
            )
            options += ["hive_partitioning = true", f"hive_types = {{{types}}}"]
        else:
            options.append("hive_partitioning = false")
        if table.format == "parquet":
            return f"read_parquet({', '.join(options)})"
        columns = ", ".join(f"{self.text(column.name)}: {self.text(kind)}" for column, kind in self.columns(table))
        if table.format == "json":
            return f"read_json({', '.join(options)}, format = 'newline_delimited', columns = {{{columns}}})"
        header = str(table.csv.header).lower()
        shape = f"delim = {self.text(table.csv.delimiter)}, header = {header}, quote = '\"', escape = '\"'"
        return f"read_csv({', '.join(options)}, {shape}, allow_quoted_nulls = false, columns = {{{columns}}})"
