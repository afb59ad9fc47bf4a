"""SQL that makes a table of the objects, in the words of each engine: one module a dialect, with one table of types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cloudquery_s3.catalogs.ddl.athena import Athena
from cloudquery_s3.catalogs.ddl.bigquery import BigQuery
from cloudquery_s3.catalogs.ddl.clickhouse import ClickHouse
from cloudquery_s3.catalogs.ddl.duckdb import DuckDb
from cloudquery_s3.catalogs.ddl.glue import Glue
from cloudquery_s3.catalogs.ddl.redshift import Redshift
from cloudquery_s3.catalogs.ddl.snowflake import Snowflake
from cloudquery_s3.catalogs.ddl.spark import Spark
from cloudquery_s3.catalogs.ddl.trino import Trino

if TYPE_CHECKING:
    from cloudquery_s3.catalogs.ddl.dialect import Dialect

DIALECTS: Final[dict[str, type[Dialect]]] = {
    dialect.name: dialect for dialect in (Athena, Trino, Spark, DuckDb, ClickHouse, Snowflake, BigQuery, Redshift, Glue)
}
"""Every dialect by its name."""
