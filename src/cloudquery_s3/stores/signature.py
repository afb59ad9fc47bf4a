"""Signature version 4 of S3, as botocore makes it, over a body whose digest is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.auth import SIGV4_TIMESTAMP, S3SigV4Auth
from botocore.awsrequest import AWSRequest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from botocore.credentials import ReadOnlyCredentials


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
