from __future__ import annotations

import pytest

from cloudquery_s3.errors import SpecError
from cloudquery_s3.spec.duration import duration_s
from specs import parsed


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1ns", 1e-9),
        ("20s", 20.0),
        ("-50m30s", -3030.0),
        ("0", 0.0),
        ("-0", 0.0),
        ("0s", 0.0),
        ("+5s", 5.0),
        ("1.5h", 5400.0),
        (".5s", 0.5),
        ("1.s", 1.0),
        ("1h1m1s1ms1us1ns", 3661.001001001),
        ("3µs", 3e-6),
        ("3μs", 3e-6),
        ("1s1h1s", 3602.0),
        ("2562047h47m16.854775807s", 9223372036.854775807),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    """Go's durations have the length that Go gives them."""
    assert duration_s(text) == pytest.approx(seconds, rel=1e-15)


@pytest.mark.parametrize(
    "text",
    ["", "1", "s", ".s", "-", "1d", "1S", "1 s", " 1s", "1s ", "1s\n", "PT1S", "1.2.3s", "--1s", "1e3s", "\u0661s"],
)
def test_not_durations(text: str) -> None:
    """What Go does not read as a duration is refused with an example of one."""
    with pytest.raises(ValueError, match="is not a duration; write a number and a unit"):
        duration_s(text)


@pytest.mark.parametrize("text", ["2562048h", "9223372036854775808ns", "9" * 100 + "ns"])
def test_too_long(text: str) -> None:
    """A duration beyond 64 bits of nanoseconds is refused."""
    with pytest.raises(ValueError, match="is too long"):
        duration_s(text)


def test_in_a_spec() -> None:
    """A wrong batch_timeout is reported as that field's, before anything else that is wrong."""
    with pytest.raises(SpecError, match=r"^batch_timeout: is not a duration"):
        parsed(batch_timeout="1 minute", bucket="")
