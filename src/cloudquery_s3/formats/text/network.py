"""IP networks as CloudQuery's `inet` columns hold them: text in bytes."""

from __future__ import annotations

import ipaddress
import re
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

BAD_INET: Final = "a network address that does not parse is written as it is"
_BYTE: Final = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_NORMAL_V4: Final = rf"^{_BYTE}\.{_BYTE}\.{_BYTE}\.{_BYTE}/(3[0-2]|[12]?[0-9])$"
_PREFIX: Final = re.compile(r"[0-9]{1,9}", re.ASCII)
_EMPTY: Final = b"0.0.0.0/0"
_V4_BITS: Final = 32
_MAPPED_BITS: Final = 96


def inet_text(cells: pa.Array) -> tuple[pa.Array, int]:
    """Return `binary` or text cells as normalised CIDR, and how many of them could not be parsed.

    Host bits stay, IPv6 is compressed, an IPv4-mapped address becomes IPv4. A cell that does not parse is returned as
    it is, byte for byte, so the array may hold invalid UTF-8, as the input may; the reference fails the table:
    docs/compatibility.md, "File contents". An empty cell is `0.0.0.0/0`, as the reference has it.
    """
    octets = cells.cast(pa.large_binary() if pa.types.is_large_string(cells.type) else pa.binary(), safe=False)
    odd = pc.invert(pc.match_substring_regex(octets, _NORMAL_V4))
    if not pc.any(odd, min_count=0).as_py():
        return _as_text(octets), 0
    unique = octets.filter(odd).dictionary_encode()
    texts, bad = [], []
    for cell in unique.dictionary.to_pylist():
        normal = _normalised(cell)
        texts.append(cell if normal is None else normal)
        bad.append(normal is None)
    unparsable = pc.sum(pa.array(bad, pa.bool_()).take(unique.indices), min_count=0).as_py()
    replaced = pa.array(texts, octets.type).take(unique.indices)
    return _as_text(pc.replace_with_mask(octets, odd.fill_null(False), replaced)), unparsable  # noqa: FBT003 - a fill value


def _as_text(octets: pa.Array) -> pa.Array:
    kind = pa.large_string() if pa.types.is_large_binary(octets.type) else pa.string()
    return pa.Array.from_buffers(kind, len(octets), octets.buffers(), offset=octets.offset)


def _normalised(cell: bytes) -> bytes | None:
    if not cell:
        return _EMPTY
    try:
        address_text, slash, prefix = cell.decode("ascii").partition("/")
        if not slash or not _PREFIX.fullmatch(prefix) or "%" in address_text:
            return None
        address = ipaddress.ip_address(address_text)
    except ValueError:
        return None
    bits = int(prefix)
    if bits > address.max_prefixlen:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    if mapped is not None:
        return f"{mapped}/{max(bits - _MAPPED_BITS, 0)}".encode()
    return f"{address}/{bits}".encode()
