"""What it means that credentials could not be had."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    InvalidChecksumConfigError,
    InvalidConfigError,
    InvalidDefaultsMode,
    InvalidIMDSEndpointError,
    InvalidIMDSEndpointModeError,
    InvalidRetryConfigurationError,
    InvalidS3UsEast1RegionalEndpointConfigError,
    InvalidSTSRegionalEndpointsConfigError,
    MetadataRetrievalError,
    MissingDependencyException,
    ParamValidationError,
)
from botocore.exceptions import ConnectionError as AwsConnectionError
from botocore.parsers import ResponseParserError

from cloudquery_s3.errors import CredentialsError, PluginError, SpecError, StoreUnavailableError
from cloudquery_s3.stores.failures import UNREACHED_CODES, RequestFailedError, answer_failure
from cloudquery_s3.stores.transport_errors import transport_failure

if TYPE_CHECKING:
    from collections.abc import Callable

_UNREACHED: Final = "AWS credentials could not be fetched: {}; check the network and the proxy settings"
_NO_CREDENTIALS: Final = (
    "no AWS credentials: {}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or `credentials.local_profile`, or run "
    "where a role is attached"
)
_NO_ROLE: Final = "the role cannot be assumed: {}; allow sts:AssumeRole on it, and have it trust who asks"
_CONTAINER: Final = "container-role"
_UNKNOWN_TOKEN: Final = "InvalidIdentityToken"  # noqa: S105 - an error's code


def credential_failure(error: Exception) -> Exception:
    """Return what an error of the search means: a RequestFailedError, or the user's error where nothing may pass."""
    return next((words(error) for kinds, words in _MEANINGS if isinstance(error, kinds)), error)


def credentials_error(failure: RequestFailedError, *, operation: str, key: str) -> StoreUnavailableError:
    """Return the user's error for credentials that could not be had.

    That what gives them cannot be reached is a StoreUnavailableError: it says nothing about the credentials.
    """
    is_unreached = failure.code in UNREACHED_CODES or (failure.transient and failure.code != _UNKNOWN_TOKEN)
    kind = StoreUnavailableError if is_unreached else CredentialsError
    refused = _NO_ROLE if operation == "AssumeRole" and failure.status is not None else _NO_CREDENTIALS
    message = (_UNREACHED if is_unreached else refused).format(failure)
    return kind(message, operation=operation, key=key, status=failure.status, code=failure.code)


def _refused(error: Any) -> Exception:
    said, status = error.response.get("Error", {}), error.response["ResponseMetadata"]["HTTPStatusCode"]
    return answer_failure(status, code=said.get("Code", ""), message=said.get("Message", ""))


def _not_whole(_error: Exception) -> Exception:
    """Return a failure without the foreign error's text: it holds what was read, secrets perhaps."""
    return RequestFailedError("the answer of STS is not whole", transient=True)


def _bad_option(error: Exception) -> Exception:
    return SpecError(_on_one_line(error).removeprefix("Parameter validation failed: "), field="credentials")


def _bad_setting(error: Exception) -> Exception:
    problem = _on_one_line(error).rstrip(".")
    return SpecError(
        f"{problem}: correct the environment variable, or the profile's setting", field="AWS configuration"
    )


def _extra_needed(_error: Exception) -> Exception:
    return RequestFailedError(
        "the profile has login_session, which needs an extra: pip install 'cloudquery-destination-s3[login]'"
    )


def _not_retrieved(error: Any) -> Exception:
    return RequestFailedError(_on_one_line(error), transient=error.kwargs.get("provider") == _CONTAINER)


def _on_one_line(error: Exception) -> str:
    return " ".join(str(error).split())


_SETTINGS: Final = (
    InvalidChecksumConfigError,
    InvalidConfigError,
    InvalidDefaultsMode,
    InvalidIMDSEndpointError,
    InvalidIMDSEndpointModeError,
    InvalidRetryConfigurationError,
    InvalidS3UsEast1RegionalEndpointConfigError,
    InvalidSTSRegionalEndpointsConfigError,
)
"""What is wrong with the user's AWS configuration, and nothing with the credentials."""

_MEANINGS: Final[tuple[tuple[tuple[type[Exception], ...], Callable[[Any], Exception]], ...]] = (
    ((PluginError, RequestFailedError), lambda error: error),
    ((ClientError,), _refused),
    ((HTTPClientError, AwsConnectionError), transport_failure),
    ((ResponseParserError, KeyError), _not_whole),
    ((ParamValidationError,), _bad_option),
    (_SETTINGS, _bad_setting),
    ((MissingDependencyException,), _extra_needed),
    ((MetadataRetrievalError,), lambda error: RequestFailedError(_on_one_line(error), transient=True)),
    ((CredentialRetrievalError,), _not_retrieved),
    ((BotoCoreError, RuntimeError, OSError, ValueError), lambda error: RequestFailedError(_on_one_line(error))),
)
"""What each kind of error means; the first that fits counts."""
