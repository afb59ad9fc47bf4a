"""The digests that go with a body, as S3 writes them."""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Final

from isal import isal_zlib

from cloudquery_s3.committed import Checksum

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cloudquery_s3.stores.body import Body

_OF_DIGESTS: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "CRC32": lambda digests: isal_zlib.crc32(digests).to_bytes(4, "big"),
    "SHA256": lambda digests: hashlib.sha256(digests).digest(),
}


def crc32_checksum(body: Body) -> Checksum:
    """Return a body's CRC-32."""
    return Checksum("CRC32", b64encode(body.crc32).decode(), "FULL_OBJECT")


def sha256_checksum(body: Body) -> Checksum:
    """Return a body's SHA-256."""
    return Checksum("SHA256", b64encode(body.sha256).decode(), "FULL_OBJECT")


def composite_checksum(parts: Sequence[Checksum]) -> Checksum:
    """Return the checksum of an object of these parts, in their order: one or more, of one algorithm.

    It is the digest of the parts' digests, followed by `-` and their number, as S3 computes it.
    """
    algorithm = parts[0].algorithm
    digest = _OF_DIGESTS[algorithm](b"".join(b64decode(part.value) for part in parts))
    return Checksum(algorithm, f"{b64encode(digest).decode()}-{len(parts)}", "COMPOSITE")
