"""File formats: how the rows of one object become bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudquery_s3.formats.athena import Athena
from cloudquery_s3.formats.codecs.gzip import DEFAULT_LEVEL, Gzip
from cloudquery_s3.formats.csv import Csv
from cloudquery_s3.formats.json_lines import JsonLines
from cloudquery_s3.formats.parquet import Parquet
from cloudquery_s3.spec import CsvSpec, ParquetSpec

if TYPE_CHECKING:
    from cloudquery_s3.formats.encoder import Format
    from cloudquery_s3.spec import FormatSpec, Spec


def make_format(spec: Spec) -> Format:
    """Return the format that a spec asks for: the file format, compressed if it says so, after Athena's rewriting.

    Its `content_type` is the derived one; `spec.content_type`, which overrides it, is the store's concern.
    """
    chosen = _file_format(spec.format_spec)
    if spec.compression == "gzip":
        chosen = Gzip(chosen, spec.gzip_level or DEFAULT_LEVEL)
    return Athena(chosen) if spec.athena else chosen


def _file_format(details: FormatSpec) -> Format:
    if isinstance(details, CsvSpec):
        return Csv(delimiter=details.delimiter, skip_header=details.skip_header)
    if isinstance(details, ParquetSpec):
        return Parquet(details.version, details.max_row_group_length)
    return JsonLines()
