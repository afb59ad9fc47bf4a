"""Parquet files, as the reference's readers know them."""

from cloudquery_s3.formats.parquet.encoder import Parquet

__all__ = ["Parquet"]
