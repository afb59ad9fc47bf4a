"""JSON text back into columns of any core type; each value stays text until its type is known.

So a 64-bit number keeps its digits, and JSON inside of JSON its spelling.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec
import numpy as np
import pyarrow as pa
from pyarrow import types

from cloudquery_s3.formats.columns.conversion import is_list_like
from cloudquery_s3.formats.reading.cells import from_text
from cloudquery_s3.formats.reading.columns import listed, validity_of
from cloudquery_s3.formats.text.nested import mark_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Raw: TypeAlias = bytes | None
"""A JSON value as it is spelled, None for `null`."""

_OBJECT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_LIST: Final = msgspec.json.Decoder(list[msgspec.Raw])
_TEXTS: Final = msgspec.json.Decoder(list[str | None])
_SCANNER: Final = json.JSONDecoder(parse_int=str, parse_float=str)


def members(text: bytes) -> dict[str, Raw]:
    """Return the members of a JSON object; the last of one name counts.

    Raises:
        ValueError: it is none.
    """
    try:
        return {name: _raw(bytes(value)) for name, value in _OBJECT.decode(text).items()}
    except msgspec.DecodeError:
        found = _scanned(text, "{", "}")
        return {json.loads(key): _raw(value.encode()) for key, value in zip(found[::2], found[1::2], strict=True)}


def elements(text: bytes) -> list[Raw]:
    """Return the elements of a JSON list.

    Raises:
        ValueError: it is none.
    """
    try:
        return [_raw(bytes(value)) for value in _LIST.decode(text)]
    except msgspec.DecodeError:
        return [_raw(value.encode()) for value in _scanned(text, "[", "]")]


def column(field: pa.Field, raws: Sequence[Raw]) -> pa.Array:
    """Return JSON values as an array of the field's type, which is one of the core (`normalise`).

    Raises:
        pyarrow.ArrowException, ValueError, TypeError: a value is not what that type is written as.
    """
    kind, mark = field.type, mark_of(field)
    if mark == "json":
        return pa.array(raws, kind if types.is_large_binary(kind) else pa.binary()).cast(kind, safe=False)
    if mark in ("inet", "mac") or types.is_string(kind) or types.is_large_string(kind):
        texts = _TEXTS.decode(b"[%b]" % b",".join(b"null" if raw is None else raw for raw in raws))
        return from_text(pa.array(texts, pa.string()).cast(pa.binary()), field)
    if types.is_struct(kind):
        return _struct(kind, raws)
    if types.is_map(kind):
        entries = pa.field("entries", pa.struct([kind.key_field, kind.item_field]), nullable=False)
        return _lists(kind, entries, raws)
    if is_list_like(kind):
        return _lists(kind, kind.value_field, raws)
    bare = [raw[1:-1] if raw is not None and raw.startswith(b'"') else raw for raw in raws]
    return from_text(pa.array(bare, pa.binary()), field)


def _struct(kind: pa.StructType, raws: Sequence[Raw]) -> pa.Array:
    objects = [{} if raw is None else members(raw) for raw in raws]
    children = [column(child, [one.get(child.name) for one in objects]) for child in kind]
    return pa.Array.from_buffers(kind, len(raws), [validity_of(_valid(raws))], children=children)


def _lists(kind: pa.DataType, element: pa.Field, raws: Sequence[Raw]) -> pa.Array:
    lists = [[] if raw is None else elements(raw) for raw in raws]
    lengths = np.fromiter(map(len, lists), np.int64, len(lists))
    return listed(kind, lengths, _valid(raws), column(element, [raw for one in lists for raw in one]))


def _valid(raws: Sequence[Raw]) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.fromiter((raw is not None for raw in raws), np.bool_, len(raws))


def _raw(value: bytes) -> Raw:
    return None if value == b"null" else value


def _scanned(text: bytes, opening: str, closing: str) -> list[str]:
    """Return what stands between commas and colons in a list or object, for what msgspec refuses.

    That is an escaped half of a surrogate pair: the standard library reads it.
    """
    letters = text.decode().strip()
    if letters[:1] != opening or letters[-1:] != closing:
        raise ValueError(f"no JSON value in {opening}{closing}")
    found: list[str] = []
    at, end = 1, len(letters) - 1
    scan: Callable[[str, int], tuple[Any, int]] = _SCANNER.raw_decode
    while at < end:
        if letters[at] in ",: \t\r\n":
            at += 1
            continue
        begin = at
        _, at = scan(letters, begin)
        found.append(letters[begin:at])
    return found
