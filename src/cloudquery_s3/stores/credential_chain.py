"""Where credentials are searched: botocore's chain, with what the AWS SDK for Go does differently."""

from __future__ import annotations

import io
import json
import re
import subprocess
from typing import TYPE_CHECKING, Any, Final, NoReturn

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config
from botocore.credentials import (
    AssumeRoleProvider,
    CredentialProvider,
    CredentialResolver,
    Credentials,
    EnvProvider,
    ProcessProvider,
    ProfileProviderBuilder,
    RefreshableCredentials,
    create_credential_resolver,
)
from botocore.exceptions import CredentialRetrievalError

from cloudquery_s3.errors import CredentialsError
from cloudquery_s3.stores.aws_configuration import has_keys_in_environment, keys_in_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from botocore.session import Session

    from cloudquery_s3.stores.transport import Transport

_ZONE: Final = re.compile(r"(?:Z|[+-]\d\d:?\d\d)$", re.IGNORECASE)
_PROCESS_TIMEOUT_S: Final = 60
_METADATA_ADDRESS: Final = "http://169.254.169.254/"
_METADATA_ATTEMPTS: Final = 3
"""How often the metadata service of an EC2 instance is asked. Both sources: the AWS SDK for Go."""


def credential_chain(aws: Session, transport: Transport) -> CredentialResolver:
    """Return what searches for credentials; whatever it asks by HTTP of AWS goes once, through `transport`.

    Nothing in it ever prompts. A lone access key in the environment is passed over.
    """
    aws.set_default_client_config(Config(retries={"total_max_attempts": 1}))  # the store's own policy repeats
    send: Any = _sends_through(transport)  # the stubs do not know that a handler may answer
    aws.register("before-send", send)
    if has_keys_in_environment():  # then nobody asks an instance, whatever is said of it
        aws.set_config_variable("ec2_metadata_service_endpoint", _METADATA_ADDRESS)
        aws.set_config_variable("ec2_metadata_service_endpoint_mode", "ipv4")
    configured = int(aws.get_config_variable("metadata_service_num_attempts"))
    aws.set_config_variable("metadata_service_num_attempts", max(configured, _METADATA_ATTEMPTS))
    resolver = create_credential_resolver(aws)
    resolver.providers = [_as_go_does(provider, aws) for provider in resolver.providers]
    return resolver


def _as_go_does(provider: CredentialProvider, aws: Session) -> CredentialProvider:
    if isinstance(provider, EnvProvider):
        return _WholeKeys()
    if isinstance(provider, ProcessProvider):
        return _process(aws, aws.get_config_variable("profile") or "default")
    if isinstance(provider, AssumeRoleProvider):
        made: Any = provider  # botocore makes it, and has no way to say this
        made._prompter = _refuse_to_prompt  # noqa: SLF001 - as said
        made._profile_provider_builder = _Profiles(aws)  # noqa: SLF001 - as said
    return provider


def _refuse_to_prompt(_prompt: str) -> NoReturn:
    raise CredentialsError(
        "the profile has mfa_serial, and a sync cannot ask for a code: run `aws sts get-session-token --serial-number "
        "… --token-code …` and set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN to what it prints",
        operation="AssumeRole",
        key="mfa_serial",
    )


class _WholeKeys(CredentialProvider):
    """The environment's keys, where both are there."""

    METHOD = EnvProvider.METHOD

    def load(self) -> Credentials | None:
        return keys_in_environment()


class _Profiles(ProfileProviderBuilder):
    """What a profile may hold, for profiles that others name as their source."""

    def __init__(self, aws: Session) -> None:
        super().__init__(aws, cache={})
        self._aws = aws

    def _create_process_provider(self, profile_name: str) -> CredentialProvider:
        return _process(self._aws, profile_name)


def _process(aws: Session, profile_name: str) -> CredentialProvider:
    return _ShellProcess(profile_name, load_config=lambda: aws.full_config)


class _ShellProcess(CredentialProvider):
    """A profile's `credential_process`, run by the shell; what it writes to stderr is dropped: it may hold secrets."""

    METHOD = ProcessProvider.METHOD

    def __init__(self, profile_name: str, *, load_config: Callable[[], Any]) -> None:
        super().__init__()
        self._profile_name = profile_name
        self._load_config = load_config

    def load(self) -> Credentials | None:
        profile = self._load_config().get("profiles", {}).get(self._profile_name, {})
        command = profile.get("credential_process")
        if not command:
            return None
        found = self._run(command)
        if found["expiry_time"]:
            return RefreshableCredentials.create_from_metadata(found, lambda: self._run(command), self.METHOD)
        return Credentials(found["access_key"], found["secret_key"], found["token"], method=self.METHOD)

    def _run(self, command: str) -> dict[str, Any]:
        try:
            ended = subprocess.run(  # noqa: S602 - the user's own command, which AWS documents to run in a shell
                command,
                shell=True,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=_PROCESS_TIMEOUT_S,
                check=False,
            )
            said = json.loads(ended.stdout) if ended.returncode == 0 else {}
        except subprocess.TimeoutExpired:
            raise self._failed(f"it did not end within {_PROCESS_TIMEOUT_S} s") from None
        except (ValueError, RecursionError):
            raise self._failed("what it prints is not JSON") from None
        if ended.returncode:
            raise self._failed(f"it ended with status {ended.returncode}; run it in a terminal to see why")
        if not isinstance(said, dict) or said.get("Version") != 1:
            raise self._failed("what it prints has no Version 1")
        if not (said.get("AccessKeyId") and said.get("SecretAccessKey")):
            raise self._failed("what it prints has no AccessKeyId or no SecretAccessKey")
        return {
            "access_key": said["AccessKeyId"],
            "secret_key": said["SecretAccessKey"],
            "token": said.get("SessionToken"),
            "expiry_time": _in_utc(str(said.get("Expiration") or "")),
        }

    def _failed(self, why: str) -> CredentialRetrievalError:
        return CredentialRetrievalError(
            provider=self.METHOD, error_msg=f"credential_process of profile {self._profile_name}: {why}"
        )


def _in_utc(time: str) -> str:
    """Return a time with its zone; a process that leaves it out means UTC."""
    return time if not time or _ZONE.search(time) else f"{time}Z"


class _Stream(io.BytesIO):
    """A whole answer, as botocore reads one."""

    def stream(self, **_options: Any) -> Iterator[bytes]:
        yield self.read()


def _sends_through(transport: Transport) -> Callable[..., AWSResponse]:
    """Return a handler of botocore's that sends a request by our transport: its proxies, authorities and time-outs."""

    def send(request: AWSPreparedRequest, **_event: Any) -> AWSResponse:
        body: Any = request.body or b""
        headers = {
            name: value.decode() if isinstance(value, bytes) else str(value) for name, value in request.headers.items()
        }
        answer = transport.send(request.method, request.url, headers, [body] if body else [])
        raw: Any = _Stream(answer.body)
        said: Any = answer.headers
        return AWSResponse(request.url, answer.status, said, raw)

    return send
