"""Bloom filters: for readers that look for one value among many distinct ones."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

AUTO: Final = "auto"
_FALSE_POSITIVES: Final = 0.05
_LEAST_DISTINCT: Final = 64


def are_supported() -> bool:
    """Tell whether the installed pyarrow can write Bloom filters."""
    return "bloom_filter_options" in inspect.signature(pq.ParquetWriter).parameters


def bloom_filter_options(
    first: pa.Table, wanted: Sequence[str], with_dictionary: Collection[str]
) -> dict[str, dict[str, Any]] | None:
    """Return pyarrow's option for the Bloom filters of a file, each of which is wrong for one in twenty values at most.

    Args:
        first: the first rows of the file; a row group is assumed to have as many distinct values as they have rows.
        wanted: names of columns, of which a table may lack some; or only `auto`: the columns of text, bytes and whole
            numbers that have mostly distinct values.
        with_dictionary: the columns in which something repeats (`dictionary_columns`).
    """
    if list(wanted) == [AUTO]:
        columns = [field.name for field in first.schema if _is_looked_up(field.type)]
        columns = [name for name in columns if name not in with_dictionary] if first.num_rows >= _LEAST_DISTINCT else []
    else:
        columns = [field.name for field in first.schema if field.name in wanted and _can_have_one(field.type)]
    options = {"ndv": max(_LEAST_DISTINCT, first.num_rows), "fpp": _FALSE_POSITIVES}
    return dict.fromkeys(columns, options) or None


def _is_looked_up(kind: pa.DataType) -> bool:
    types = pa.types
    texts = types.is_string(kind) or types.is_large_string(kind)
    octets = types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind)
    return bool(texts or octets or types.is_integer(kind))


def _can_have_one(kind: pa.DataType) -> bool:
    return not (pa.types.is_nested(kind) or pa.types.is_boolean(kind) or pa.types.is_null(kind))
