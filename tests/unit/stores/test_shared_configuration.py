"""The configuration of AWS that is read without a session of botocore's."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from unittest import mock

import pytest
from botocore.configprovider import BOTOCORE_DEFAUT_SESSION_VARIABLES
from botocore.exceptions import BotoCoreError
from hypothesis import given
from hypothesis import strategies as st

from cloudquery_s3.errors import CredentialsError, SpecError, StoreUnavailableError
from cloudquery_s3.stores.aws_configuration import aws_configuration, aws_session, keys_in_environment
from cloudquery_s3.stores.credential_chain import credential_chain
from cloudquery_s3.stores.s3_settings import S3Settings
from cloudquery_s3.stores.transport import Transport
from s3_servers import isolated_environment

if TYPE_CHECKING:
    from collections.abc import Callable

NAMES = sorted(set(BOTOCORE_DEFAUT_SESSION_VARIABLES) | {"s3", "proxies_config"})
PROFILES = st.sampled_from(["default", "one", "two words"])
VALUES = st.sampled_from(["true", "false", "3", "eu-west-1", "https://example.com", "", "ä"])
KEYS = st.sampled_from(
    ["region", "use_fips_endpoint", "endpoint_url", "ca_bundle", "metadata_service_timeout", "retry_mode", "services"]
)
VARIABLES = st.sampled_from(
    ["AWS_DEFAULT_REGION", "AWS_USE_FIPS_ENDPOINT", "AWS_ENDPOINT_URL", "AWS_CA_BUNDLE", "AWS_METADATA_SERVICE_TIMEOUT"]
)
SECTIONS = st.dictionaries(PROFILES, st.dictionaries(KEYS, VALUES, max_size=3), max_size=3)
ENVIRONMENTS = st.fixed_dictionaries({}, optional={"AWS_PROFILE": PROFILES, "AWS_DEFAULT_PROFILE": PROFILES}).flatmap(
    lambda named: st.dictionaries(VARIABLES, VALUES, max_size=3).map(lambda others: {**others, **named})
)
CREDENTIALS = st.fixed_dictionaries(
    {},
    optional={
        "AWS_ACCESS_KEY_ID": st.sampled_from(["", "AKID"]),
        "AWS_SECRET_ACCESS_KEY": st.sampled_from(["", "secret"]),
        "AWS_SESSION_TOKEN": st.just("token"),
        "AWS_SECURITY_TOKEN": st.just("older"),
        "AWS_CREDENTIAL_EXPIRATION": st.just("2999-01-01T00:00:00Z"),
        "AWS_ACCOUNT_ID": st.just("123456789012"),
    },
)
FAULTS = (BotoCoreError, CredentialsError, StoreUnavailableError, SpecError, ValueError)
Read = TypeVar("Read")


def written(sections: dict[str, dict[str, str]], *, of_config: bool) -> str:
    """Return a shared file: in the first of them profiles have a word before their names."""
    lines = []
    for name, values in sections.items():
        lines.append(f'[profile "{name}"]' if of_config and name != "default" else f"[{name}]")
        lines += [f"{key} = {value}" for key, value in values.items()]
    return "\n".join(lines)


def told(read: object, name: str) -> str:
    """Return what a reader says of a variable, or how it fails."""
    try:
        value = read.get_config_variable(name)  # type: ignore[attr-defined] # both readers have it
        return repr(dict(value) if name in {"s3", "proxies_config"} and value else value)
    except FAULTS as error:
        return f"{type(error).__name__}: {error}"


def opened(read: Callable[[S3Settings], Read], settings: S3Settings) -> Read | Exception:
    """Return a reader, or how it fails."""
    try:
        return read(settings)
    except FAULTS as error:
        return error


@given(config=SECTIONS, secrets=SECTIONS, environment=ENVIRONMENTS, profile=st.none() | PROFILES, broken=st.booleans())
def test_every_variable_is_read_as_a_session_reads_it(
    config: dict[str, dict[str, str]],
    secrets: dict[str, dict[str, str]],
    environment: dict[str, str],
    profile: str | None,
    broken: bool,
) -> None:
    """Whatever environment and files say, each variable and the profile are what botocore's own session finds."""
    settings = S3Settings("bkt", "eu-west-1", profile=profile or "")
    with tempfile.TemporaryDirectory() as folder:
        places = {"AWS_CONFIG_FILE": f"{folder}/config", "AWS_SHARED_CREDENTIALS_FILE": f"{folder}/credentials"}
        Path(places["AWS_CONFIG_FILE"]).write_text(written(config, of_config=True) + ("\n[broken" if broken else ""))
        Path(places["AWS_SHARED_CREDENTIALS_FILE"]).write_text(written(secrets, of_config=False))
        with mock.patch.dict(os.environ, isolated_environment() | places | environment):
            light, session = opened(aws_configuration, settings), opened(aws_session, settings)
            if isinstance(light, SpecError):
                return  # a switch that is none: sessions are made after that has been checked
            if isinstance(light, Exception) or isinstance(session, Exception):
                assert repr(light) == repr(session)
                return
            assert light.full_config == session.full_config
            assert light.get_scoped_config() == session.get_scoped_config()
            assert {name: told(light, name) for name in NAMES} == {name: told(session, name) for name in NAMES}


@given(environment=CREDENTIALS, profile=st.sampled_from(["", "AWS_PROFILE"]))
def test_the_keys_of_the_environment_are_those_that_the_chain_finds_first(
    environment: dict[str, str], profile: str
) -> None:
    """Whoever has both keys in the environment gets from the whole chain what the short way gives."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "config").write_text(
            "[profile own]\naws_access_key_id = OTHER\naws_secret_access_key = other\n[default]\n"
            "aws_access_key_id = DEFAULT\naws_secret_access_key = default\n"
        )
        named = {"AWS_CONFIG_FILE": f"{folder}/config"} | ({profile: "own"} if profile else {})
        with mock.patch.dict(os.environ, isolated_environment() | named | environment):
            transport = Transport(lambda: pytest.fail("TLS"), unverified=(), connect_timeout_s=1, read_timeout_s=1)
            found = credential_chain(aws_session(S3Settings("bkt", "eu-west-1")), transport).load_credentials()
            light = keys_in_environment()
    assert found is not None
    has_both = bool(environment.get("AWS_ACCESS_KEY_ID") and environment.get("AWS_SECRET_ACCESS_KEY"))
    assert (light is not None) == has_both == (found.method == "env")
    if light is not None:
        assert type(light) is type(found)
        assert light.get_frozen_credentials() == found.get_frozen_credentials()


def test_keys_in_the_environment_need_no_session() -> None:
    """A store whose keys are in the environment is made without botocore's session, clients and documents."""
    program = (
        "import sys; from cloudquery_s3.stores.s3 import S3Store; from cloudquery_s3.stores.s3_settings import "
        "S3Settings; S3Store(S3Settings('bkt', 'eu-west-1')); "
        "print({'botocore.session', 'botocore.client', 'botocore.docs', 'botocore.handlers'} & set(sys.modules))"
    )
    keys = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret"}
    ended = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | keys, capture_output=True, text=True, check=True
    )
    assert ended.stdout == "set()\n"
