"""ClickHouse: the S3 table engine.

Source: ClickHouse's documentation, "S3 Table Engine", "Formats", "Data Types".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import pyarrow as pa

from cloudquery_s3.catalogs.ddl.dialect import Dialect
from cloudquery_s3.catalogs.ddl.types import TypeTable, UnsupportedTypeError

if TYPE_CHECKING:
    from cloudquery_s3.catalogs.ddl.table import Table

TYPES: Final = TypeTable(
    names={
        "bool": "Bool",
        "int8": "Int8",
        "int16": "Int16",
        "int32": "Int32",
        "int64": "Int64",
        "uint8": "UInt8",
        "uint16": "UInt16",
        "uint32": "UInt32",
        "uint64": "UInt64",
        "float16": "Float32",
        "float32": "Float32",
        "float64": "Float64",
        "string": "String",
        "binary": "String",
        "date32[day]": "Date32",
        "date64[ms]": "Date32",
        "time32[ms]": "DateTime64(3)",
        "time64[us]": "DateTime64(6)",
        "time64[ns]": "DateTime64(9)",
        "timestamp[s]": "DateTime64(3, 'UTC')",
        "timestamp[ms]": "DateTime64(3, 'UTC')",
        "timestamp[us]": "DateTime64(6, 'UTC')",
        "timestamp[ns]": "DateTime64(9, 'UTC')",
        "timestamptz[s]": "DateTime64(3, 'UTC')",
        "timestamptz[ms]": "DateTime64(3, 'UTC')",
        "timestamptz[us]": "DateTime64(6, 'UTC')",
        "timestamptz[ns]": "DateTime64(9, 'UTC')",
        "null": "Int32",
    },
    decimal="Decimal({precision}, {scale})",
    list="Array({item})",
    struct="Tuple({fields})",
    field="`{name}` {type}",
    map="Map({key}, {item})",
    decimal_digits=76,
)

_FORMATS: Final = {"parquet": "Parquet", "json": "JSONEachRow", "csv": "CSV"}


class ClickHouse(Dialect):
    """Tables over the objects; `INSERT INTO … SELECT` copies them."""

    name = "clickhouse"
    types = TYPES

    def table(self, table: Table) -> list[str]:
        """Return a table of the S3 engine."""
        columns = ",\n".join(
            f"  {self.quoted(column.name)} {kind}{self._comment(column.comment)}"
            for column, kind in self.columns(table)
        )
        comment = f"\nCOMMENT {self.text(table.comment)}" if table.comment else ""
        return [
            (
                f"CREATE TABLE IF NOT EXISTS {self.qualified(table.name)} (\n{columns}\n)\n"
                f"ENGINE = S3({self.text(self._url(table.layout.glob))}, {self.text(_format(table))})"
                f"{self._settings(table)}{comment}"
            )
        ]

    def load(self, table: Table) -> list[str]:
        """Return a table of ClickHouse's own, filled with all rows."""
        name = self.qualified(f"{table.name}_local")
        return [
            (
                f"CREATE TABLE IF NOT EXISTS {name} ENGINE = MergeTree ORDER BY tuple() AS\n"
                f"SELECT * FROM {self.qualified(table.name)}"
            )
        ]

    def complete_syncs(self) -> str:
        """Return a query of the manifests."""
        url = self.text(self._url(f"{self.around.manifests}**/*.json"))
        fields = self.text("status String, sources Array(String), sync_times Array(String)")
        return (
            f"SELECT DISTINCT source, {self.moment('moment')} AS sync_time\n"
            f"FROM s3({url}, 'JSONEachRow', {fields})\nARRAY JOIN sources AS source\n"
            "ARRAY JOIN sync_times AS moment\nWHERE status = 'complete'"
        )

    def moment(self, text: str) -> str:
        """Return ClickHouse's reading of ISO 8601."""
        return f"parseDateTime64BestEffort({text}, 6, 'UTC')"

    def quoted(self, name: str) -> str:
        """Return an identifier between backticks."""
        return "`{}`".format(name.replace("\\", "\\\\").replace("`", "\\`"))

    def text(self, value: str) -> str:
        """Return a text as SQL; ClickHouse knows escapes in it."""
        return "'{}'".format(value.replace("\\", "\\\\").replace("'", "\\'"))

    def folder_columns(self, table: Table) -> list[str]:
        """Return none: the engine has no columns of folders, and the files have the values."""
        del table
        return []

    def type_of(self, data_type: pa.DataType, table: Table) -> str | None:
        """Return the type, NULLs allowed wherever ClickHouse can."""
        del table
        try:
            return _nullable(data_type)
        except UnsupportedTypeError:
            return None

    def _url(self, url: str) -> str:
        parts = urlsplit(url)
        return f"https://{parts.netloc}.s3.{self.around.region}.amazonaws.com{parts.path}"

    def _settings(self, table: Table) -> str:
        if table.format != "csv":
            return ""
        return f"\nSETTINGS format_csv_delimiter = {self.text(table.csv.delimiter)}"

    def _comment(self, comment: str) -> str:
        return f" COMMENT {self.text(comment)}" if comment else ""


def _nullable(data_type: pa.DataType) -> str:
    if pa.types.is_map(data_type):
        return TYPES.map.format(key=TYPES.name(data_type.key_type), item=_nullable(data_type.item_type))
    if pa.types.is_struct(data_type):
        fields = (TYPES.field.format(name=part.name, type=_nullable(part.type)) for part in data_type)
        return TYPES.struct.format(fields=", ".join(fields))
    if pa.types.is_nested(data_type):
        return TYPES.list.format(item=_nullable(data_type.value_type))
    return f"Nullable({TYPES.name(data_type)})"


def _format(table: Table) -> str:
    return "CSVWithNames" if table.format == "csv" and table.csv.header else _FORMATS[table.format]
