"""Which destination a call is for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

import virtual_time
from cloudquery_s3.server.destinations import CLIENT_HEADER, Destinations
from cloudquery_s3.server.limits import Limits
from cloudquery_s3.server.rpc import RpcError, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

LIMITS = Limits(linger_s=300)


class Connection:
    """A client's connection."""

    def __init__(self, *, forwards: bool = False) -> None:
        self.kept = False
        self.forwards = forwards
        self.closed = False
        self._callbacks: list[Callable[[], None]] = []

    def when_closed(self, callback: Callable[[], None]) -> None:
        if self.closed:
            callback()
        self._callbacks.append(callback)

    def close(self) -> None:
        self.closed = True
        for callback in self._callbacks:
            callback()


class Call:
    """A call on a connection."""

    def __init__(self, peer: Connection | None = None, **metadata: str) -> None:
        self.peer = peer or Connection()
        self.metadata = {name.replace("_", "-"): value for name, value in metadata.items()}


class Place:
    """A destination of that name; it knows whether it has been ended."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.retired = False
        self.interrupted = 0

    def retire(self) -> None:
        self.retired = True

    def interrupt(self, _reason: str) -> None:
        self.interrupted += 1


class Registry:
    """What is tested, with places in place of destinations."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self.destinations = Destinations(limits)

    async def init(self, call: Call, name: str = "", *, when: asyncio.Event | None = None) -> Place:
        place = Place(name)

        async def connect() -> Any:
            if when is not None:
                await when.wait()
            return place

        await self.destinations.init(call, connect)  # type: ignore[arg-type] # the parts that are used
        return place

    def found(self, call: Call, *, write: bool = False, fails: bool = False) -> str:
        """Where a call goes, or why nowhere."""
        try:
            with self.destinations.use(call, write=write) as place:  # type: ignore[arg-type] # as above
                name: str = place.name if not fails else [].pop()  # type: ignore[attr-defined] # as above
                return name
        except IndexError:
            return "failed"
        except RpcError as error:
            if error.status is not Status.FAILED_PRECONDITION:
                raise
            return "several" if "several syncs" in error.message else error.message.rpartition(": ")[2]

    def close(self, call: Call) -> None:
        self.destinations.close(call)  # type: ignore[arg-type] # as above


