"""`grpc.health.v1`: whether the plugin serves, for probes of orchestrators and load balancers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.message_factory import GetMessageClass

from cloudquery_s3.server import descriptors
from cloudquery_s3.server.protocol import DISCOVERY, PLUGIN
from cloudquery_s3.server.rpc import RpcError, Status, methods_of

if TYPE_CHECKING:
    from cloudquery_s3.server.rpc import Call, Method

_FILE: Final = descriptors.health()
_Response: Final = GetMessageClass(_FILE.message_types_by_name["HealthCheckResponse"])

_SERVICES: Final = frozenset(
    {
        "",  # the server as a whole
        PLUGIN.full_name,
        DISCOVERY.full_name,
    }
)


class HealthServicer:
    """Serves from the beginning until `stop`."""

    def __init__(self) -> None:
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Tell everyone that the plugin does not serve any more."""
        self._stopping.set()

    async def Check(self, request: Any, _call: Call) -> Any:  # noqa: N802 -- the protocol's name
        """Return whether a service is there for calls."""
        if request.service not in _SERVICES:
            raise RpcError(Status.NOT_FOUND, f"there is no service {request.service}")
        return self._response(request.service)

    async def Watch(self, request: Any, call: Call) -> None:  # noqa: N802 -- the protocol's name
        """Send whether a service is there for calls, and again when that changes."""
        await call.send(self._response(request.service).SerializeToString())
        await self._stopping.wait()
        await call.send(self._response(request.service).SerializeToString())

    def _response(self, service: str) -> Any:
        if service not in _SERVICES:
            return _Response(status=_Response.SERVICE_UNKNOWN)
        return _Response(status=_Response.NOT_SERVING if self._stopping.is_set() else _Response.SERVING)


def methods(servicer: HealthServicer) -> dict[str, Method]:
    """Return what serves it."""
    return methods_of(_FILE.services_by_name["Health"], servicer)
