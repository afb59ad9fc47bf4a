"""Why an address cannot be listened at, and what to do."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_OVER_UNIX: Final[Mapping[int | None, str]] = {
    errno.ENOENT: "there is no folder {place}; create it, or have TMPDIR name one that exists when the CLI starts",
    errno.EACCES: "this user cannot write to the folder {place}; choose another, or another TMPDIR for the CLI",
    errno.EROFS: "the folder {place} cannot be written to; choose another, or another TMPDIR for the CLI",
    errno.EADDRINUSE: "another process listens there, or it is no socket; choose another {flag}",
    None: "{error}; choose a shorter {flag}, or a shorter TMPDIR for the CLI",  # Python itself, of a long path
}
_OVER_TCP: Final[Mapping[int | None, str]] = {
    errno.EACCES: "this user may not listen at that port; choose one above 1023 in {flag}",
    errno.EADDRINUSE: "another process listens there; stop it, or choose another {flag}",
    errno.EADDRNOTAVAIL: "this machine does not have that address; correct {flag}",
    None: "this machine does not have that address; correct {flag}",  # asyncio itself, of the same from 3.13 on
}


def advice(flag: str, address: str, error: Exception, *, unix: bool = False) -> str:
    """Return what is wrong with the address that a flag gives, and what to do; `unix`: it is a socket's path."""
    known = _OVER_UNIX if unix else _OVER_TCP
    text = known.get(error.errno) if isinstance(error, OSError) else None
    place = os.path.dirname(address) or "."  # noqa: PTH120 -- a Path would make `./x` of `x`
    return (text or "{error}; correct {flag}").format(place=place, error=error, flag=flag)
