"""Where finished bytes go: S3, and a bucket in memory for tests."""
