"""One method for each RPC of plugin v3 and discovery v1, and the table from errors to statuses."""

from __future__ import annotations

import asyncio
import functools
import logging
import threading
import uuid
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from cloudquery_s3 import __version__, errors, scope
from cloudquery_s3.server import allocator, wire
from cloudquery_s3.server.destinations import Destinations
from cloudquery_s3.server.limits import Limits
from cloudquery_s3.server.protocol import DISCOVERY, PLUGIN, response
from cloudquery_s3.server.rpc import RpcError, Status, methods_of
from cloudquery_s3.telemetry.load import Load

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cloudquery_s3.server.destination import Destination
    from cloudquery_s3.server.rpc import Call, Method
    from cloudquery_s3.server.telemetry import Starting
    from cloudquery_s3.spec import Spec
    from cloudquery_s3.telemetry.telemetry import Telemetry
    from cloudquery_s3.writer.budget import MemoryBudget
    from cloudquery_s3.writer.stream_writer import StreamWriter

log = logging.getLogger(__name__)

PLUGIN_NAME: Final = "s3"
PROTOCOL_VERSION: Final = 3

_LOADING: Final = threading.Lock()

_CANCEL_GRACE_S: Final = 0.1
"""How long after the end of a stream its cancellation may still come to light: a cancelled sync can look like a clean
end for some milliseconds."""

_STATUSES: Final = (
    # The first class that fits names the status. The CLI prints the message in full whatever the code is.
    (errors.SpecError, Status.INVALID_ARGUMENT),
    (errors.ProtocolError, Status.INVALID_ARGUMENT),
    (errors.PayloadError, Status.INVALID_ARGUMENT),
    (errors.NotReadableError, Status.FAILED_PRECONDITION),
    (errors.WriteModeError, Status.FAILED_PRECONDITION),
    (errors.CredentialsError, Status.UNAUTHENTICATED),
    (errors.StoreUnavailableError, Status.FAILED_PRECONDITION),
    (errors.ClosedError, Status.ABORTED),
    (errors.ObjectNotFoundError, Status.NOT_FOUND),
    (errors.PluginError, Status.INTERNAL),
)


def status_of(error: errors.PluginError) -> Status:
    """Return the status that tells a client of this error."""
    return next(status for kind, status in _STATUSES if isinstance(error, kind))


def explain(path: str, error: BaseException) -> RpcError:
    """Return how a call ends that raised this error, and log it: the CLI does not always print what it is told."""
    rpc = path.rpartition("/")[2]
    if isinstance(error, errors.PluginError):
        log.error("%s", error, extra={"rpc": rpc})
        return RpcError(status_of(error), str(error))
    log.error("an error that this plugin does not know", extra={"rpc": rpc}, exc_info=error)
    return RpcError(Status.INTERNAL, f"{type(error).__name__}: {error}")


class DiscoveryServicer:
    """Tells which protocol versions are spoken."""

    async def GetVersions(self, _request: Any, _call: Call) -> Any:  # noqa: N802 -- the protocol's name
        """Return the one version that is."""
        return response(DISCOVERY, "GetVersions")(versions=[PROTOCOL_VERSION])


def _refuses(name: str, reason: str) -> Callable[[PluginServicer, Any, Call], Awaitable[Any]]:
    """Return the method of an RPC that is not for this kind of plugin: a status, and nothing in the log."""

    async def refuse(_self: PluginServicer, _request: Any, _call: Call) -> Any:
        raise RpcError(Status.UNIMPLEMENTED, f"{name}: this plugin is the destination s3, which {reason}")

    return refuse


