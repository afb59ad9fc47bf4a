"""File formats: how the rows of one object become bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cloudquery_s3.errors import SpecError
from cloudquery_s3.formats.codecs import compressed
from cloudquery_s3.formats.csv import Csv
from cloudquery_s3.formats.json_lines import JsonLines
from cloudquery_s3.formats.parquet import Parquet
from cloudquery_s3.formats.parquet.bloom_filters import are_supported
from cloudquery_s3.spec import CsvSpec, ParquetSpec

if TYPE_CHECKING:
    from cloudquery_s3.formats.encoder import Format
    from cloudquery_s3.spec import Spec

_SORTED_GROUP_BYTES: Final = 8 << 20
"""Arrow bytes of a row group of sorted rows: few enough for readers to skip most of an object."""


def make_format(spec: Spec) -> Format:
    """Return the format that a spec asks for: rows are sorted, then rewritten for Athena, encoded, compressed.

    Its `content_type` is the derived one; `spec.content_type`, which overrides it, is the store's concern.

    Raises:
        SpecError: the installed libraries cannot do it.
    """
    chosen = compressed(_file_format(spec), spec.compression, spec.compression_level)
    if spec.athena:
        from cloudquery_s3.formats.athena import Athena  # noqa: PLC0415 -- only for who asks for it

        chosen = Athena(chosen)
    if spec.sort_by:
        from cloudquery_s3.formats.sorting import Sorted  # noqa: PLC0415 -- only for who asks for it

        chosen = Sorted(chosen, spec.sort_by)
    return chosen


def _file_format(spec: Spec) -> Format:
    details = spec.format_spec
    if isinstance(details, CsvSpec):
        return Csv(
            delimiter=details.delimiter,
            skip_header=details.skip_header,
            timestamp_separator=details.timestamp_separator,
        )
    if isinstance(details, ParquetSpec):
        if details.bloom_filters and not are_supported():
            raise SpecError("needs a newer pyarrow than the one installed", field="format_spec.bloom_filters")
        return Parquet(
            details.version,
            details.max_row_group_length,
            portable=details.types == "portable",
            compression=details.compression,
            compression_level=spec.compression_level,
            bloom_filters=details.bloom_filters,
            group_bytes=_SORTED_GROUP_BYTES if spec.sort_by else None,
        )
    return JsonLines(json_as_text=details.json_columns == "string", timestamp_separator=details.timestamp_separator)
