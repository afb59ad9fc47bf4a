"""Signature version 4 at the time that a server goes by: of our requests to S3, and of botocore's clients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from botocore.auth import AUTH_TYPE_MAPS, SIGV4_TIMESTAMP, S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from botocore.credentials import ReadOnlyCredentials
    from botocore.session import Session

    from cloudquery_s3.stores.clock import Clock

_VERSION_4: Final = "v4"
_VERSION_4_BY_CLOCK: Final = "cloudquery-s3-v4-by-clock"
_CLOCK: Final = "cloudquery-s3-clock"
"""Where a request's context has the clock that it is signed by."""


def sign_by(clock: Clock, aws: Session) -> None:
    """Have the clients of a session sign for a clock's time, and correct that clock as requests to the store do.

    A request that is refused for its time is sent again at once, as often as the answer corrects the clock.
    """
    AUTH_TYPE_MAPS[_VERSION_4_BY_CLOCK] = _ClockAuth
    handlers: dict[str, Any] = {  # the stubs do not know that handlers may answer
        "choose-signer": lambda signature_version, **_event: (
            _VERSION_4_BY_CLOCK if signature_version == _VERSION_4 else None
        ),
        "before-sign": lambda request, **_event: request.context.update({_CLOCK: clock}),
        "needs-retry": lambda response, **_event: 0 if _is_corrected(clock, response) else None,
    }
    for event, handler in handlers.items():
        aws.register(event, handler)


def _is_corrected(clock: Clock, response: tuple[Any, Mapping[str, Any]] | None) -> bool:
    """Return whether an answer of botocore's, parsed, refuses a request for its time, and the clock goes right now."""
    if response is None:
        return False
    _, said = response
    date = said.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
    return clock.explains(str(said.get("Error", {}).get("Code", "")), date)


class _ClockAuth(SigV4Auth):
    """Signs a request of botocore's for the time of the clock in its context."""

    def _modify_request_before_signing(self, request: AWSRequest) -> None:
        request.context["timestamp"] = request.context[_CLOCK].now().strftime(SIGV4_TIMESTAMP)
        super()._modify_request_before_signing(request)  # type: ignore[misc] # the stubs leave it out


class Signer(S3SigV4Auth):
    """Signs one request for a region's S3."""

    def __init__(self, credentials: ReadOnlyCredentials, region: str, *, payload: str, now: datetime) -> None:
        """Prepare to sign.

        Args:
            credentials: whose signature it is.
            region: that the bucket is in.
            payload: the body's SHA-256 in hexadecimal, or `UNSIGNED-PAYLOAD`.
            now: the time in UTC, as the store has it.
        """
        super().__init__(credentials, "s3", region)
        self._payload = payload
        self._timestamp = now.strftime(SIGV4_TIMESTAMP)

    def signed(self, method: str, url: str, headers: Mapping[str, str]) -> dict[str, str]:
        """Return a request's headers with its signature among them."""
        request = AWSRequest(method, url, headers=headers)
        self.add_auth(request)
        return dict(request.headers.items())

    def payload(self, request: AWSRequest) -> str:  # noqa: ARG002 - botocore's signature
        """Return the digest that is known, in place of computing it."""
        return self._payload

    def _modify_request_before_signing(self, request: AWSRequest) -> None:
        request.context["timestamp"] = self._timestamp
        super()._modify_request_before_signing(request)  # type: ignore[misc] # the stubs leave it out