class PluginServicer:
    """The plugin's RPCs. A destination belongs to the connection that called Init: see `Destinations`.

    Attributes:
        idle: set while no Write runs. One that the client has cancelled runs until nothing partial is left of it.
        telemetry: what hears of objects and requests, once it has begun; None where nobody asks for it.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self.idle = asyncio.Event()
        self.idle.set()
        self.telemetry: Starting | None = None
        self._limits = limits or Limits()
        self._destinations = Destinations(self._limits)
        self._writing_to: Counter[Destination] = Counter()
        self._budget: MemoryBudget | None = None

    async def GetName(self, _request: Any, _call: Call) -> Any:  # noqa: N802 -- the protocol's name
        """Return the plugin's name, the reference's."""
        return response(PLUGIN, "GetName")(name=PLUGIN_NAME)

    async def GetVersion(self, _request: Any, _call: Call) -> Any:  # noqa: N802 -- the protocol's name
        """Return the package's version."""
        return response(PLUGIN, "GetVersion")(version=__version__)

    async def GetSpecSchema(self, _request: Any, _call: Call) -> Any:  # noqa: N802 -- the protocol's name
        """Return the JSON schema of the spec."""
        await asyncio.to_thread(_load)
        from cloudquery_s3.spec.schema import json_schema  # noqa: PLC0415 -- serving must not wait for its imports

        return response(PLUGIN, "GetSpecSchema")(json_schema=json_schema())

    async def Init(self, request: Any, call: Call) -> Any:  # noqa: N802 -- the protocol's name
        """Give this connection the destination that the spec describes; a Write that runs goes on with an old one."""
        scope.enter(sync_id=request.invocation_id)
        connect = functools.partial(self._connect, request.spec, request.invocation_id)
        await self._destinations.init(call, None if request.no_connection else connect)
        return response(PLUGIN, "Init")()

    async def _connect(self, spec: bytes, invocation_id: str) -> Destination:
        if len(spec) > (most := self._limits.spec_bytes):
            raise errors.SpecError(f"the spec has {len(spec)} bytes, and {most} are the most: shorten its values")
        telemetry = await asyncio.shield(self.telemetry) if self.telemetry is not None else None
        destination = await _connected(spec, invocation_id, telemetry)
        if self._budget is None:  # the first: nothing is written yet, and all that a Write needs is loaded
            await asyncio.to_thread(allocator.give_back)
        self._budget = destination.share(self._budget)
        return destination

    async def Write(self, requests: Call, call: Call) -> Any:  # noqa: N802 -- the protocol's name
        """Write a stream's rows; answer OK only when each is in a committed object."""
        reading = asyncio.current_task()
        assert reading is not None  # noqa: S101 -- a coroutine that runs is in a task
        with self._destinations.use(call, write=True) as destination:
            scope.enter(sync_id=destination.sync_id)
            writer = destination.open_stream(functools.partial(_cancel, reading))
            self._writing_to[destination] += 1
            self.idle.clear()
            try:
                await _feed(writer, requests)
                writer.encode()
                await asyncio.sleep(_CANCEL_GRACE_S)
                await writer.finish()
            except BaseException as error:
                await _give_up(writer)
                if isinstance(error, asyncio.CancelledError) and writer.fatal is not None:
                    reading.uncancel()
                    raise writer.fatal from None
                raise
            finally:
                destination.end_stream(writer)
                self._writing_to -= Counter([destination])
                if not self._writing_to:
                    self.idle.set()
        return response(PLUGIN, "Write")()

    async def Read(self, request: Any, call: Call) -> None:  # noqa: N802 -- the protocol's name
        """Send the rows of the object that a table has at a fixed key; nothing where there is none."""
        with self._destinations.use(call) as destination:
            scope.enter(sync_id=destination.sync_id)
            with destination.reading(request.table) as records:
                while (record := await asyncio.to_thread(next, records, None)) is not None:
                    await call.send(response(PLUGIN, "Read")(record=record).SerializeToString())

    GetTables = _refuses("GetTables", "has no tables of its own: ask the source")
    Sync = _refuses("Sync", "has no rows of its own: ask the source")
    Transform = _refuses("Transform", "writes rows as they come: use a transformer plugin")
    TransformSchema = _refuses("TransformSchema", "writes tables as they come: use a transformer plugin")
    AssessTables = _refuses("AssessTables", "migrates no tables: every object has the columns of its own rows")
    WriteStream = _refuses("WriteStream", "acknowledges rows at the end of a stream: use Write")

    async def Close(self, _request: Any, call: Call) -> Any:  # noqa: N802 -- the protocol's name
        """End the destination, if there is one, and every Write that still runs on it."""
        self._destinations.close(call)
        return response(PLUGIN, "Close")()

    async def TestConnection(self, request: Any, _call: Call) -> Any:  # noqa: N802 -- the protocol's name
        """Tell whether the spec is good and the bucket can be written to; never an error of the RPC itself."""
        try:
            destination = await _connected(request.spec, str(uuid.uuid4()))
        except errors.PluginError as error:
            log.error("%s", error, extra={"rpc": "TestConnection"})  # noqa: TRY400 -- the user wants no trace
            return self._failed_test(_failure_code(error), str(error))
        except Exception as error:
            log.exception("an error that this plugin does not know", extra={"rpc": "TestConnection"})
            return self._failed_test("UNKNOWN", f"{type(error).__name__}: {error}")
        destination.retire()
        return response(PLUGIN, "TestConnection")(success=True)

    def load(self) -> Load:
        """Return how much there is to do at present. May be called from any thread."""
        destinations = {*self._destinations.connected(), *tuple(self._writing_to)}
        pools = [destination.context.pools for destination in destinations]
        budget = self._budget
        return Load(
            writes=sum(self._writing_to.values()),
            encode_queue=sum(pool.encode.waiting for pool in pools),
            upload_queue=sum(pool.upload.waiting for pool in pools),
            held_bytes=budget.held_bytes if budget else 0,
            encoding_bytes=budget.encoding_bytes if budget else 0,
            uploading_bytes=budget.uploading_bytes if budget else 0,
            limit_bytes=budget.limit_bytes if budget else 0,
        )

    async def preload(self) -> None:
        """Load what Init needs, while the CLI waits between its first and its second attempt to connect."""
        await asyncio.to_thread(_load)

    def interrupt(self) -> None:
        """End every running Write, be it of an earlier Init: the process was told to stop."""
        for destination in self._writing_to:
            destination.interrupt("the plugin was told to stop before the end of the stream")

    async def abandon(self) -> None:
        """Take back the uploads of Writes that do not end, although they were interrupted."""
        await asyncio.gather(*(asyncio.to_thread(destination.abandon) for destination in self._writing_to))

    def _failed_test(self, code: str, description: str) -> Any:
        shown = description[: self._limits.error_bytes].encode(errors="replace").decode()
        return response(PLUGIN, "TestConnection")(success=False, failure_code=code, failure_description=shown)


