"""Bytes as text: base64, UUIDs and MAC addresses."""

from __future__ import annotations

import binascii
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pybase64

from cloudquery_s3.formats.text.buffers import (
    Octets,
    empty_text,
    fixed,
    is_wide,
    memory,
    spans,
    text,
    text_of_rows,
    valid_flags,
    validity,
)

UUID_BYTES: Final = 16
_UUID_GROUPS: Final = ((0, 8, 0), (8, 12, 9), (12, 16, 14), (16, 20, 19), (20, 32, 24))
_UUID_CHARS: Final = 36
_DASH: Final = ord("-")
_EQUALS: Final = ord("=")
_COLON: Final = ord(":")
_EMPTY_MAC: Final = "00:00:00:00:00:00"


def base64_text(cells: pa.Array) -> pa.Array:
    """Return standard, padded base64 of `binary`, `large_binary` or `fixed_size_binary` cells."""
    if not len(cells):
        return empty_text()
    valid = validity(cells)
    if pa.types.is_fixed_size_binary(cells.type):
        cells = cells.cast(pa.binary())
    kind = pa.large_binary() if is_wide(cells.type) else pa.binary()
    padding = pa.array([b"", b"\0\0", b"\0"], kind)
    filled = cells.fill_null(b"") if cells.null_count else cells
    # each cell is padded to a multiple of three, so that one call encodes all; the padding's own letters become "="
    remainder = np.diff(spans(filled)[0]) % 3
    ragged = bool(remainder.any())
    padded = (
        pc.binary_join_element_wise(filled, padding.take(pa.array(remainder)), pa.scalar(b"", kind))
        if ragged
        else filled
    )
    offsets, octets = spans(padded)
    encoded = np.frombuffer(pybase64.b64encode(memory(octets)), np.uint8)
    ends = offsets.astype(np.int64) // 3 * 4
    if ragged:
        encoded = encoded.copy()
        encoded[ends[1:][remainder > 0] - 1] = _EQUALS
        encoded[ends[1:][remainder == 1] - 2] = _EQUALS
    return text(ends, encoded, valid)


def uuid_text(cells: pa.Array) -> pa.Array:
    """Return the canonical lower-case form of `fixed_size_binary(16)` cells."""
    if not len(cells):
        return empty_text()
    letters = _hex(fixed(cells, UUID_BYTES)).reshape(len(cells), 2 * UUID_BYTES)
    rows = np.full((len(cells), _UUID_CHARS), _DASH, np.uint8)
    for start, stop, to in _UUID_GROUPS:
        rows[:, to : to + stop - start] = letters[:, start:stop]
    return text_of_rows(rows, validity(cells))


def mac_text(cells: pa.Array, *, empty: str = _EMPTY_MAC) -> pa.Array:
    """Return `binary` cells of any length as `aa:bb:..`; an empty one as `empty`, which JSON has as ""."""
    if not len(cells):
        return empty_text()
    valid = validity(cells)
    filled = cells.fill_null(b"") if cells.null_count else cells
    offsets, octets = spans(filled)
    rows = np.full((len(octets), 3), _COLON, np.uint8)
    rows[:, :2] = _hex(octets).reshape(-1, 2)
    keep = np.ones(rows.shape, np.bool_)
    lengths = np.diff(offsets.astype(np.int64))
    last = offsets[1:][lengths > 0] - 1
    keep[last, 2] = False
    ends = np.zeros(len(cells) + 1, np.int64)
    np.cumsum(np.maximum(lengths * 3 - 1, 0), out=ends[1:])
    letters = text(ends, rows[keep], valid)
    blank = (lengths == 0) & valid_flags(cells)
    return pc.replace_with_mask(letters, pa.array(blank), pa.scalar(empty, letters.type)) if blank.any() else letters


def _hex(octets: Octets) -> Octets:
    return np.frombuffer(binascii.hexlify(memory(octets)), np.uint8)
