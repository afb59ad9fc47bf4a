from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from cloudquery_s3.writer.sizes import LEAST_PIECE_SIZE, SizeEstimate, next_piece

SIZES = st.integers(1 << 20, 1 << 30)
RATIOS = st.floats(0.02, 20.0)


def known(ratio: float) -> SizeEstimate:
    """An estimate that has seen much, all of one ratio."""
    estimate = SizeEstimate()
    for _ in range(2):
        estimate.observe(1 << 36, int(ratio * (1 << 36)))
    return estimate


def pieces_of_one(size: int, estimate: SizeEstimate, ratios: list[float]) -> list[int]:
    """The encoded pieces of an object whose rows become as many bytes as these ratios say, in turn."""
    encoded: list[int] = []
    for ratio in itertools.cycle(ratios):
        plan = next_piece(size, estimate, encoded_bytes=sum(encoded), encoding_arrow_bytes=0)
        assert plan is not None
        if plan.arrow_bytes:
            encoded.append(int(plan.arrow_bytes * ratio))
            estimate.observe(plan.arrow_bytes, encoded[-1])
        if plan.last:
            break
    return encoded


@given(SIZES, RATIOS)
def test_an_object_of_even_rows_has_its_size(size: int, ratio: float) -> None:
    """Where all rows are alike, an object is within -10 % and +15 %, of at most 16 pieces, none below 8 MiB."""
    pieces = pieces_of_one(size, known(ratio), [ratio])
    assert 0.9 * size <= sum(pieces) <= 1.15 * size
    assert len(pieces) <= 16
    if len(pieces) > 1:
        assert min(pieces) >= max(LEAST_PIECE_SIZE, size // 16)


@given(st.integers(64 << 20, 1 << 30), RATIOS, st.lists(st.floats(0.75, 1.3), min_size=1, max_size=16))
def test_uneven_rows_are_made_up_for(size: int, ratio: float, factors: list[float]) -> None:
    """Where rows change by a quarter from piece to piece, the pieces that follow make up for it."""
    pieces = pieces_of_one(size, known(ratio), [ratio * factor for factor in factors])
    assert 0.9 * size <= sum(pieces) <= 1.15 * size


@given(SIZES, RATIOS, st.integers(0, 1 << 30))
def test_a_last_piece_is_not_planned_in_doubt(size: int, ratio: float, encoding: int) -> None:
    """An object whose pieces came out otherwise than foretold does not end before most of it is encoded."""
    estimate = SizeEstimate()
    estimate.observe(1 << 20, int(ratio * (1 << 20)) + 1)
    estimate.observe(1 << 20, int(ratio * (1 << 21)) + 1)
    plan = next_piece(size, estimate, encoded_bytes=0, encoding_arrow_bytes=encoding)
    assert plan is None or not plan.last or encoding == 0


def test_what_is_not_known_is_tried_first() -> None:
    """Without any knowledge a small sample comes first, then one of a quarter of a piece; then nothing more."""
    estimate = SizeEstimate()
    plan = next_piece(8 << 20, estimate, encoded_bytes=0, encoding_arrow_bytes=0)
    assert plan is not None
    assert plan.sample_bytes == plan.arrow_bytes == (8 << 20) // 16
    estimate.observe(plan.sample_bytes, plan.sample_bytes // 4)
    plan = next_piece(8 << 20, estimate, encoded_bytes=0, encoding_arrow_bytes=0)
    assert plan is not None
    assert plan.sample_bytes == plan.arrow_bytes // 4
    estimate.trying(plan.sample_bytes)
    plan = next_piece(8 << 20, estimate, encoded_bytes=0, encoding_arrow_bytes=0)
    assert plan is not None
    assert plan.sample_bytes == 0


@given(st.lists(st.tuples(st.integers(-5, 1 << 30), st.integers(-5, 1 << 30)), max_size=20))
def test_the_ratio_is_one_that_was_seen(seen: list[tuple[int, int]]) -> None:
    """The ratio lies between the smallest and the largest that were seen; nothing is divided by zero."""
    estimate = SizeEstimate()
    for arrow_bytes, encoded_bytes in seen:
        estimate.observe(arrow_bytes, encoded_bytes)
    ratios = [encoded / arrow for arrow, encoded in seen if arrow > 0 and encoded > 0]
    if not ratios:
        assert estimate.ratio is None
    else:
        assert estimate.ratio is not None
        assert min(ratios) * 0.999 <= estimate.ratio <= max(ratios) * 1.001


def test_a_partition_begins_with_what_its_table_knows() -> None:
    """A partition without objects goes by its table's, and tells the table of its own."""
    table = SizeEstimate()
    one, two = SizeEstimate(table), SizeEstimate(table)
    one.observe(100, 50)
    assert (table.ratio, two.ratio) == (0.5, 0.5)
    two.observe(100, 10)
    assert (one.ratio, two.ratio) == (0.5, 0.1)