def _load() -> tuple[type[Spec], type[Destination]]:
    # In a worker thread: a plugin must answer within a second of its start, and Arrow takes half of it.
    with _LOADING:  # one thread at a time: others would wait for modules whose import is half done
        from cloudquery_s3.server.destination import Destination  # noqa: PLC0415
        from cloudquery_s3.spec import Spec  # noqa: PLC0415

    return Spec, Destination


async def _connected(spec: bytes, invocation_id: str, telemetry: Telemetry | None = None) -> Destination:
    """Make a destination in a worker thread. Where nobody waits for it any more it is ended when it is there."""
    connecting = asyncio.ensure_future(asyncio.to_thread(_connect, spec, invocation_id, telemetry))
    try:
        return await asyncio.shield(connecting)
    except asyncio.CancelledError:
        connecting.add_done_callback(_retire)
        raise


def _connect(spec: bytes, invocation_id: str, telemetry: Telemetry | None) -> Destination:
    spec_type, destination_type = _load()
    parsed = spec_type.parse(spec, invocation_id=invocation_id)
    for warning in parsed.warnings:
        log.warning("%s", warning)
    return destination_type.connect(parsed, sync_id=invocation_id, telemetry=telemetry)


def _retire(connecting: asyncio.Future[Destination]) -> None:
    if not connecting.cancelled() and connecting.exception() is None:
        connecting.result().retire()


def _failure_code(error: errors.PluginError) -> str:
    match error:
        case errors.SpecError() | errors.StoreError(status=301 | 307 | 308):  # these three: another region's bucket
            return "INVALID_SPEC"
        case errors.CredentialsError():
            return "UNAUTHENTICATED"
        case errors.StoreError(code="NoSuchBucket"):
            return "NO_SUCH_BUCKET"
        case errors.StoreError(status=401 | 403):
            return "UNAUTHORIZED"
        case errors.StoreError(status=None):
            return "UNREACHABLE"
        case _:
            return "UNKNOWN"


async def _feed(writer: StreamWriter, requests: Call) -> None:
    """Hand over a stream's messages. One is only taken where there is room for it: it waits in the call until then."""
    while await requests.ready():
        if writer.full:
            await writer.make_room()
        message = wire.parse(requests.take())
        match message.kind:
            case wire.Kind.INSERT:
                writer.insert(message.payload)
            case wire.Kind.MIGRATE:
                writer.migrate(message.payload)
            case wire.Kind.DELETE:
                assert message.delete is not None  # noqa: S101 -- a message of this kind has one
                writer.delete(message.delete)  # and go on: rows that come after it are delivered all the same
            case wire.Kind.FLUSH:
                pass  # rows are acknowledged at the end of the stream


def _cancel(task: asyncio.Task[Any]) -> None:
    task.cancel()


async def _give_up(writer: StreamWriter) -> None:
    """Abort in a task of its own: the RPC's cancellation must not cancel the cleaning up behind it."""
    aborting = asyncio.ensure_future(writer.abort())
    while not aborting.done():
        try:
            await asyncio.shield(aborting)
        except asyncio.CancelledError:
            continue
    aborting.result()


def methods(plugin: PluginServicer) -> dict[str, Method]:
    """Return what serves both services, each call in a scope that names its client."""
    served = {
        **methods_of(DISCOVERY, DiscoveryServicer()),
        **methods_of(PLUGIN, plugin),
    }
    return {path: functools.partial(_of_client, method) for path, method in served.items()}


async def _of_client(method: Method, call: Call) -> None:
    scope.enter(peer=call.peer.address)
    await method(call)
