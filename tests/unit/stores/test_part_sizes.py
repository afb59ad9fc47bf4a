from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cloudquery_s3.stores.multipart import MAX_PART_BYTES, MAX_PARTS, part_bytes

MIN_PART_BYTES = 5 * 1024**2
FIRST_BYTES = st.integers(MIN_PART_BYTES, MAX_PART_BYTES)


@given(FIRST_BYTES)
def test_all_parts_together_reach_what_s3_holds(first_bytes: int) -> None:
    """10,000 parts of any allowed first size hold more than 5 TiB."""
    assert sum(part_bytes(number, first_bytes) for number in range(1, MAX_PARTS + 1)) > 5 * 1024**4


@given(FIRST_BYTES, st.integers(1, MAX_PARTS - 1))
def test_every_part_is_one_that_s3_takes(first_bytes: int, number: int) -> None:
    """Every part is between S3's limits, and none is smaller than the one before it."""
    size = part_bytes(number, first_bytes)
    assert MIN_PART_BYTES <= size <= MAX_PART_BYTES
    assert part_bytes(number + 1, first_bytes) >= size


def test_parts_stay_small_for_a_long_time() -> None:
    """The first 4 GiB go up in parts of the configured size: memory does not grow with ordinary objects."""
    assert {part_bytes(number, MIN_PART_BYTES) for number in range(1, 820)} == {MIN_PART_BYTES}
