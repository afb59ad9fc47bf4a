"""`make demo`: the real CloudQuery CLI syncs AWS's catalogues into a bucket, and DuckDB counts them there."""
