"""The file formats to choose from, and the options of each. Source: docs/spec.md, `format_spec`."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from cloudquery_s3.spec.option import CHOICE, Option, OptionGroup

FormatName: TypeAlias = Literal["csv", "json", "parquet"]
ParquetVersion: TypeAlias = Literal["v1.0", "v2.4", "v2.6", "v2Latest"]
RootRepetition: TypeAlias = Literal["undefined", "required", "optional", "repeated"]


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


class JsonSpec(OptionGroup):
    """How JSON lines are written: there is nothing to set."""


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


FormatSpec: TypeAlias = CsvSpec | JsonSpec | ParquetSpec
