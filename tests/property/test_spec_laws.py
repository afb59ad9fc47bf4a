from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from cloudquery_s3.errors import SpecError
from cloudquery_s3.spec import Credentials, CsvSpec, ParquetSpec, ServerSideEncryption, Spec
from cloudquery_s3.spec.aws_options import MIN_PART_SIZE
from cloudquery_s3.spec.duration import duration_s
from cloudquery_s3.spec.model import Options
from cloudquery_s3.spec.option import fields_of
from cloudquery_s3.spec.schema import json_schema
from specs import INVOCATION_ID, written

VALIDATOR = Draft202012Validator(json.loads(json_schema()))
UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
JUDGED_LATER = {"endpoint", "content_type"}
"""What the schema cannot say."""

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(
        ["csv", "json", "parquet", "gzip", "1s", "0s", "AES256", "aws:kms", "{{TABLE}}", "http://h", "v2.4"]
    )
)
nested = (CsvSpec, ParquetSpec, Credentials, ServerSideEncryption)
nested_keys = st.sampled_from([name for model in nested for name in fields_of(model)]) | st.text(max_size=5)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(nested_keys, inner, max_size=4), max_leaves=6
)
keys = st.sampled_from([*fields_of(Options), "Bucket", "PATH", "batch_sizes"]) | st.text(max_size=8)
documents = st.dictionaries(keys, values, max_size=10)


def outcome(data: bytes) -> Spec | SpecError:
    """Return a spec, or what is wrong with it."""
    try:
        return Spec.parse(data, invocation_id=INVOCATION_ID)
    except SpecError as error:
        return error


@given(st.binary(max_size=80) | values.map(lambda value: json.dumps(value).encode()))
def test_parse_is_total_on_anything(data: bytes) -> None:
    """Any bytes are a spec or a SpecError."""
    outcome(data)


@given(documents)
def test_parse_is_total_near_specs(changes: dict[str, Any]) -> None:
    """Any change of a spec is a spec or a SpecError, and a spec keeps what it promises."""
    spec = outcome(json.dumps(written() | changes).encode())
    if isinstance(spec, SpecError):
        assert str(spec).isprintable()
    else:
        assert spec.max_retries >= 1
        assert spec.part_size >= MIN_PART_SIZE
        assert min(spec.batch_size, spec.batch_size_bytes, spec.batch_timeout_s) >= 0
        assert "{{TABLE" in spec.path
        assert all(warning.isprintable() for warning in spec.warnings)
        assert repr(spec)


@given(st.dictionaries(st.sampled_from(list(fields_of(Options))), values, max_size=4))
def test_the_schema_is_stricter(changes: dict[str, Any]) -> None:
    """What the schema accepts a sync accepts too, but for texts that only the run can judge.

    The schema takes 1.0 for a whole number, a sync does not, and the CLI never sends it: fractions stay out.
    """
    fractions_as_null: Any = {"parse_float": lambda _: None, "parse_constant": lambda _: None}
    document = json.loads(json.dumps(written() | changes), **fractions_as_null)
    if VALIDATOR.is_valid(document):
        spec = outcome(json.dumps(document).encode())
        assert isinstance(spec, Spec) or spec.field in JUDGED_LATER


def slow_duration(text: str) -> Fraction | None:
    """Return nanoseconds, read letter by letter."""
    sign, rest = (-1 if text[:1] == "-" else 1), text.removeprefix(text[:1] if text[:1] in ("+", "-") else "")
    if rest == "0":
        return Fraction(0)
    total, found = Fraction(0), False
    while rest:
        whole = len(rest) - len(rest.lstrip("0123456789"))
        number, rest = rest[:whole], rest[whole:]
        fraction = ""
        if rest[:1] == ".":
            places = len(rest[1:]) - len(rest[1:].lstrip("0123456789"))
            fraction, rest = rest[1 : 1 + places], rest[1 + places :]
        letters = next((place for place, letter in enumerate(rest) if letter in ".0123456789"), len(rest))
        unit, rest = rest[:letters], rest[letters:]
        if not number + fraction or unit not in UNITS:
            return None
        total += (Fraction(int(number or "0")) + Fraction(int(fraction or "0"), 10 ** len(fraction))) * UNITS[unit]
        found = True
    return sign * total if found else None


durations = st.lists(
    st.sampled_from([*UNITS, *"0123456789", "10", ".", "-", "+", " ", "d", "1h", "2.5s", "x"]), max_size=7
).map("".join)


@given(durations)
def test_durations_agree_with_a_slow_twin(text: str) -> None:
    """The grammar of durations is that of a reader that goes letter by letter."""
    expected = slow_duration(text)
    try:
        seconds = duration_s(text)
    except ValueError:
        assert expected is None or abs(expected) >= 2**63
    else:
        assert expected is not None
        assert abs(Fraction(seconds) - expected / 10**9) <= Fraction(1, 10**9) + abs(expected) / 10**23


@given(st.lists(st.tuples(st.integers(0, 999), st.sampled_from(list(UNITS))), min_size=1, max_size=5), st.booleans())
def test_durations_add_up(terms: list[tuple[int, str]], negative: bool) -> None:
    """A duration is the sum of its terms, with its sign."""
    text = ("-" if negative else "") + "".join(f"{number}{unit}" for number, unit in terms)
    total = sum(number * UNITS[unit] for number, unit in terms) * (-1 if negative else 1)
    assert duration_s(text) == total / 1e9
