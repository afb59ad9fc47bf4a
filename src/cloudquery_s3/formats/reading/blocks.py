"""A text file in blocks of whole rows, so that it is never unpacked as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

BLOCK_BYTES: Final = 1 << 20


def blocks(file: BinaryIO, *, quotes: bool, block_bytes: int = BLOCK_BYTES) -> Iterator[bytes]:
    """Yield the file in order, in blocks that end where a row ends, of about `block_bytes` or one longer row.

    A row ends with a line feed; with `quotes`, only with one that stands outside of `"`, as in CSV.
    """
    held: list[bytes] = []
    inside = False
    while chunk := file.read(block_bytes):
        end, inside = _last_row_end(chunk, inside=inside, quotes=quotes)
        if end:
            yield b"".join((*held, chunk[:end]))
            held = []
        held.append(chunk[end:])
    if any(held):
        yield b"".join(held)


def _last_row_end(chunk: bytes, *, inside: bool, quotes: bool) -> tuple[int, bool]:
    """Return where the last row ends in a chunk, 0 if none does, and whether the chunk ends inside of quotes."""
    if not quotes:
        return chunk.rfind(b"\n") + 1, False
    ends_inside = within = inside ^ bool(chunk.count(b'"') % 2)
    end = len(chunk)
    while (at := chunk.rfind(b"\n", 0, end)) >= 0:
        within ^= bool(chunk.count(b'"', at, end) % 2)
        if not within:
            return at + 1, ends_inside
        end = at
    return 0, ends_inside