def on_a_loop(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a test where there is an event loop."""
    virtual_time.run(test())


async def advance(seconds: float) -> None:
    """Move the clock."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, virtual_time.VirtualTimeLoop)
    await loop.advance(seconds)


def test_each_connection_has_its_own() -> None:
    """Whoever has called Init writes where that has pointed, whatever others have called since."""

    async def test() -> None:
        registry, one, other = Registry(), Call(), Call()
        await registry.init(one, "one")
        await registry.init(other, "other")
        assert [registry.found(call) for call in (one, other, one)] == ["one", "other", "one"]

    on_a_loop(test)


def test_strangers() -> None:
    """A connection without an Init gets the only destination that lives; of none, or of several, it gets none."""

    async def test() -> None:
        registry, one, other = Registry(), Connection(), Connection()
        assert registry.found(Call()) == "call Init first"
        await registry.init(Call(one), "one")
        assert registry.found(Call()) == "one"
        await registry.init(Call(other), "other")
        assert registry.found(Call()) == "several"
        registry.close(Call(other))
        assert registry.found(Call()) == "one"
        one.close()
        other.close()
        assert registry.found(Call()) == "one"

    on_a_loop(test)


def test_after_close() -> None:
    """After Close the connection that called Init still reads and writes, and nobody else does; it ends with it."""

    async def test() -> None:
        registry, connection = Registry(), Connection()
        place = await registry.init(Call(connection), "one")
        assert connection.kept
        registry.close(Call(connection))
        assert (place.interrupted, place.retired, connection.kept) == (1, False, False)
        assert registry.found(Call(connection), write=True) == "one"
        assert registry.found(Call()) == "call Init first"
        connection.close()
        assert place.retired

    on_a_loop(test)


def test_a_connection_a_call() -> None:
    """Init, Write and Close that each come on a connection of their own (nginx without keepalive) find each other."""

    async def test() -> None:
        registry, first = Registry(), Connection()
        place = await registry.init(Call(first), "one")
        first.close()
        await advance(299)
        assert registry.found(Call(), write=True) == "one"
        await advance(299)
        assert registry.found(Call()) == "one"
        registry.close(Call())
        assert place.retired
        assert registry.found(Call()) == "call Init first"

    on_a_loop(test)


def test_lingering_ends() -> None:
    """A destination whose connection has closed without Close ends some minutes after it was last used."""

    async def test() -> None:
        registry, connection = Registry(), Connection()
        place = await registry.init(Call(connection), "one")
        connection.close()
        with registry.destinations.use(Call()):  # type: ignore[arg-type] # as above
            await advance(1_000)
        assert not place.retired
        await advance(301)
        assert place.retired

    on_a_loop(test)


@pytest.mark.parametrize("forwards", [False, True])
def test_syncs_at_once_on_a_connection_a_call(forwards: bool) -> None:
    """Where two syncs come so at once, neither is given the other's destination."""

    async def test() -> None:
        registry = Registry()
        for name in ("one", "other"):
            connection = Connection(forwards=forwards)
            await registry.init(Call(connection), name)
            connection.close()
        assert registry.found(Call(Connection(forwards=forwards)), write=True) == "several"
        registry.close(Call(Connection(forwards=forwards)))
        assert registry.found(Call(Connection(forwards=forwards)), write=True) == "several"
        await advance(301)
        assert registry.found(Call(Connection(forwards=forwards))) == "call Init first"

    on_a_loop(test)


def test_one_connection_for_many_clients() -> None:
    """A proxy's connection that carries the calls of several clients is not taken for one client's."""

    async def test() -> None:
        registry, shared = Registry(), Connection(forwards=True)
        await registry.init(Call(shared), "one")
        assert registry.found(Call(shared)) == "one"
        await registry.init(Call(shared), "other")
        assert registry.found(Call(shared)) == "several"
        told = Connection()
        await registry.init(Call(told, x_forwarded_for="10.0.0.1"), "third")
        assert registry.found(Call(told, x_forwarded_for="10.0.0.2")) == "several"

    on_a_loop(test)


def test_a_proxy_that_names_its_clients() -> None:
    """Where a proxy names its clients' connections, each has its own destination, however it spreads the calls."""

    async def test() -> None:
        registry, shared = Registry(), Connection(forwards=True)
        places = [
            await registry.init(Call(shared, **{CLIENT_HEADER: f"10.0.0.1:{port}"}), f"at {port}") for port in (1, 2)
        ]
        for port in (1, 2):
            named = {CLIENT_HEADER: f"10.0.0.1:{port}"}
            assert registry.found(Call(Connection(forwards=True), **named)) == f"at {port}"
            registry.close(Call(Connection(forwards=True), **named))
            assert registry.found(Call(Connection(forwards=True), **named)) == f"at {port}"
        assert not any(place.retired for place in places)
        await advance(301)
        assert all(place.retired for place in places)

    on_a_loop(test)


def test_a_client_beside_what_is_left() -> None:
    """What a vanished client has left is given to nobody once another has called Init, not even when that has gone."""

    async def test() -> None:
        registry, gone, present = Registry(), Connection(), Connection()
        await registry.init(Call(gone), "left")
        gone.close()
        await registry.init(Call(present), "present")
        assert registry.found(Call()) == "present"
        registry.close(Call(present))
        assert registry.found(Call()) == "call Init first"
        present.close()
        assert registry.found(Call()) == "call Init first"

    on_a_loop(test)


def test_a_failed_write_leaves_nothing() -> None:
    """A client whose Write has failed does not come back: what it leaves does not stand in the next one's way."""

    async def test() -> None:
        registry, direct = Registry(), Connection()
        place = await registry.init(Call(direct), "one")
        assert registry.found(Call(direct), write=True, fails=True) == "failed"
        assert registry.found(Call(direct)) == "one"
        direct.close()
        assert place.retired
        forwarded = await registry.init(Call(Connection(forwards=True)), "two")
        assert registry.found(Call(Connection(forwards=True)), write=True, fails=True) == "failed"
        assert forwarded.retired

    on_a_loop(test)


def test_inits_at_once() -> None:
    """Of Inits at the same time on one connection the later one counts, whichever is ready first; none fails."""

    async def test() -> None:
        for ready in (0, 1):
            registry, connection = Registry(), Connection()
            gates = [asyncio.Event(), asyncio.Event()]
            tasks = [
                asyncio.ensure_future(registry.init(Call(connection), name, when=gate))
                for name, gate in zip("ab", gates, strict=True)
            ]
            await asyncio.sleep(0)
            for gate in (gates[ready], gates[1 - ready]):
                gate.set()
                await asyncio.sleep(0)
                await asyncio.sleep(0)
            first, second = await asyncio.gather(*tasks)
            assert registry.found(Call(connection)) == "b"
            assert (first.retired, second.retired) == (True, False)

    on_a_loop(test)


def test_a_new_init() -> None:
    """An Init on a connection ends what it had; one that asks for no connection to S3 leaves it nothing to write to."""

    async def test() -> None:
        registry, connection = Registry(), Connection()
        first = await registry.init(Call(connection), "one")
        await registry.init(Call(connection), "two")
        assert first.retired
        assert registry.found(Call(connection)) == "two"
        await registry.destinations.init(Call(connection), None)  # type: ignore[arg-type] # as above
        assert registry.found(Call(connection)) == "Init was called with no_connection"
        registry.close(Call(connection))
        assert registry.found(Call(connection)) == "call Init first"

    on_a_loop(test)


def test_too_many() -> None:
    """There is an end to how many destinations there may be: the next Init is refused, and says so."""

    async def test() -> None:
        registry = Registry(Limits(destinations=2))
        connections = [Connection() for _ in range(3)]
        for connection in connections[:2]:
            await registry.init(Call(connection), "x")
        with pytest.raises(RpcError, match="2 destinations already"):
            await registry.init(Call(connections[2]), "x")
        await registry.init(Call(connections[0]), "again")

    on_a_loop(test)
