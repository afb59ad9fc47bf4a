"""CloudQuery destination plugin that lands tables in S3."""

__version__ = "0.1.0"
