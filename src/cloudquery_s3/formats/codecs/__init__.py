"""Codecs of text formats: each by the name that the option `compression` has for it.

A new one is a compressor, a line here, and a name and a suffix in `spec.model`.
"""

from __future__ import annotations

import zlib
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple, cast

import zstandard
from isal import igzip, igzip_lib

from cloudquery_s3.formats.codecs import gzip, zstd
from cloudquery_s3.formats.codecs.compressed import Compressed

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    from cloudquery_s3.formats.codecs.compressed import Compressor
    from cloudquery_s3.formats.encoder import Format


BROKEN: Final[tuple[type[Exception], ...]] = (
    cast("type[Exception]", igzip_lib.IsalError),  # its stub declares an instance
    zlib.error,
    zstandard.ZstdError,
)
"""What reading raises where a compressed object is none."""


class _Codec(NamedTuple):
    content_type: str
    default_level: int
    compressor: Callable[[int], Compressor]
    opened: Callable[[BinaryIO], BinaryIO]


_CODECS: Final[dict[str, _Codec]] = {
    "gzip": _Codec(
        "application/gzip",
        gzip.DEFAULT_LEVEL,
        gzip.GzipCompressor,
        lambda stored: igzip.IGzipFile(fileobj=stored),
    ),
    "zstd": _Codec(
        "application/zstd",
        zstd.DEFAULT_LEVEL,
        zstd.ZstdCompressor,
        zstd.opened,
    ),
}


def compressed(inner: Format, compression: str, level: int | None = None) -> Format:
    """Return a text format whose objects are compressed; the format itself where `compression` is empty.

    Args:
        inner: the format.
        compression: `gzip`, `zstd`, or nothing.
        level: how hard the codec tries; None is its default.
    """
    if not compression:
        return inner
    codec = _CODECS[compression]
    make = partial(codec.compressor, level or codec.default_level)
    return Compressed(inner, content_type=codec.content_type, compressor=make)


def opened(stored: BinaryIO, compression: str) -> BinaryIO:
    """Return a file of what a compressed object holds; the object itself where `compression` is empty."""
    return _CODECS[compression].opened(stored) if compression else stored
