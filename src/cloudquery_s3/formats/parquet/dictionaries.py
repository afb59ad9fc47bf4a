"""Which Parquet columns are worth a dictionary.

Parquet writers try a dictionary for every column, and find out late that a column of ids has no use for one: the time
is spent, and the pages until then hold both the values and their numbers. A sample tells beforehand. Readers do not
notice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterator

_LEAST_SAMPLE: Final = 512
_MOST_SAMPLE: Final = 16_384
_SAMPLED_PART: Final = 20
_MOSTLY_DISTINCT: Final = 0.9


def dictionary_columns(table: pa.Table) -> list[str]:
    """Return the Parquet paths of the columns in whose values, by a sample of `table`, something repeats.

    One in twenty rows is looked at, evenly spread, but some 512 at least and 16,384 at most. A column is
    left out where over nine in ten of its sampled values are distinct: few values then repeat more than a few times.
    """
    wanted = min(max(_LEAST_SAMPLE, table.num_rows // _SAMPLED_PART), _MOST_SAMPLE)
    step = -(-table.num_rows // wanted)
    sample = pa.Table.from_batches([_every(step, batch) for batch in table.to_batches()], table.schema).combine_chunks()
    return [
        path
        for field, column in zip(table.schema, sample.columns, strict=True)
        for path, values in _leaves(field.name, column.chunk(0))
        if _repeats(values)
    ]


def _every(step: int, batch: pa.RecordBatch) -> pa.RecordBatch:
    return batch.take(pa.array(np.arange(0, batch.num_rows, step)))


def _leaves(path: str, values: pa.Array) -> Iterator[tuple[str, pa.Array]]:
    """Yield the leaf columns of a column by the names that Parquet gives them."""
    kind = values.type
    if pa.types.is_struct(kind):
        for field, member in zip(kind, values.flatten(), strict=True):
            yield from _leaves(f"{path}.{field.name}", member)
    elif pa.types.is_map(kind):
        yield from _leaves(f"{path}.key_value.key", values.keys)
        yield from _leaves(f"{path}.key_value.value", values.items)
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
        yield from _leaves(f"{path}.list.element", values.flatten())
    else:
        yield path, values


def _repeats(values: pa.Array) -> bool:
    present = len(values) - values.null_count
    if not present or pa.types.is_null(values.type):
        return True
    if pa.types.is_float16(values.type):  # pyarrow cannot tell them apart
        values = values.view(pa.uint16())
    distinct: int = len(values.unique()) - bool(values.null_count)
    return bool(distinct <= present * _MOSTLY_DISTINCT)
