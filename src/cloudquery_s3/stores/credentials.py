"""Whose credentials sign the requests: botocore's chain, optionally a role on top of it."""

from __future__ import annotations

import logging
import threading
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from botocore.config import Config
from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, NoCredentialsError
from botocore.exceptions import ConnectionError as AwsConnectionError
from botocore.parsers import ResponseParserError
from botocore.session import Session

from cloudquery_s3.cancellation import Cancellation
from cloudquery_s3.stores.endpoint import configured_endpoint
from cloudquery_s3.stores.s3_errors import RequestFailedError, answer_failure, credentials_error, transport_failure

if TYPE_CHECKING:
    from collections.abc import Callable

    from botocore.credentials import Credentials, ReadOnlyCredentials

    from cloudquery_s3.stores.retry import Pause, RetryPolicy
    from cloudquery_s3.stores.s3_settings import AssumedRole, S3Settings

log = logging.getLogger(__name__)

ROLE_DURATION_S: Final = 3600
"""How long an assumed role lasts; it is assumed anew a quarter of an hour before that. Source: contract A.7."""


class CredentialSource:
    """Gives the credentials that are valid now. Safe to use from several threads; never shows a secret in its repr.

    Credentials that say when they end (roles, SSO, web identity, containers, instances, processes) are renewed before.
    """

    def __init__(self, load: Callable[[], Credentials], *, name: str) -> None:
        """Make a source.

        Args:
            load: searches the whole chain afresh.
            name: what is searched, for messages: a profile, a role's ARN.
        """
        self._load = load
        self._name = name
        self._lock = threading.Lock()
        self._credentials: Credentials | None = None

    def current(self, cancellation: Cancellation) -> ReadOnlyCredentials:
        """Return the credentials to sign with.

        Raises:
            CredentialsError: there are none, or they could not be renewed.
            ObjectCancelledError: the object was given up.
        """
        with self._lock:
            cancellation.check()
            return self._frozen()

    def renew(self, refused: ReadOnlyCredentials, cancellation: Cancellation) -> bool:
        """Search the chain again because the store has refused these credentials; return whether there are others now.

        Raises:
            CredentialsError: there are none any more.
            ObjectCancelledError: the object was given up.
        """
        with self._lock:
            cancellation.check()
            if self._frozen() == refused:
                self._credentials = None
            return self._frozen() != refused

    def _frozen(self) -> ReadOnlyCredentials:
        try:
            if self._credentials is None:
                self._credentials = self._load()
            return self._credentials.get_frozen_credentials()
        except (BotoCoreError, ClientError, RequestFailedError, RuntimeError, OSError, ValueError) as error:
            raise credentials_error(error, operation="GetCredentials", key=self._name) from None


def aws_configuration(settings: S3Settings, *, makes_clients: bool = False) -> Session:
    """Return the user's AWS configuration: environment, shared files and profile.

    Args:
        settings: name the profile and the region.
        makes_clients: whether credentials shall be fetched with it; botocore's handlers for that take a while to list.

    Raises:
        CredentialsError: the shared files cannot be read, or have no such profile.
    """
    aws = Session(profile=settings.profile or None, include_builtin_handlers=makes_clients)
    aws.set_config_variable("region", settings.region)
    try:
        aws.get_scoped_config()
    except BotoCoreError as error:
        raise credentials_error(error, operation="GetCredentials", key=settings.profile) from None
    return aws


def credential_source(settings: S3Settings, policy: RetryPolicy, pause: Pause) -> CredentialSource:
    """Return the source of the credentials that a store's settings name. Searches when first used."""

    def load() -> Credentials:
        aws = aws_configuration(settings, makes_clients=True)
        base = aws.get_credentials()
        if base is None:
            raise NoCredentialsError
        return _assume(settings.role, base, aws, settings, policy, pause) if settings.role else base

    name = settings.role.arn if settings.role else settings.profile or "default chain"
    return CredentialSource(load, name=name)


def _assume(
    role: AssumedRole, base: Credentials, aws: Session, settings: S3Settings, policy: RetryPolicy, pause: Pause
) -> Credentials:
    fetcher = AssumeRoleCredentialFetcher(
        client_creator=_sts_client_creator(aws, settings),
        source_credentials=base,
        role_arn=role.arn,
        extra_args={
            "DurationSeconds": ROLE_DURATION_S,
            **({"RoleSessionName": role.role_session_name} if role.role_session_name else {}),
            **({"ExternalId": role.external_id} if role.external_id else {}),
        },
    )

    def fetch() -> dict[str, Any]:
        try:
            return fetcher.fetch_credentials()
        except (BotoCoreError, ClientError) as error:
            raise _sts_failure(error) from error
        except (ResponseParserError, KeyError):
            # Not whole, or no credentials in it. What it holds is in the foreign error's text: secrets, perhaps.
            raise RequestFailedError("the answer of STS is not whole", transient=True) from None

    def on_retry(attempt: int, failure: RequestFailedError) -> None:
        where = {"operation": "AssumeRole", "key": role.arn}
        log.warning("sending again", extra={**where, "attempt": attempt, "cause": str(failure)})

    return DeferredRefreshableCredentials(
        refresh_using=lambda: policy.run(fetch, pause, Cancellation(), on_retry), method="assume-role"
    )


def _sts_client_creator(aws: Session, settings: S3Settings) -> Callable[..., Any]:
    """Return how STS clients are made: in the spec's region, tried once at a time (the policy repeats).

    The endpoint's TLS option holds for STS where STS is served from the same host.
    """
    sts_endpoint = configured_endpoint(aws, "sts")
    own_host = bool(settings.endpoint) and urlsplit(sts_endpoint).netloc == urlsplit(settings.endpoint).netloc
    config = Config(
        retries={"total_max_attempts": 1},
        connect_timeout=settings.connect_timeout_s,
        read_timeout=settings.read_timeout_s,
    )
    verify = False if own_host and settings.skip_tls_verify else None
    return partial(aws.create_client, region_name=settings.region, config=config, verify=verify)


def _sts_failure(error: BotoCoreError | ClientError) -> RequestFailedError:
    if isinstance(error, ClientError):
        said, status = error.response.get("Error", {}), error.response["ResponseMetadata"]["HTTPStatusCode"]
        return answer_failure(status, code=said.get("Code", ""), message=said.get("Message", ""))
    if isinstance(error, (HTTPClientError, AwsConnectionError)):
        return transport_failure(error)
    return RequestFailedError(str(error))
