from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudquery_s3.writer.rotation import Cut, RotationPolicy


def objects(policy: RotationPolicy, batches: list[tuple[int, int]]) -> list[list[int]]:
    """The row numbers of each object that these (rows, bytes) batches end in; the last one may be open."""
    done: list[list[int]] = []
    held: list[int] = []
    held_bytes = first = 0
    for rows, size_bytes in batches:
        row_bytes = max(1, size_bytes // rows)
        for cut in policy.split(rows=rows, size_bytes=size_bytes, held_rows=len(held), held_bytes=held_bytes):
            held += range(first + cut.start, first + cut.start + cut.rows)
            held_bytes += size_bytes if cut.rows == rows else cut.rows * row_bytes
            if cut.closes:
                done.append(held)
                held, held_bytes = [], 0
        first += rows
    return [*done, held] if held else done


sizes = st.lists(st.tuples(st.integers(1, 50), st.integers(0, 5000)), max_size=30)
policies = st.builds(RotationPolicy, max_rows=st.integers(-1, 60), max_bytes=st.integers(-1, 4000))


@given(policies, sizes)
def test_no_row_is_lost_repeated_or_reordered(policy: RotationPolicy, batches: list[tuple[int, int]]) -> None:
    """The objects, one after another, are the rows that came, each once and in order."""
    rows = [row for one in objects(policy, batches) for row in one]
    assert rows == list(range(sum(rows for rows, _ in batches)))


@given(policies, sizes)
def test_no_object_is_empty_or_too_long(policy: RotationPolicy, batches: list[tuple[int, int]]) -> None:
    """Each object has a row, and no more rows than the limit."""
    for one in objects(policy, batches):
        assert one
        assert policy.max_rows <= 0 or len(one) <= policy.max_rows


@given(sizes)
def test_without_limits_nothing_ends(batches: list[tuple[int, int]]) -> None:
    """Without limits all rows are in one object."""
    assert len(objects(RotationPolicy(0, 0), batches)) <= 1


def test_reference_example() -> None:
    """Three rows an object, batches of 2, 2, 7 and 1 rows: the objects that the reference makes."""
    made = objects(RotationPolicy(3, 0), [(2, 16), (2, 16), (7, 56), (1, 8)])
    assert made == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10, 11]]


def test_a_full_batch_ends_its_object_at_once() -> None:
    """Ten rows with a limit of ten close the object."""
    assert list(RotationPolicy(10, 0).split(rows=10, size_bytes=80, held_rows=0, held_bytes=0)) == [Cut(0, 10, True)]


def test_a_row_above_the_byte_limit_is_an_object_of_its_own() -> None:
    """Rows that are each larger than `batch_size_bytes` are written once each."""
    assert objects(RotationPolicy(0, 100), [(3, 900)]) == [[0], [1], [2]]


def test_rows_of_less_than_a_byte_do_not_crash() -> None:
    """A thousand booleans under a byte limit are cut, not divided by zero."""
    assert sum(map(len, objects(RotationPolicy(0, 50), [(1000, 125)]))) == 1000


@pytest.mark.parametrize(("held_rows", "expected"), [(0, [Cut(0, 2, False)]), (9, [Cut(0, 1, True), Cut(1, 1, False)])])
def test_cuts(held_rows: int, expected: list[Cut]) -> None:
    """What fits goes into the open object; the rest opens the next."""
    cuts = RotationPolicy(10, 0).split(rows=2, size_bytes=16, held_rows=held_rows, held_bytes=8 * held_rows)
    assert list(cuts) == expected
