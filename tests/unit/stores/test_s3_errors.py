from __future__ import annotations

import socket
import ssl

import pytest
from botocore import exceptions as botocore_errors
from hypothesis import given
from hypothesis import strategies as st
from urllib3.exceptions import ProtocolError

from cloudquery_s3.stores.answers import document_failure, xml_children, xml_fields
from cloudquery_s3.stores.transport_errors import transport_failure

URL = "http://127.0.0.1:1/bkt/key"
FOREIGN = {
    "refused": (
        botocore_errors.EndpointConnectionError(endpoint_url=URL, error=OSError()),
        ConnectionRefusedError(111, "Connection refused"),
        "connection refused",
    ),
    "name": (
        botocore_errors.EndpointConnectionError(endpoint_url=URL, error=OSError()),
        socket.gaierror(-2, "Name or service not known"),
        "the host name cannot be resolved",
    ),
    "connect": (
        botocore_errors.ConnectTimeoutError(endpoint_url=URL, error=OSError()),
        None,
        "connecting timed out",
    ),
    "read": (botocore_errors.ReadTimeoutError(endpoint_url=URL, error=OSError()), None, "the answer timed out"),
    "send": (
        botocore_errors.ConnectionClosedError(endpoint_url=URL, request=None, error=OSError()),
        ProtocolError("Connection aborted.", TimeoutError("timed out")),
        "sending timed out",
    ),
    "reset": (
        botocore_errors.ConnectionClosedError(endpoint_url=URL, request=None, error=OSError()),
        ProtocolError("Connection aborted.", ConnectionResetError(104, "reset by peer")),
        "the connection was closed before a whole answer came",
    ),
    "proxy": (
        botocore_errors.ProxyConnectionError(proxy_url="http://proxy", error=OSError()),
        ConnectionRefusedError(111, "Connection refused"),
        "the proxy cannot be reached (connection refused)",
    ),
    "unknown": (
        botocore_errors.HTTPClientError(error=OSError("?")),
        None,
        "the connection was closed before a whole answer came",
    ),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_every_broken_connection_has_a_name(name: str) -> None:
    """Each way in which botocore says that no answer came is transient and has a cause in words."""
    error, cause, words = FOREIGN[name]
    error.__cause__ = cause
    failure = transport_failure(error)
    assert (str(failure), failure.transient, failure.status) == (words, True, None)


def test_a_certificate_that_does_not_verify_will_not_pass() -> None:
    """A refused certificate is the one transport error that is not tried again."""
    error = botocore_errors.SSLError(endpoint_url=URL, error=OSError())
    error.__cause__ = ssl.SSLCertVerificationError("self-signed certificate")
    assert not transport_failure(error).transient


@given(st.integers(300, 599), st.binary())
def test_any_answer_can_be_understood(status: int, body: bytes) -> None:
    """Whatever stands where the error document should be, there is a failure with the status and some words."""
    failure = document_failure("PutObject", status, {}, body)
    assert failure.status == status
    assert str(failure)
    assert xml_fields(body) == {} or "" in xml_fields(body)


def test_names_are_read_in_any_namespace() -> None:
    """An element is found by its local name; where it repeats, the first counts for the document."""
    document = b'<a xmlns="urn:x"><b><c>1</c></b><b><c> 2 </c></b></a>'
    assert xml_fields(document) == {"": "a", "c": "1"}
    assert xml_children(document, "b") == [{"c": "1"}, {"c": "2"}]


def test_an_exploding_document_is_none() -> None:
    """Nested entities, which would expand to gigabytes, are refused by the parser."""
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 20}">' for n in range(1, 12))
    bomb = f'<!DOCTYPE a [<!ENTITY e0 "{"x" * 50}">{entities}]><a><Code>&e11;</Code></a>'
    assert xml_fields(bomb.encode()) == {}
