"""How a store's credentials are had: the chain, and the role on top of it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from botocore.credentials import AssumeRoleCredentialFetcher, Credentials, RefreshableCredentials
from botocore.exceptions import NoCredentialsError

from cloudquery_s3.stores.aws_configuration import aws_session, keys_in_environment, profile_name
from cloudquery_s3.stores.credential_chain import credential_chain
from cloudquery_s3.stores.credentials import CredentialSource, snapshot
from cloudquery_s3.stores.signature import sign_by

if TYPE_CHECKING:
    from botocore.session import Session

    from cloudquery_s3.stores.clock import Clock
    from cloudquery_s3.stores.credentials import Snapshot
    from cloudquery_s3.stores.retry import Pause, RetryPolicy
    from cloudquery_s3.stores.s3_settings import AssumedRole, S3Settings
    from cloudquery_s3.stores.transport import Transport

ROLE_DURATION_S: Final = 3600
"""How long an assumed role lasts. Source: docs/authentication.md, "A role"."""


def credential_source(
    settings: S3Settings, transport: Transport, policy: RetryPolicy, pause: Pause, clock: Clock
) -> CredentialSource:
    """Return the source of the credentials that a store's settings name. Searches when first used."""

    def load() -> Snapshot:
        keys = None if settings.profile or settings.role else keys_in_environment()
        if keys is not None:
            return snapshot(keys)
        aws = aws_session(settings)
        sign_by(clock, aws)
        found = credential_chain(aws, transport).load_credentials()
        if found is None:
            raise NoCredentialsError
        return snapshot(_assume(settings.role, found, aws) if settings.role else found)

    return CredentialSource(
        load,
        operation="AssumeRole" if settings.role else "GetCredentials",
        name=settings.role.arn if settings.role else profile_name(settings),
        policy=policy,
        pause=pause,
        clock=clock,
    )


def _assume(role: AssumedRole, base: Credentials, aws: Session) -> Credentials:
    keys = snapshot(base).keys
    fetcher = AssumeRoleCredentialFetcher(
        client_creator=partial(aws.create_client, region_name=aws.get_config_variable("region")),
        source_credentials=Credentials(str(keys.access_key), str(keys.secret_key), keys.token),
        role_arn=role.arn,
        extra_args={
            "DurationSeconds": ROLE_DURATION_S,
            **({"RoleSessionName": role.role_session_name} if role.role_session_name else {}),
            **({"ExternalId": role.external_id} if role.external_id else {}),
        },
    )
    fetch = fetcher.fetch_credentials
    return RefreshableCredentials.create_from_metadata(fetch(), refresh_using=fetch, method="assume-role")
