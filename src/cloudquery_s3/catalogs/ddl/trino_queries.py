"""What Trino and Athena, whose views are Trino's, say alike.

Source: Trino's documentation, "Date and time functions and operators", "SELECT".
"""

from __future__ import annotations

from cloudquery_s3.catalogs.ddl.dialect import MANIFESTS, Dialect


class TrinoQueries(Dialect):
    """Queries of the manifests, and of moments."""

    def complete_syncs(self) -> str:
        """Return a query of the manifests."""
        return (
            f"SELECT DISTINCT source, {self.moment('moment')} AS sync_time\n"
            f"FROM {self.qualified(MANIFESTS)}\n"
            "CROSS JOIN UNNEST(sources) AS a(source)\nCROSS JOIN UNNEST(sync_times) AS b(moment)\n"
            "WHERE status = 'complete'"
        )

    def moment(self, text: str) -> str:
        """Return Trino's reading of ISO 8601, as a timestamp in UTC without a zone."""
        return f"CAST(from_iso8601_timestamp({text}) AT TIME ZONE 'UTC' AS timestamp(3))"

    def same_moment(self, row: str, sync: str) -> str:
        """Return the condition for two moments that may have been cut or rounded to milliseconds."""
        return f"abs(date_diff('millisecond', {row}, {sync})) <= 1"
