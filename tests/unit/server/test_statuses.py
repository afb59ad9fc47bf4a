"""Every error has a status, and every failure of a connection test a code."""

from __future__ import annotations

import inspect

import grpc
import pytest

from cloudquery_s3 import errors
from cloudquery_s3.server import servicer

STORE = {"operation": "PutObject", "key": "k"}


def kinds() -> list[type[errors.PluginError]]:
    """All errors of this plugin."""
    return [
        kind
        for _, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, errors.PluginError) and kind.__module__ == errors.__name__
    ]


@pytest.mark.parametrize("kind", kinds())
def test_every_error_has_a_status(kind: type[errors.PluginError]) -> None:
    """No error of the tree is without a status, and none passes for success."""
    error = kind.__new__(kind)
    assert servicer.status_of(error) is not grpc.StatusCode.OK


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (errors.SpecError("m", field="f"), grpc.StatusCode.INVALID_ARGUMENT, "INVALID_SPEC"),
        (errors.CredentialsError("m", **STORE, status=403), grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED"),
        (errors.CredentialsError("m", **STORE), grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED"),
        (
            errors.StoreUnavailableError("m", **STORE, status=403, code="AccessDenied"),
            grpc.StatusCode.FAILED_PRECONDITION,
            "UNAUTHORIZED",
        ),
        (
            errors.StoreUnavailableError("m", **STORE, status=404, code="NoSuchBucket"),
            grpc.StatusCode.FAILED_PRECONDITION,
            "NO_SUCH_BUCKET",
        ),
        (errors.StoreUnavailableError("m", **STORE, status=301), grpc.StatusCode.FAILED_PRECONDITION, "INVALID_SPEC"),
        (errors.StoreUnavailableError("m", **STORE), grpc.StatusCode.FAILED_PRECONDITION, "UNREACHABLE"),
        (
            errors.StoreUnavailableError("m", **STORE, code="TLS"),
            grpc.StatusCode.FAILED_PRECONDITION,
            "UNREACHABLE",
        ),
        (errors.StoreError("m", **STORE, status=503, code="SlowDown"), grpc.StatusCode.INTERNAL, "UNKNOWN"),
        (errors.TableError("t", "m"), grpc.StatusCode.INTERNAL, "UNKNOWN"),
        (errors.ObjectNotFoundError("m", **STORE, status=404), grpc.StatusCode.NOT_FOUND, "UNKNOWN"),
    ],
)
def test_which(error: errors.PluginError, status: grpc.StatusCode, code: str) -> None:
    """A status tells a client whose fault it is, a code of TestConnection what to look at."""
    assert servicer.status_of(error) is status
    assert servicer._failure_code(error) == code
