from __future__ import annotations

from typing import Any

import grpc
import pytest
from cloudquery.discovery_v1 import discovery_pb2, discovery_pb2_grpc

import rpc_server
from cloudquery_s3.server.rpc import methods_of

SERVICE = discovery_pb2.DESCRIPTOR.services_by_name["Discovery"]


class Versions:
    async def GetVersions(self, _request: Any, _call: Any) -> Any:
        return discovery_pb2.GetVersions.Response(versions=[3])


def test_a_service() -> None:
    """A servicer's method is served under the name that the protocol gives it, with the protocol's messages."""
    with rpc_server.connected(methods_of(SERVICE, Versions())) as channel:
        answer = discovery_pb2_grpc.DiscoveryStub(channel).GetVersions(discovery_pb2.GetVersions.Request(), timeout=60)
    assert list(answer.versions) == [3]


def test_a_method_that_is_not_there() -> None:
    """A method of the protocol that the servicer lacks is not served, and nothing else suffers."""
    assert methods_of(SERVICE, object()) == {}


def test_a_request_that_is_none() -> None:
    """Bytes that are not the method's request are refused, with the name of what they should be."""
    with rpc_server.connected(methods_of(SERVICE, Versions())) as channel, pytest.raises(grpc.RpcError) as raised:
        channel.unary_unary("/cloudquery.discovery.v1.Discovery/GetVersions", None, None)(b"\xff", timeout=60)
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "cloudquery.discovery.v1.GetVersions.Request" in raised.value.details()
