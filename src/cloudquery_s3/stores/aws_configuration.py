"""The user's AWS configuration: environment, shared files and profile, read as the AWS SDK for Go reads them."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any, Final, TypeVar

from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError, ConfigParseError

from cloudquery_s3.errors import SpecError
from cloudquery_s3.stores.credential_failures import credentials_error
from cloudquery_s3.stores.failures import RequestFailedError
from cloudquery_s3.stores.shared_configuration import SharedConfiguration

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from botocore.session import Session

    from cloudquery_s3.errors import StoreUnavailableError
    from cloudquery_s3.stores.s3_settings import S3Settings

log = logging.getLogger(__name__)

_ACCESS_KEYS: Final = ("AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY")
_SECRET_KEYS: Final = ("AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY")
_TOKENS: Final = ("AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN")
"""The first that is set counts. Source: the AWS SDK for Go; the last one is botocore's."""

_SWITCHES: Final = ("use_fips_endpoint", "use_dualstack_endpoint", "ignore_configured_endpoint_urls")
_NUMBERS: Final = ("metadata_service_timeout", "metadata_service_num_attempts")
_WHEN_SUPPORTED: Final = "when_supported"
_CHECKSUM_CHOICES: Final = (_WHEN_SUPPORTED, "when_required")
_PROFILE_VARIABLES: Final = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE")

Reader = TypeVar("Reader", "SharedConfiguration", "Session")


def aws_configuration(settings: S3Settings) -> SharedConfiguration:
    """Return the user's AWS configuration.

    An environment variable that is empty is one that is not set: empty AWS variables are removed from this process's
    environment. AWS_PROFILE counts before AWS_DEFAULT_PROFILE. Shared files that cannot be parsed are left out where
    the environment has keys, with a warning.

    Raises:
        CredentialsError: the shared files cannot be read, or have no such profile.
        SpecError: a switch is neither true nor false; names it.
    """
    aws = _read(settings, lambda given, names: SharedConfiguration(given, profile_variables=names))
    _check_switches(aws)
    return aws


def aws_session(settings: S3Settings) -> Session:
    """Return the same as a session of botocore's, which makes clients and searches for credentials.

    Raises:
        CredentialsError: the shared files cannot be read, or have no such profile.
    """
    return _read(settings, _session)


def _read(settings: S3Settings, make: Callable[[Mapping[str, str], Sequence[str]], Reader]) -> Reader:
    """Return what reads the configuration, made of the values that are given and of the profile's variables."""
    for name in [name for name, value in os.environ.items() if name.startswith("AWS_") and not value.strip()]:
        os.environ.pop(name, None)
    given = {"region": settings.region} | ({"profile": settings.profile} if settings.profile else {})
    try:
        aws = make(given, _PROFILE_VARIABLES)
        aws.get_scoped_config()
    except ConfigParseError as error:
        if settings.profile or not has_keys_in_environment():
            raise _no_configuration(error, settings) from None
        log.warning("shared AWS files are left out: the environment has keys", extra={"cause": str(error)})
        return make(given | {"config_file": os.devnull, "credentials_file": os.devnull}, ())
    except BotoCoreError as error:
        raise _no_configuration(error, settings) from None
    return aws


def has_keys_in_environment() -> bool:
    """Return whether the environment has an access key and its secret."""
    return keys_in_environment() is not None


def keys_in_environment() -> Credentials | None:
    """Return the keys that the environment has; None where it has none, or but one half of them.

    When they end is not looked at, as the AWS SDK for Go does not: the store tells.
    """
    access, secret, token = (
        next((value for name in names if (value := os.environ.get(name))), None)
        for names in (_ACCESS_KEYS, _SECRET_KEYS, _TOKENS)
    )
    return Credentials(access, secret, token, method="env") if access and secret else None


def sends_checksums(aws: SharedConfiguration, *, wanted: bool) -> bool:
    """Return whether uploads carry checksum headers: the spec and AWS_REQUEST_CHECKSUM_CALCULATION must both want it.

    Raises:
        SpecError: the variable, or the profile's `request_checksum_calculation`, is none of its values.
    """
    value = str(aws.get_config_variable("request_checksum_calculation")).lower()
    if value not in _CHECKSUM_CHOICES:
        raise SpecError(f"{value} is not one of {', '.join(_CHECKSUM_CHOICES)}", field="request_checksum_calculation")
    return wanted and value == _WHEN_SUPPORTED


def profile_name(settings: S3Settings) -> str:
    """Return what is searched for credentials, for messages."""
    named = settings.profile or os.environ.get("AWS_PROFILE") or os.environ.get("AWS_DEFAULT_PROFILE")
    return named or "default chain"


def _session(given: Mapping[str, str], profile_variables: Sequence[str]) -> Session:
    from botocore.session import Session  # noqa: PLC0415 -- 3 MB that keys in the environment need not

    variables: Any = {"profile": (None, list(profile_variables), None, None)}  # the stubs know strings only
    aws = Session(session_vars=variables, profile=given.get("profile"))
    for name, value in given.items():
        aws.set_config_variable(name, value)
    return aws


def _check_switches(aws: SharedConfiguration) -> None:
    """Refuse what botocore would take for false, `AWS_USE_FIPS_ENDPOINT=1`, and numbers that are none."""
    for name in _SWITCHES:
        variable = f"AWS_{name.upper()}"
        value = os.environ.get(variable) or aws.get_scoped_config().get(name)
        if value and str(value).lower() not in {"true", "false"}:
            raise SpecError(f"must be true or false, not {value}", field=variable)
    for name in _NUMBERS:
        try:
            aws.get_config_variable(name)
        except ValueError:
            raise SpecError("must be a whole number", field=f"AWS_{name.upper()}") from None


def _no_configuration(error: BotoCoreError, settings: S3Settings) -> StoreUnavailableError:
    failure = RequestFailedError(str(error))
    return credentials_error(failure, operation="GetCredentials", key=profile_name(settings))
