"""Which documents of a column have keys that Athena cannot read, found without parsing one."""

from __future__ import annotations

import functools
import re
from collections import Counter
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cloudquery_s3.formats.text.buffers import Flags, Octets, Offsets, spans

_QUOTE: Final = ord('"')
_COLON: Final = ord(":")
_BACKSLASH: Final = ord("\\")
_BLANKS: Final = np.isin(np.arange(256), list(b" \t\r\n"))
_SPACED_KEY: Final = r'"\s+:'
_OUTSIDE: Final = re.compile(r"[^0-9A-Za-z_]", re.ASCII)


class KeyFlags(NamedTuple):
    """What is known of the keys of each document of a column; either may be true of some where it need not be.

    Attributes:
        odd: whether one may have to be rewritten.
        alike: whether different keys may become one, or differ in case alone.
    """

    odd: Flags
    alike: Flags


@functools.lru_cache(maxsize=8192)
def plain_key(key: str) -> str:
    """Return a key as Athena reads it: each character other than an ASCII letter, digit or underscore becomes `_`."""
    return _OUTSIDE.sub("_", key)


def key_flags(documents: pa.Array) -> KeyFlags:
    """Return what the keys of `binary` or `large_binary` JSON are like; of text that is not JSON, anything.

    A key is what stands between two quotes, the second of which a colon follows. The distinct keys of a whole column
    are few, and only these are looked at one by one.
    """
    offsets, octets = spans(documents)
    unclear = np.zeros(len(documents), np.bool_)
    quotes = np.flatnonzero(octets == _QUOTE)
    if not len(quotes):
        return KeyFlags(unclear, unclear)
    unclear[_documents_of(quotes[octets.take(quotes - 1, mode="clip") == _BACKSLASH], offsets)] = True
    following = octets.take(quotes + 1, mode="clip")
    if _BLANKS.take(following).any():
        unclear |= pc.match_substring_regex(documents, _SPACED_KEY).fill_null(False).to_numpy(zero_copy_only=False)  # noqa: FBT003 - a fill value
    closing = np.flatnonzero(following == _COLON)
    closing = closing[closing > 0]
    places = quotes[closing]
    keys = _texts(quotes[closing - 1] + 1, places, octets).dictionary_encode()
    names = keys.dictionary.to_pylist()
    odd, alike = unclear, unclear.copy()
    numbers = keys.indices.to_numpy()
    for flags, chosen in zip((odd, alike), _judged(names), strict=True):
        if chosen.any():
            flags[_documents_of(places[chosen.take(numbers)], offsets)] = True
    return KeyFlags(odd, alike)


def _judged(names: list[bytes]) -> tuple[Flags, Flags]:
    """Return which of these distinct keys are odd, and which are like another one for Athena."""
    plain = [plain_key(name.decode(errors="replace")).encode() for name in names]
    times = Counter(name.lower() for name in plain)
    odd = [name != other for name, other in zip(names, plain, strict=True)]
    # an escaped letter may be any letter
    alike = [b"\\" in name or times[other.lower()] > 1 for name, other in zip(names, plain, strict=True)]
    return np.array(odd, np.bool_), np.array(alike, np.bool_)


def _documents_of(places: Offsets, offsets: Offsets) -> Offsets:
    """Return in which documents these bytes are."""
    return np.searchsorted(offsets, places, "right") - 1


def _texts(starts: Offsets, stops: Offsets, octets: Octets) -> pa.Array:
    """Return the texts at these places, which are in order and do not overlap."""
    bounds = np.empty(2 * len(starts) + 1, np.int64)
    bounds[:-1:2] = starts
    bounds[1::2] = stops
    bounds[-1] = len(octets)
    buffers = [None, pa.py_buffer(bounds), pa.py_buffer(octets)]
    every = pa.Array.from_buffers(pa.large_binary(), 2 * len(starts), buffers)
    return every.take(pa.array(np.arange(0, 2 * len(starts), 2)))
