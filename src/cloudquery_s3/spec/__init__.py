"""What a user may ask for: parse, validate, defaults, JSON schema.

`model` and `file_format` are the list of options, `decode` reads them, `rules` says what is impossible, `parse` puts it
together.
"""

from cloudquery_s3.spec.aws_options import Credentials, ServerSideEncryption
from cloudquery_s3.spec.file_format import CsvSpec, FormatSpec, JsonSpec, ParquetSpec
from cloudquery_s3.spec.lake import Glue, Iceberg
from cloudquery_s3.spec.manifest import Manifest
from cloudquery_s3.spec.parse import Spec

__all__ = [
    "Credentials",
    "CsvSpec",
    "FormatSpec",
    "Glue",
    "Iceberg",
    "JsonSpec",
    "Manifest",
    "ParquetSpec",
    "ServerSideEncryption",
    "Spec",
]
