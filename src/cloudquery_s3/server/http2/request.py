"""A request's head.

Source: RFC 9113, sections 8.2 and 8.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_PSEUDO: Final = frozenset({b":method", b":scheme", b":path", b":authority"})
_REQUIRED: Final = (b":method", b":scheme", b":path")
_OF_CONNECTIONS: Final = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"}
)


class MalformedError(Exception):
    """The headers are not such as HTTP/2 allows."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asks for.

    Attributes:
        method: such as `POST`.
        path: such as `/service/method`.
        headers: all other headers, by name; of a repeated one the first.
    """

    method: str
    path: str
    headers: dict[str, str]

    @classmethod
    def of(cls, fields: Iterable[tuple[bytes, bytes]]) -> Request:
        """Return the request that these header fields describe.

        Raises:
            MalformedError: they are not a request's.
        """
        pseudo: dict[bytes, bytes] = {}
        headers: dict[str, str] = {}
        for name, value in fields:
            if name.startswith(b":"):
                if headers or name in pseudo or name not in _PSEUDO:
                    raise MalformedError(f"pseudo-header {_shown(name)} is unknown, repeated, or after other headers")
                pseudo[name] = value
            else:
                _require_plain(name, value)
                headers.setdefault(_shown(name), _shown(value))
        if not all(pseudo.get(name) for name in _REQUIRED):
            raise MalformedError("a request needs :method, :scheme and :path")
        return cls(_shown(pseudo[b":method"]), _shown(pseudo[b":path"]), headers)


def require_trailers(fields: Iterable[tuple[bytes, bytes]]) -> None:
    """Return if these are header fields that may stand behind a request's body.

    Raises:
        MalformedError: they are not.
    """
    for name, value in fields:
        if name.startswith(b":"):
            raise MalformedError("trailers have a pseudo-header")
        _require_plain(name, value)


def _require_plain(name: bytes, value: bytes) -> None:
    if name != name.lower():
        raise MalformedError(f"header {_shown(name)} is not in lower case")
    if name in _OF_CONNECTIONS or (name == b"te" and value != b"trailers"):
        raise MalformedError(f"header {_shown(name)} is about a connection, which HTTP/2 does not allow")


def _shown(octets: bytes) -> str:
    return octets.decode("latin-1")
