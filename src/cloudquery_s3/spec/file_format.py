"""The file formats to choose from, and the options of each. Source: docs/spec.md, `format_spec`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Final, Literal, TypeAlias

from cloudquery_s3.spec.option import CHOICE, Before, Option, OptionGroup

FormatName: TypeAlias = Literal["csv", "json", "parquet"]
ParquetVersion: TypeAlias = Literal["v1.0", "v2.4", "v2.6", "v2Latest"]
ParquetCompression: TypeAlias = Literal["snappy", "zstd", "gzip", "lz4", "none"]
ParquetTypes: TypeAlias = Literal["arrow", "portable"]
JsonColumns: TypeAlias = Literal["value", "string"]
TimestampSeparator: TypeAlias = Literal["T", " "]
RootRepetition: TypeAlias = Literal["undefined", "required", "optional", "repeated"]
Compression: TypeAlias = Literal["", "gzip", "zstd"]
"""Of whole objects of text; Parquet compresses within the file."""

COMPRESSION_SUFFIXES: Final = {"": "", "gzip": ".gz", "zstd": ".zst"}
"""What `{{FORMAT}}` ends in."""

HIGHEST_LEVELS: Final = {"gzip": 9, "zstd": 22}
"""The codecs that have levels, from 1 on, and their highest."""

_SEPARATOR: Final = Option(
    "What stands between the date and the time of a timestamp: `T`, or a blank as the Go plugin's v7.7.2 to v7.9.11 "
    "write it.",
    example=" ",
)


@dataclass(frozen=True, kw_only=True)
class CsvSpec(OptionGroup):
    """How CSV files are written."""

    delimiter: Annotated[
        str,
        Option(
            "What separates the fields of a line: one ASCII character, not a quote or a line end.",
            example=";",
            schema={"pattern": r"^[\x01-\x09\x0b\x0c\x0e-\x21\x23-\x7f]$"},
        ),
    ] = ","
    skip_header: Annotated[
        bool, Option("Whether to leave out the line of column names at the top of every file.", example=True)
    ] = False
    timestamp_separator: Annotated[TimestampSeparator, CHOICE, _SEPARATOR] = "T"


@dataclass(frozen=True, kw_only=True)
class JsonSpec(OptionGroup):
    """How JSON lines are written."""

    json_columns: Annotated[
        JsonColumns,
        CHOICE,
        Option(
            "How JSON columns are written: as the values that they hold, or as strings of JSON text. `string` is for "
            "readers that infer types: keys that differ in case alone, and columns that hold objects here and lists "
            "there, make them refuse the file.",
            example="string",
        ),
    ] = "value"
    timestamp_separator: Annotated[TimestampSeparator, CHOICE, _SEPARATOR] = "T"


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


@dataclass(frozen=True, kw_only=True)
class ParquetSpec(OptionGroup):
    """How Parquet files are written."""

    version: Annotated[
        ParquetVersion,
        CHOICE,
        Option(
            "Version of the Parquet format. `v1.0` and `v2.4` store nanoseconds as microseconds; `v2Latest` is `v2.6`.",
            example="v2.4",
        ),
    ] = "v2Latest"
    root_repetition: Annotated[
        RootRepetition,
        CHOICE,
        Option(
            "Accepted for the sake of older configurations. It has never changed what is in a file: all values are "
            "treated alike.",
            example="required",
        ),
    ] = "repeated"
    max_row_group_length: Annotated[
        int,
        Option(
            "The most rows in one row group. `0` is no limit.",
            example=1_000_000,
            schema={"minimum": 0},
        ),
    ] = 128 * 1024 * 1024
    compression: Annotated[
        ParquetCompression,
        CHOICE,
        Option(
            "Codec of the columns. `zstd` makes files a good third smaller than `snappy`, for somewhat more time; its "
            "level is `compression_level`.",
            example="zstd",
        ),
    ] = "snappy"
    types: Annotated[
        ParquetTypes,
        CHOICE,
        Option(
            "Which types files have: `arrow` keeps what the source sends, `portable` uses those alone that every "
            "engine and catalogue reads. See [Formats](formats.md#types-portable).",
            example="portable",
        ),
    ] = "arrow"
    bloom_filters: Annotated[
        list[str],
        Before(_as_list),
        Option(
            "Columns with Bloom filters, for readers that look for one value: a list of names, or `auto` for the "
            "columns whose values are mostly distinct. Names that a table lacks are passed over.",
            example=["arn", "_cq_id"],
            schema={"type": ["string", "array"], "pattern": "^auto$"},
            default_text="none",
        ),
    ] = field(default_factory=list)


FormatSpec: TypeAlias = CsvSpec | JsonSpec | ParquetSpec
