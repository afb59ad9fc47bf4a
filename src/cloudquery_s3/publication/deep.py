"""Reads objects to count their rows: of Parquet the footer alone, of text formats every byte."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import pyarrow as pa
import pyarrow.parquet as pq

from cloudquery_s3.formats.codecs import BROKEN, opened

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudquery_s3.stores.bucket import Bucket

_MAGIC: Final = b"PAR1"
_TAIL_BYTES: Final = 64 * 1024
_LENGTH_BYTES: Final = 8
_BLOCK_BYTES: Final = 1024 * 1024
_UNREADABLE: Final[tuple[type[Exception], ...]] = (*BROKEN, EOFError, OSError, KeyError)


class UncountableError(Exception):
    """An object is no file of its format; says why."""


def count_rows(bucket: Bucket, entry: Mapping[str, Any], document: Mapping[str, Any], *, has_header: bool) -> int:
    """Return how many rows an object holds.

    Args:
        bucket: where it is.
        entry: the object, as its manifest lists it.
        document: the manifest, which tells the format.
        has_header: whether a CSV file's first line is one.

    Raises:
        UncountableError: it is no whole file of that format.
        StoreError: it could not be read.
    """
    if document["format"] == "parquet":
        return _parquet_rows(bucket, entry)
    data = bucket.get(entry["key"]).body
    is_csv = document["format"] == "csv"
    try:
        lines = _lines(opened(io.BytesIO(data), document["compression"] or ""), quoted=is_csv)
    except _UNREADABLE as error:
        raise UncountableError(f"it cannot be read as {document['compression']} ({type(error).__name__})") from None
    return lines - 1 if is_csv and has_header else lines


def _parquet_rows(bucket: Bucket, entry: Mapping[str, Any]) -> int:
    """Read a footer, as far back as it says that it goes."""
    size = entry["meta"]["content_length"]
    if size < 2 * len(_MAGIC) + _LENGTH_BYTES:
        raise UncountableError("it is too short for a Parquet file")
    tail = bucket.get(entry["key"], last=min(_TAIL_BYTES, size)).body
    length = struct.unpack("<I", tail[-_LENGTH_BYTES:-4])[0] + _LENGTH_BYTES if tail.endswith(_MAGIC) else 0
    if not length or length > size:
        raise UncountableError("it does not end as a Parquet file does")
    if length > len(tail):
        tail = bucket.get(entry["key"], last=length).body
    try:
        return int(pq.read_metadata(pa.BufferReader(_MAGIC + tail[-length:])).num_rows)
    except (pa.ArrowException, OSError) as error:
        raise UncountableError(f"its footer cannot be read ({type(error).__name__})") from None


def _lines(file: BinaryIO, *, quoted: bool) -> int:
    """Return the number of lines; where cells may be quoted, line ends between quotes do not count."""
    lines, inside = 0, 0
    while block := file.read(_BLOCK_BYTES):
        pieces = block.split(b'"') if quoted else [block]
        lines += sum(piece.count(b"\n") for piece in pieces[inside::2])
        inside = (inside + len(pieces) - 1) % 2
    return lines
