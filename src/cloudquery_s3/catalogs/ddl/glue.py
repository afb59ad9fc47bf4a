"""The AWS Glue Data Catalog, which Athena, Redshift Spectrum, EMR and Trino read: input for `aws glue create-table`.

Source: AWS Glue's API, "TableInput"; the types are Athena's, which reads this catalogue.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from cloudquery_s3.catalogs.ddl.athena import SERDES, TYPES, csv_serde_properties, file_properties, folder_type
from cloudquery_s3.catalogs.ddl.dialect import Dialect
from cloudquery_s3.catalogs.ddl.projection import projection_properties
from cloudquery_s3.catalogs.ddl.types import HIVE_MISREADS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from cloudquery_s3.catalogs.ddl.table import Table

MAX_COMMENT: Final = 255
"""The longest comment of a column that Glue takes."""

MAX_DESCRIPTION: Final = 2048
"""The longest description of a table that Glue takes, in bytes."""

_INPUT_FORMATS: Final = {"parquet": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat"}
_OUTPUT_FORMATS: Final = {"parquet": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat"}
_TEXT_INPUT: Final = "org.apache.hadoop.mapred.TextInputFormat"
_TEXT_OUTPUT: Final = "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat"


class Glue(Dialect):
    """Tables as JSON documents, one a line, for `--cli-input-json`; Glue has no views of ours."""

    name = "glue"
    types = TYPES
    misread = HIVE_MISREADS

    def script(self, tables: Sequence[Table]) -> str:
        """Return a document a table."""
        return "".join(f"{text}\n" for table in tables for text in self.table(table))

    def table(self, table: Table) -> list[str]:
        """Return the arguments of CreateTable."""
        return [json.dumps({"DatabaseName": self.around.namespace or "default", "TableInput": self.table_input(table)})]

    def table_input(self, table: Table) -> dict[str, Any]:
        """Return the table as CreateTable and UpdateTable take it.

        Raises:
            SpecError: the table's objects have no folder of their own.
        """
        parameters = {"classification": table.format, "EXTERNAL": "TRUE", **file_properties(table)}
        return {
            "Name": table.name.lower(),
            "Description": _cut(table.comment, MAX_DESCRIPTION),
            "TableType": "EXTERNAL_TABLE",
            "Parameters": parameters | projection_properties(table.layout, self.around.since),
            "PartitionKeys": [
                {"Name": level.name.lower(), "Type": folder_type(level.kind)} for level in table.layout.projected
            ],
            "StorageDescriptor": {
                "Columns": [self._column(column.name, kind, column.comment) for column, kind in self.columns(table)],
                "Location": self.own_folder(table),
                "InputFormat": _INPUT_FORMATS.get(table.format, _TEXT_INPUT),
                "OutputFormat": _OUTPUT_FORMATS.get(table.format, _TEXT_OUTPUT),
                "SerdeInfo": {
                    "SerializationLibrary": SERDES[table.format],
                    "Parameters": csv_serde_properties(table) if table.format == "csv" else {},
                },
            },
        }

    def type_of(self, data_type: pa.DataType, table: Table) -> str | None:
        """Return the type: of CSV, whose reader knows no other, a text."""
        kind = "string" if table.format == "csv" else super().type_of(data_type, table)
        return kind.replace(", ", ",") if kind else kind

    def complete_syncs(self) -> str:
        """Glue holds no queries."""
        raise NotImplementedError

    def moment(self, text: str) -> str:
        """Glue holds no queries."""
        raise NotImplementedError

    @staticmethod
    def _column(name: str, kind: str, comment: str) -> dict[str, str]:
        column = {"Name": name.lower(), "Type": kind}
        return column | ({"Comment": _cut(comment, MAX_COMMENT)} if comment else {})


def _cut(text: str, size_bytes: int) -> str:
    return text.encode()[:size_bytes].decode(errors="ignore")
