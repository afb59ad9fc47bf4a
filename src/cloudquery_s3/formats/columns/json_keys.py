"""JSON text with its object keys rewritten for Athena, and nothing else lost.

Source: docs/compatibility.md, "File contents": what the reference loses on the way.
"""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple, NoReturn

import msgspec
import orjson

from cloudquery_s3.formats.columns.key_search import plain_key
from cloudquery_s3.formats.text.json_cells import without_half_surrogates

ODD_NUMBER: Final = r"(?:^|[:\[,])\s*(?:-0|-?[0-9]+[.eE]|-?[0-9]{19})"
"""Found (by RE2) in every document with a number whose text a parser may change, and in some others."""

_SEPARATORS_LEAD: Final = 0xE2
_SEPARATORS: Final = (("\u2028".encode(), b"\\u2028"), ("\u2029".encode(), b"\\u2029"))


class NotJsonError(ValueError):
    """The text is no JSON document, or nests deeper than can be followed."""


class Rewritten(NamedTuple):
    """What became of a document.

    Attributes:
        text: compact JSON, keys sorted.
        renamed: whether a key is another than before.
        dropped: how many values had to go, because another has their key now.
        mended: whether half of a surrogate pair had to be replaced.
    """

    text: bytes
    renamed: bool = False
    dropped: int = 0
    mended: bool = False


def rewritten(
    document: bytes, *, odd_keys: bool = True, alike_keys: bool = True, odd_numbers: bool = True
) -> Rewritten:
    """Return a JSON document with plain keys.

    Numbers keep their text, strings their characters (but a lone surrogate, which UTF-8 cannot hold, becomes U+FFFD).
    Where several keys of an object become one, or differ in case alone, the key that was so from the start wins, else
    the last in the document; among several such keys the last.

    Args:
        document: UTF-8.
        odd_keys: False promises that no key needs rewriting (`key_flags`); this only saves time.
        alike_keys: False promises that no two of its keys become one, or differ in case alone; likewise.
        odd_numbers: False promises that `ODD_NUMBER` is not found in it; likewise.

    Raises:
        NotJsonError: it is none.
    """
    if odd_numbers:
        return _rewritten_exactly(document)
    try:
        value = orjson.loads(document)
        text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
        renamed = False
        if odd_keys:
            plain = orjson.dumps(_renamed(value), option=orjson.OPT_SORT_KEYS)
            text, renamed = plain, plain != text
    except (orjson.JSONDecodeError, orjson.JSONEncodeError, RecursionError):
        return _rewritten_exactly(document)
    # parsing drops what a later equal key replaces: a text as long as before tells that nothing went
    whole = len(text) == len(document) or len(text) == len(msgspec.json.format(document, indent=-1))
    if whole and not (alike_keys and _has_keys_of_two_cases(text)):
        return Rewritten(_escaped(text), renamed)
    return _rewritten_exactly(document)


def _has_keys_of_two_cases(text: bytes) -> bool:
    """Tell whether keys of an object differ in case alone: then the document in small letters has fewer of them."""
    small = text.lower()
    return small != text and len(orjson.dumps(orjson.loads(small))) != len(text)


def _renamed(value: Any) -> Any:
    """Return a parsed value with plain keys; of colliding keys the last wins."""
    if type(value) is dict:
        return {plain_key(key): _renamed(item) for key, item in value.items()}
    if type(value) is list:
        return [_renamed(item) if type(item) in (dict, list) else item for item in value]
    return value


def _rewritten_exactly(document: bytes) -> Rewritten:
    keys = _Keys()
    mended = without_half_surrogates(document)
    try:
        value = json.loads(
            mended.decode(),
            object_pairs_hook=keys.merged,
            parse_int=orjson.Fragment,
            parse_float=orjson.Fragment,
            parse_constant=_no_constant,
        )
        text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except (ValueError, TypeError, RecursionError) as error:
        raise NotJsonError("not JSON, or nested too deeply") from error
    return Rewritten(_escaped(text), keys.renamed, keys.dropped, mended != document)


class _Keys:
    """Makes the objects of one document, and keeps account of their keys."""

    def __init__(self) -> None:
        self.renamed = False
        self.dropped = 0

    def merged(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, tuple[bool, str, Any]] = {}
        for key, value in pairs:
            plain = plain_key(key)
            exact = key == plain
            self.renamed |= not exact
            if exact or not found.get(plain.lower(), (False,))[0]:
                found[plain.lower()] = (exact, plain, value)
        self.dropped += len(pairs) - len(found)
        return {plain: value for _, plain, value in found.values()}


def _no_constant(name: str) -> NoReturn:
    raise NotJsonError(f"{name} is no JSON number")


def _escaped(text: bytes) -> bytes:
    if _SEPARATORS_LEAD not in text:  # one byte is looked for much faster than several
        return text
    for separator, escape in _SEPARATORS:
        if separator in text:
            text = text.replace(separator, escape)
    return text
