"""Which destination a call is for: the one of the connection that called Init.

A destination belongs to the connection that called Init, and ends with it, or with Close; after Close that connection
alone may still read and write. A connection without an Init of its own (a state backend, a proxy that opens a
connection a call) is given the only destination that lives, and refused where there are several: rows never go where
somebody else's Init has pointed. See `docs/operations.md`, "Several syncs at once".
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from cloudquery_s3.server.rpc import RpcError, Status

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from cloudquery_s3.server.destination import Destination
    from cloudquery_s3.server.limits import Limits
    from cloudquery_s3.server.rpc import Call, Peer

log = logging.getLogger(__name__)

CLIENT_HEADER: Final = "x-client-connection"
"""A proxy's own name for the connection that a call came to it on."""

_PROXY_HEADERS: Final = frozenset({"forwarded", "via", "x-forwarded-for", "x-forwarded-proto", "x-real-ip"})

_SEVERAL: Final = (
    "several syncs use this service, and this call came on a connection that has not called Init: it cannot be told "
    f"whose it is; let clients connect directly, or have the proxy name their connections in the header {CLIENT_HEADER}"
)

Client: TypeAlias = "Peer | str | None"
"""Who calls: a connection, a proxy's name for one, or None where a proxy does not say."""


def client_of(call: Call) -> Client:
    """Return who calls."""
    named = call.metadata.get(CLIENT_HEADER)
    if named:
        return named
    forwarded = call.peer.forwards or not _PROXY_HEADERS.isdisjoint(call.metadata)
    return None if forwarded else call.peer


@dataclass(eq=False, slots=True)
class _Entry:
    """A destination, and who may use it.

    Attributes:
        client: whose it is; None, where a proxy does not say, or where the connection has closed without Close.
        forwarded: whether it has been nobody's from the beginning.
        destination: None after an Init that asked for no connection to S3.
        number: of its Init; a later one has a higher number.
        used_at: when a call last ended that used it, on the loop's clock.
        uses: calls that use it now.
        closed: Close was called: it is its client's alone.
        failed: its client's last Write failed; no client goes on after that.
        outlived: while it was nobody's, a client has come with an Init of its own: it is given to nobody any more.
    """

    client: Client
    forwarded: bool
    destination: Destination | None
    number: int
    used_at: float
    uses: int = 0
    closed: bool = False
    failed: bool = False
    outlived: bool = False


class Destinations:
    """The destinations of a process.

    Lives on the event loop.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._entries: list[_Entry] = []
        self._numbers = itertools.count()

    async def init(self, call: Call, connect: Callable[[], Awaitable[Destination]] | None) -> None:
        """Give the call's client the destination that `connect` makes, or none, in place of the one that it has.

        Inits at the same time do not disturb each other; of two on one connection the later one counts.

        Raises:
            RpcError: there are too many destinations.
            PluginError: what `connect` raises.
        """
        number, client = next(self._numbers), client_of(call)
        self._replace(client, number)
        if len(self._entries) >= self._limits.destinations:
            raise RpcError(Status.RESOURCE_EXHAUSTED, f"there are {len(self._entries)} destinations already: try later")
        destination = await connect() if connect is not None else None
        if not self._replace(client, number):
            if destination is not None:
                destination.retire()
            return
        entry = _Entry(client, client is None, destination, number, used_at=_now())
        self._entries.append(entry)
        if client is None or isinstance(client, str):
            self._expire_later(entry)
            return
        for other in self._entries:
            other.outlived = other.outlived or (other.client is None and not other.forwarded)
        client.kept = destination is not None
        client.when_closed(lambda: self._on_closed(entry))

    @contextmanager
    def use(self, call: Call, *, write: bool = False) -> Iterator[Destination]:
        """Give the destination that a call is for, until the block ends.

        Raises:
            RpcError: there is none, or it cannot be told which of several it is.
        """
        entry = self._find(call)
        if entry is None or entry.destination is None:
            hint = "call Init first" if entry is None else "Init was called with no_connection"
            raise RpcError(Status.FAILED_PRECONDITION, f"there is no connection to S3: {hint}")
        entry.uses += 1
        try:
            yield entry.destination
        except BaseException:
            entry.failed = entry.failed or (write and entry.client in {None, client_of(call)})
            raise
        finally:
            entry.uses -= 1
            entry.used_at = _now()
            if entry.failed and entry.client is None:
                self._drop(entry)

    def connected(self) -> Sequence[Destination]:
        """Return all destinations that may be used. May be called from any thread."""
        return [entry.destination for entry in tuple(self._entries) if entry.destination is not None]

    def close(self, call: Call) -> None:
        """End the destination that a call is for, if there is one, and every Write that still runs on it.

        The connection that called Init may go on reading and writing. Where it cannot be told which of several
        destinations is meant, none is ended: they end by themselves.
        """
        try:
            entry = self._find(call)
        except RpcError as error:
            log.info("Close ends nothing: %s", error)
            return
        if entry is None:
            return
        entry.closed = True
        if entry.destination is not None:
            entry.destination.interrupt("the destination was closed before the end of the stream")
        if entry.client is None or entry.destination is None:
            self._drop(entry)
        elif not isinstance(entry.client, str):
            entry.client.kept = False

    def _find(self, call: Call) -> _Entry | None:
        """Return what a call is for; None where there is nothing.

        Raises:
            RpcError: it cannot be told which of several it is.
        """
        client = client_of(call)
        own = self._of(client)
        if own:
            return own[0]
        living = [entry for entry in self._entries if entry.destination is not None and not entry.closed]
        owned = [entry for entry in living if entry.client is not None]
        nobodys = [entry for entry in living if entry.client is None]
        found = (nobodys or owned) if client is None else (owned or nobodys)
        if len(found) > 1:
            raise RpcError(Status.FAILED_PRECONDITION, _SEVERAL)
        return found[0] if found and not found[0].outlived else None

    def _replace(self, client: Client, number: int) -> bool:
        """Drop what a client has of earlier Inits; return False if it has what a later one has made."""
        own = self._of(client)
        for entry in own:
            if entry.number < number:
                self._drop(entry)
        return all(entry.number < number for entry in own)

    def _of(self, client: Client) -> list[_Entry]:
        return [entry for entry in self._entries if client is not None and entry.client == client]

    def _on_closed(self, entry: _Entry) -> None:
        """Keep what a connection has left behind for connections that carry one call each, unless it is done with."""
        if entry not in self._entries:
            return
        if entry.destination is None or entry.closed or entry.failed:
            self._drop(entry)
        else:
            entry.client = None
            entry.used_at = _now()
            self._expire_later(entry)

    def _expire_later(self, entry: _Entry) -> None:
        due = entry.used_at + self._limits.linger_s
        asyncio.get_running_loop().call_at(due, self._expire, entry)

    def _expire(self, entry: _Entry) -> None:
        if entry.uses:
            entry.used_at = _now()
        if entry in self._entries:
            if _now() >= entry.used_at + self._limits.linger_s:
                self._drop(entry)
            else:
                self._expire_later(entry)

    def _drop(self, entry: _Entry) -> None:
        if entry in self._entries:
            self._entries.remove(entry)
            if entry.destination is not None:
                entry.destination.retire()


def _now() -> float:
    return asyncio.get_running_loop().time()
