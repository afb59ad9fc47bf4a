"""A protobuf service's methods, as a server serves them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from cloudquery_s3.server.rpc.status import RpcError, Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudquery_s3.server.rpc.call import Call
    from cloudquery_s3.server.rpc.server import Method


def methods_of(service: Any, servicer: object) -> dict[str, Method]:
    """Return what serves the methods of a protobuf service, by path.

    The servicer has coroutine methods of their names; one that it lacks is not served. Such a method is given the
    request, or, where the client streams, the call, whose messages are bytes; and the call. It returns the response, or
    None where it has sent all itself.
    """
    return {
        f"/{service.full_name}/{method.name}": _served(method, getattr(servicer, method.name))
        for method in service.methods
        if hasattr(servicer, method.name)
    }


def _served(method: Any, implementation: Callable[[Any, Call], Any]) -> Method:
    request_type = GetMessageClass(method.input_type)

    async def serve(call: Call) -> None:
        request = call if method.client_streaming else _parsed(request_type, await call.only_message())
        response = await implementation(request, call)
        if response is not None:
            await call.send(response.SerializeToString())

    return serve


def _parsed(request_type: Any, message: bytes | memoryview) -> Any:
    try:
        return request_type.FromString(message)
    except DecodeError as error:
        raise RpcError(
            Status.INVALID_ARGUMENT, f"the request is no {request_type.DESCRIPTOR.full_name}: {error}"
        ) from error
