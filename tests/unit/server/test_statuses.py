"""Every error has a status, and every failure of a connection test a code."""

from __future__ import annotations

import inspect

import pytest

from cloudquery_s3 import errors
from cloudquery_s3.server import servicer
from cloudquery_s3.server.rpc import Status

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
    assert servicer.status_of(error) is not Status.OK


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (errors.SpecError("m", field="f"), Status.INVALID_ARGUMENT, "INVALID_SPEC"),
        (errors.CredentialsError("m", **STORE, status=403), Status.UNAUTHENTICATED, "UNAUTHENTICATED"),
        (errors.CredentialsError("m", **STORE), Status.UNAUTHENTICATED, "UNAUTHENTICATED"),
        (
            errors.StoreUnavailableError("m", **STORE, status=403, code="AccessDenied"),
            Status.FAILED_PRECONDITION,
            "UNAUTHORIZED",
        ),
        (
            errors.StoreUnavailableError("m", **STORE, status=404, code="NoSuchBucket"),
            Status.FAILED_PRECONDITION,
            "NO_SUCH_BUCKET",
        ),
        (errors.StoreUnavailableError("m", **STORE, status=301), Status.FAILED_PRECONDITION, "INVALID_SPEC"),
        (errors.StoreUnavailableError("m", **STORE), Status.FAILED_PRECONDITION, "UNREACHABLE"),
        (
            errors.StoreUnavailableError("m", **STORE, code="TLS"),
            Status.FAILED_PRECONDITION,
            "UNREACHABLE",
        ),
        (errors.StoreError("m", **STORE, status=503, code="SlowDown"), Status.INTERNAL, "UNKNOWN"),
        (errors.TableError("t", "m"), Status.INTERNAL, "UNKNOWN"),
        (errors.ObjectNotFoundError("m", **STORE, status=404), Status.NOT_FOUND, "UNKNOWN"),
    ],
)
def test_which(error: errors.PluginError, status: Status, code: str) -> None:
    """A status tells a client whose fault it is, a code of TestConnection what to look at."""
    assert servicer.status_of(error) is status
    assert servicer._failure_code(error) == code
