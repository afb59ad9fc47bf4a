"""What a user may ask for: parse, validate, defaults, JSON schema.

`model` is the list of options, `decode` reads them, `rules` says what is impossible, `parse` puts it together.
"""

from cloudquery_s3.spec.model import Credentials, CsvSpec, FormatSpec, JsonSpec, ParquetSpec, ServerSideEncryption
from cloudquery_s3.spec.parse import Spec

__all__ = ["Credentials", "CsvSpec", "FormatSpec", "JsonSpec", "ParquetSpec", "ServerSideEncryption", "Spec"]
