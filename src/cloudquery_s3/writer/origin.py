"""Where rows came from, read off the columns that the CLI adds to them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc

from cloudquery_s3.committed import Origin

if TYPE_CHECKING:
    from collections.abc import Sequence

_SOURCE: Final = "_cq_source_name"
_SYNC_TIME: Final = "_cq_sync_time"
_SYNC_GROUP: Final = "_cq_sync_group_id"
_SHARD: Final = re.compile(r"_([1-9]\d*)_([1-9]\d*)$")


def origin_of(batches: Sequence[pa.RecordBatch]) -> Origin:
    """Return the sources, sync times and sync groups of rows; cells of another type than the CLI's are left out."""
    origin = Origin()
    for batch in batches:
        origin |= Origin(
            sources=_texts(batch, _SOURCE), sync_times=_times(batch), sync_group_ids=_texts(batch, _SYNC_GROUP)
        )
    return origin


def is_shard(source: str) -> bool:
    """Tell whether a source's name is that of a shard: the CLI appends `_<i>_<n>` for `--shard i/n`."""
    found = _SHARD.search(source)
    return found is not None and int(found[1]) <= int(found[2])


def _column(batch: pa.RecordBatch, name: str) -> pa.Array | None:
    index = batch.schema.get_field_index(name)
    return batch.column(index) if index >= 0 else None


def _texts(batch: pa.RecordBatch, name: str) -> frozenset[str]:
    column = _column(batch, name)
    if column is None or not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return frozenset()
    distinct = pc.unique(column).drop_null().cast(pa.binary())
    return frozenset(str(value, errors="replace") for value in distinct.to_pylist())


def _times(batch: pa.RecordBatch) -> frozenset[str]:
    column = _column(batch, _SYNC_TIME)
    if column is None or not pa.types.is_timestamp(column.type):
        return frozenset()
    distinct = pc.unique(column).drop_null().cast(pa.timestamp("us", column.type.tz), safe=False)
    texts = distinct.cast(pa.timestamp("us")).cast(pa.string()).to_pylist()
    return frozenset(f"{text}Z".replace(" ", "T") for text in texts)
