"""How many bytes rows become, and where an object of a given size ends. Pure arithmetic: no clock, no data.

An object is encoded in pieces (a piece is a row group in Parquet), and how large a piece is shows only when it is
encoded. So each piece is planned in Arrow bytes, with what the pieces before have taught, and the last one fills what
is missing. Codecs return some of their bytes late, some hundred KiB at most: little beside `LEAST_PIECE_SIZE`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

LEAST_PIECE_SIZE: Final = 8 << 20
"""A piece has so many encoded bytes at least, where the object is large enough and memory allows it."""

_MOST_PIECES: Final = 16
_AIM: Final = 1.02
"""Between -10 % and +15 % is +2.5 %; the end of a file is not planned."""

_ENOUGH: Final = 0.06
"""A piece is not worth its row group that would fill up less than this part of an object."""

_LEAST_SAMPLE_BYTES: Final = 64 << 10
_MOST_SAMPLE_BYTES: Final = 1 << 20
_SAMPLE_PART: Final = 4
_UNKNOWN_ERROR: Final = 0.1
_MOST_ERROR: Final = 0.05
_FADING: Final = 0.5


class SizeEstimate:
    """The ratio of encoded bytes to Arrow bytes, learned from rows that were encoded.

    What was learned last counts most, and large pieces more than small ones. Until an estimate has learned something
    itself, it answers what `general` has learned, which hears of everything.

    Attributes:
        largest: Arrow bytes of the largest piece that was seen.
        tried: Arrow bytes of the largest sample that is being encoded, or was.
    """

    def __init__(self, general: SizeEstimate | None = None) -> None:
        self._general = general
        self._arrow_bytes = 0.0
        self._encoded_bytes = 0.0
        self._error = _UNKNOWN_ERROR
        self._largest = 0
        self._tried = 0

    @property
    def ratio(self) -> float | None:
        """Encoded bytes of one Arrow byte, more than 0; None where nothing is known."""
        if self._arrow_bytes:
            return self._encoded_bytes / self._arrow_bytes
        return self._general.ratio if self._general is not None else None

    @property
    def error(self) -> float:
        """By what part the ratio has missed pieces lately."""
        return self._error if self._arrow_bytes or self._general is None else self._general.error

    @property
    def largest(self) -> int:
        """Arrow bytes of the largest rows of which something was learned, or is being learned by a trial."""
        own = max(self._largest, self._tried)
        return max(own, self._general.largest) if self._general is not None else own

    def trying(self, arrow_bytes: int) -> None:
        """Note that so many rows are being encoded to learn from them."""
        self._tried = max(self._tried, arrow_bytes)
        if self._general is not None:
            self._general.trying(arrow_bytes)

    def observe(self, arrow_bytes: int, encoded_bytes: int) -> None:
        """Learn what rows have become; rows of no bytes teach nothing."""
        if arrow_bytes <= 0 or encoded_bytes <= 0:
            return
        if self._arrow_bytes:
            foretold = arrow_bytes * self._encoded_bytes / self._arrow_bytes
            self._error = max(abs(foretold - encoded_bytes) / encoded_bytes, self._error * _FADING)
        self._arrow_bytes = self._arrow_bytes * _FADING + arrow_bytes
        self._encoded_bytes = self._encoded_bytes * _FADING + encoded_bytes
        self._largest = max(self._largest, arrow_bytes)
        if self._general is not None:
            self._general.observe(arrow_bytes, encoded_bytes)


@dataclass(frozen=True, slots=True)
class NextPiece:
    """What an object should take next.

    Attributes:
        arrow_bytes: how many Arrow bytes; 0 where nothing is missing.
        last: whether the object ends behind it.
        sample_bytes: with so many of them, what they become is to be tried first; 0 where enough is known.
    """

    arrow_bytes: int
    last: bool
    sample_bytes: int


def next_piece(
    object_size: int, estimate: SizeEstimate, *, encoded_bytes: int, encoding_arrow_bytes: int
) -> NextPiece | None:
    """Return what an object should take next; None where that shows when the pieces before are encoded.

    Every piece but those of a smaller object has `LEAST_PIECE_SIZE` bytes at least, and a sixteenth of the object.

    Args:
        object_size: bytes that the object should have.
        estimate: of its table or partition.
        encoded_bytes: the object's encoded bytes.
        encoding_arrow_bytes: Arrow bytes of its pieces that are not encoded yet.
    """
    ratio = estimate.ratio
    if ratio is None:
        if encoding_arrow_bytes:
            return None
        sample = min(_MOST_SAMPLE_BYTES, max(_LEAST_SAMPLE_BYTES, object_size // _MOST_PIECES))
        return NextPiece(sample, last=False, sample_bytes=sample)
    aim = object_size * _AIM
    encoding_bytes = encoding_arrow_bytes * ratio
    missing = aim - encoded_bytes - encoding_bytes
    least = max(LEAST_PIECE_SIZE * (1 + _UNKNOWN_ERROR), aim / _MOST_PIECES)
    pieces = max(1, int(missing / least))
    last = pieces == 1
    if last and encoding_arrow_bytes and estimate.error * (max(0, missing) + encoding_bytes) > _MOST_ERROR * aim:
        return None
    if missing < _ENOUGH * aim:
        return NextPiece(0, last=True, sample_bytes=0)
    arrow_bytes = max(1, int(missing / pieces / ratio))
    sample = arrow_bytes // _SAMPLE_PART
    return NextPiece(arrow_bytes, last=last, sample_bytes=sample if estimate.largest < sample else 0)
