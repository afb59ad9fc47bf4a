from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from hypothesis import given
from hypothesis import strategies as st

from cloudquery_s3.formats.columns.json_keys import ODD_NUMBER, NotJsonError, Rewritten, rewritten
from cloudquery_s3.formats.columns.key_search import key_flags

ODD_LETTERS = st.sampled_from('ab_9-.é"\\/ \u2028\U0001f600\n:,{')
KEYS = st.text(st.one_of(ODD_LETTERS, st.sampled_from("abAB")), max_size=4)
NUMBERS = st.one_of(
    st.integers(),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.sampled_from(["-0", "1E5", "1e400", "0.10", "2.50", "9007199254740993", "-1E-7", "1234567890123456789"]),
).map(lambda number: f"\N{NULL}{number}\N{NULL}")
"""Marked, so that the text of a document can be put together with numbers spelled as they are here."""
LEAVES = st.one_of(st.none(), st.booleans(), NUMBERS, st.text(ODD_LETTERS, max_size=5))
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.lists(st.tuples(KEYS, inner), max_size=4).map(tuple)),
    max_leaves=12,
)
MARKED_NUMBER = re.compile(r'"\\u0000([^"\\]*)\\u0000"')


@st.composite
def documents(draw: st.DrawFn) -> bytes:
    """JSON text of any shape, with repeated and colliding keys, escaped or not, spaced or not."""
    value, ascii_only, spaced = draw(VALUES), draw(st.booleans()), draw(st.booleans())

    def text(item: Any) -> str:
        comma, colon = (", ", " : ") if spaced else (",", ":")
        if isinstance(item, tuple):
            return "{" + comma.join(f"{text(key)}{colon}{text(value)}" for key, value in item) + "}"
        if isinstance(item, list):
            return "[" + comma.join(map(text, item)) + "]"
        return json.dumps(item, ensure_ascii=ascii_only)

    return MARKED_NUMBER.sub(r"\1", text(value)).encode()


def plain(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The rule for keys, spelled out, whatever their case: a key that is plain already wins, else the last."""
    found: dict[str, tuple[str, Any]] = {}
    taken: set[str] = set()
    for key, value in pairs:
        name = re.sub("[^0-9A-Za-z_]", "_", key)
        if name == key or name.lower() not in taken:
            found[name.lower()] = (name, value)
        if name == key:
            taken.add(name.lower())
    return dict(found.values())


def parsed(document: bytes, **hooks: Any) -> Any:
    """Return a document's values with every number as its own text."""
    return json.loads(
        document, parse_float=lambda text: ("number", text), parse_int=lambda text: ("number", text), **hooks
    )


def found(pattern: str, document: bytes) -> bool:
    """Tell whether the pattern is found as `Athena` looks for it."""
    return bool(pc.match_substring_regex(pa.array([document]), pattern)[0].as_py())


@given(documents())
def test_only_keys_change(document: bytes) -> None:
    """Whatever the document: keys follow the rule, they are sorted, and each value is there with its very text."""
    text = rewritten(document).text
    assert parsed(text) == parsed(document, object_pairs_hook=plain)
    orders: list[list[str]] = []
    parsed(text, object_pairs_hook=lambda pairs: orders.append([key for key, _ in pairs]))
    assert all(keys == sorted(keys) for keys in orders)


@given(st.lists(st.one_of(st.none(), documents()), min_size=1, max_size=4), st.integers(0, 2))
def test_the_fast_way_is_the_exact_way(column: list[bytes | None], skipped: int) -> None:
    """What is skipped where a column's keys give no reason for it was not needed, whatever its other documents are."""
    cells = pa.array([*[b'{"x-y":"'] * skipped, *column], pa.large_binary()).slice(skipped)
    flags = key_flags(cells)
    for place, document in enumerate(column):
        if document is not None:
            fast = rewritten(
                document,
                odd_keys=bool(flags.odd[place]),
                alike_keys=bool(flags.alike[place]),
                odd_numbers=found(ODD_NUMBER, document),
            )
            assert fast == rewritten(document)


@given(documents())
def test_rewriting_twice_changes_nothing_more(document: bytes) -> None:
    """A rewritten document has nothing left to rewrite."""
    text = rewritten(document).text
    assert rewritten(text) == Rewritten(text)


@given(st.one_of(st.binary(max_size=20), documents().flatmap(lambda d: st.integers(0, len(d)).map(lambda n: d[:n]))))
def test_any_bytes_are_rewritten_or_refused(octets: bytes) -> None:
    """No bytes at all do anything else than give JSON or be refused as none."""
    try:
        json.loads(rewritten(octets, odd_numbers=found(ODD_NUMBER, octets)).text, parse_float=Decimal)
    except NotJsonError:
        return
