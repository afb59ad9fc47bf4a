"""Server reflection, v1 and v1alpha: `grpcurl` and its like learn what is served here, without files of their own."""

from __future__ import annotations

import contextlib
import itertools
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from cloudquery_s3.server import descriptors, protocol
from cloudquery_s3.server.rpc import RpcError, Status, methods_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cloudquery_s3.server.rpc import Call, Method

_POOLS: Final = (protocol.POOL, descriptors.POOL)
_VERSIONS: Final = tuple(descriptors.reflection(version) for version in ("v1", "v1alpha"))
_SERVICES: Final = (
    protocol.DISCOVERY.full_name,
    protocol.PLUGIN.full_name,
    "grpc.health.v1.Health",
    *(file.services_by_name["ServerReflection"].full_name for file in _VERSIONS),
)


class ReflectionServicer:
    """Answers questions about the services of this server, in one version of the protocol."""

    def __init__(self, file: Any) -> None:
        """Make it.

        Args:
            file: the descriptor of that version's file.
        """
        self._request = GetMessageClass(file.message_types_by_name["ServerReflectionRequest"])
        self._response = GetMessageClass(file.message_types_by_name["ServerReflectionResponse"])

    async def ServerReflectionInfo(self, requests: Call, call: Call) -> None:  # noqa: N802 -- the protocol's name
        """Answer each question as it comes."""
        async for raw in requests:
            try:
                request = self._request.FromString(bytes(raw))
            except DecodeError as error:
                raise RpcError(Status.INVALID_ARGUMENT, f"the request is no question: {error}") from error
            await call.send(self._answer(request).SerializeToString())

    def _answer(self, request: Any) -> Any:
        answer = self._response(valid_host=request.host, original_request=request)
        asked = request.WhichOneof("message_request")
        try:
            match asked:
                case "list_services":
                    answer.list_services_response.SetInParent()
                    for name in _SERVICES:
                        answer.list_services_response.service.add(name=name)
                case "file_by_filename":
                    answer.file_descriptor_response.file_descriptor_proto.extend(
                        _files(_find(_BY_NAME, request.file_by_filename))
                    )
                case "file_containing_symbol":
                    answer.file_descriptor_response.file_descriptor_proto.extend(
                        _files(_find(_BY_SYMBOL, request.file_containing_symbol))
                    )
                case _:
                    raise KeyError("there are no extensions")  # noqa: TRY301 -- as for what is not found
        except KeyError as error:
            answer.error_response.error_code = int(Status.NOT_FOUND)
            answer.error_response.error_message = str(error.args[0])
        return answer


_BY_NAME: Final = (lambda pool, name: pool.FindFileByName(name),)
_BY_SYMBOL: Final = (
    lambda pool, name: pool.FindFileContainingSymbol(name),
    lambda pool, name: pool.FindMethodByName(name).containing_service.file,
    lambda pool, name: pool.FindFieldByName(name).file,
)


def _find(ways: Iterable[Callable[[Any, str], Any]], what: str) -> Any:
    """Return a file's descriptor.

    Raises:
        KeyError: there is none.
    """
    for pool, find in itertools.product(_POOLS, ways):
        with contextlib.suppress(KeyError):
            return find(pool, what)
    raise KeyError(f"there is no {what}")


def _files(file: Any) -> list[bytes]:
    """Return a file and all that it needs, each once, itself first."""
    found: dict[str, bytes] = {}
    waiting = [file]
    while waiting:
        one = waiting.pop()
        if one.name not in found:
            found[one.name] = one.serialized_pb
            waiting.extend(one.dependencies)
    return list(found.values())


def methods() -> dict[str, Method]:
    """Return what serves both versions."""
    served: dict[str, Method] = {}
    for file in _VERSIONS:
        served |= methods_of(file.services_by_name["ServerReflection"], ReflectionServicer(file))
    return served
