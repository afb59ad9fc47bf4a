"""Health and reflection, as probes and tools ask for them."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from cloudquery.plugin_v3 import plugin_pb2
from google.protobuf import descriptor_pb2
from google.protobuf.message_factory import GetMessageClass

import cloudquery_cli as cli
from cloudquery_s3.server import descriptors, health, protocol, reflection

if TYPE_CHECKING:
    from collections.abc import Iterator

PLUGIN = "cloudquery.plugin.v3.Plugin"
HEALTH = health._FILE
REFLECTION = {file.package: file for file in reflection._VERSIONS}


@pytest.fixture(scope="module")
def channel() -> Iterator[grpc.Channel]:
    """A channel to a plugin."""
    with cli.plugin_process() as (_, address), grpc.insecure_channel(address) as channel:
        yield channel


def message(file: Any, name: str, /, **fields: Any) -> Any:
    """A message of a file."""
    return GetMessageClass(file.message_types_by_name[name])(**fields)


def check(channel: grpc.Channel, service: str) -> str:
    """What Check says of a service."""
    call = channel.unary_unary("/grpc.health.v1.Health/Check")
    raw = call(message(HEALTH, "HealthCheckRequest", service=service).SerializeToString(), timeout=20)
    response = message(HEALTH, "HealthCheckResponse").FromString(raw)
    name: str = HEALTH.message_types_by_name["HealthCheckResponse"].enum_types[0].values_by_number[response.status].name
    return name


@pytest.mark.parametrize("service", ["", PLUGIN, "cloudquery.discovery.v1.Discovery"])
def test_check(channel: grpc.Channel, service: str) -> None:
    """The server and each of its services are SERVING."""
    assert check(channel, service) == "SERVING"


def test_check_of_what_is_not_there(channel: grpc.Channel) -> None:
    """A service that is not there is NOT_FOUND."""
    with pytest.raises(grpc.RpcError) as raised:
        check(channel, "no.such.Service")
    assert raised.value.code() is grpc.StatusCode.NOT_FOUND


def test_watch() -> None:
    """Whoever watches hears SERVING at once, and NOT_SERVING when the process is told to stop."""
    with cli.plugin_process() as (process, address), grpc.insecure_channel(address) as channel:
        call = channel.unary_stream("/grpc.health.v1.Health/Watch")
        answers = call(message(HEALTH, "HealthCheckRequest", service=PLUGIN).SerializeToString(), timeout=60)
        response = message(HEALTH, "HealthCheckResponse")
        assert response.FromString(next(answers)).status == 1
        process.send_signal(signal.SIGTERM)
        assert response.FromString(next(answers)).status == 2
        assert list(answers) == []


@pytest.fixture(params=sorted(REFLECTION))
def ask(channel: grpc.Channel, request: pytest.FixtureRequest) -> Any:
    """Asks one question of server reflection, in each version of it."""
    file = REFLECTION[request.param]
    call = channel.stream_stream(f"/{request.param}.ServerReflection/ServerReflectionInfo")

    def asked(**question: Any) -> Any:
        raw = message(file, "ServerReflectionRequest", host="h", **question).SerializeToString()
        (answer,) = call(iter([raw]), timeout=20)
        return message(file, "ServerReflectionResponse").FromString(answer)

    return asked


def files(answer: Any) -> list[descriptor_pb2.FileDescriptorProto]:
    """The files of an answer."""
    found = answer.file_descriptor_response.file_descriptor_proto
    return [descriptor_pb2.FileDescriptorProto.FromString(one) for one in found]


def test_services(ask: Any) -> None:
    """All services are listed."""
    names = [service.name for service in ask(list_services="").list_services_response.service]
    assert names == [
        "cloudquery.discovery.v1.Discovery",
        PLUGIN,
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
    ]


@pytest.mark.parametrize(
    "symbol",
    [
        PLUGIN,
        f"{PLUGIN}.Write",
        "cloudquery.plugin.v3.Write.Request",
        "grpc.health.v1.HealthCheckResponse.ServingStatus",
    ],
)
def test_symbols(ask: Any, symbol: str) -> None:
    """A service, a method, a message or an enumeration is answered by its file and all that this needs."""
    found = files(ask(file_containing_symbol=symbol))
    assert symbol.startswith(found[0].package)
    names = {file.name for file in found}
    assert all(set(file.dependency) <= names for file in found)
    again = files(ask(file_by_filename=found[0].name))
    assert again == found


@pytest.mark.parametrize(
    "question",
    [
        {"file_containing_symbol": "no.such.Symbol"},
        {"file_by_filename": "no/such.proto"},
        {"all_extension_numbers_of_type": "cloudquery.plugin.v3.Write.Request"},
        {},
    ],
)
def test_what_is_not_there(ask: Any, question: dict[str, Any]) -> None:
    """What is not there is answered by an error within the stream, which goes on."""
    answer = ask(**question)
    assert answer.WhichOneof("message_response") == "error_response"
    assert answer.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]


def test_the_descriptors() -> None:
    """The messages that are described here are those of gRPC: these bytes were made by its own generated modules."""
    request = message(HEALTH, "HealthCheckRequest", service="s")
    assert request.SerializeToString() == b"\n\x01s"
    assert message(HEALTH, "HealthCheckResponse", status=1).SerializeToString() == b"\x08\x01"
    for version, file in REFLECTION.items():
        assert file.name == version.replace(".", "/") + "/reflection.proto"
        assert message(file, "ServerReflectionRequest", list_services="").SerializeToString() == b":\x00"
        names = message(file, "ListServiceResponse", service=[message(file, "ServiceResponse", name="n")])
        assert names.SerializeToString() == b"\n\x03\n\x01n"
    assert plugin_pb2.DESCRIPTOR.pool not in {descriptors.POOL, protocol.POOL}
