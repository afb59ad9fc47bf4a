"""What this plugin uses of botocore, urllib3 and http.client that is not promised to stay: each name has its alarm.

A test that fails here says what has changed in a new release, before a sync would notice.
"""

from __future__ import annotations

import ast
import http.client
import importlib
import inspect
from datetime import UTC, datetime
from pathlib import Path

import pytest
from botocore import auth, credentials, endpoint, httpsession
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.endpoint_provider import EndpointProvider
from botocore.session import Session
from urllib3.connection import HTTPConnection

import cloudquery_s3
from cloudquery_s3.stores.endpoint import endpoint_rules
from cloudquery_s3.stores.shared_configuration import SharedConfiguration
from cloudquery_s3.stores.signature import Signer

KEYS = credentials.ReadOnlyCredentials("AKID", "secret", None)


def source(of: object) -> str:
    """Return the source of a class or function."""
    return inspect.getsource(of)  # type: ignore[arg-type] # whatever has a source


@pytest.mark.parametrize(
    ("where", "name", "used_for"),
    [
        (credentials.AssumeRoleProvider, "_prompter", "mfa_serial would prompt again: see credential_chain.py"),
        (
            credentials.AssumeRoleProvider,
            "_profile_provider_builder",
            "credential_process of a source profile would run without a shell: see credential_chain.py",
        ),
        (
            credentials.RefreshableCredentials,
            "_advisory_refresh_timeout",
            "credentials with minutes left would be fetched for every request: see credentials.py",
        ),
        (
            credentials.RefreshableCredentials,
            "_mandatory_refresh_timeout",
            "credentials with minutes left would be fetched for every request: see credentials.py",
        ),
        (credentials.RefreshableCredentials, "_expiry_time", "credentials would never be renewed: see credentials.py"),
        (
            credentials.ProfileProviderBuilder,
            "_create_process_provider",
            "credential_process of a source profile would run without a shell: see credential_chain.py",
        ),
        (
            auth.S3SigV4Auth,
            "_modify_request_before_signing",
            "requests would be signed for this machine's clock: see signature.py",
        ),
        (
            auth.SigV4Auth,
            "_modify_request_before_signing",
            "STS and Glue would be asked for this machine's time: see signature.py",
        ),
        (
            credentials.RefreshableCredentials,
            "_frozen_credentials",
            "credentials would be refused that have ended by a wrong clock: see credentials.py",
        ),
        (
            endpoint.Endpoint,
            "needs-retry",
            "STS and Glue would not be asked again at their own time: see signature.py",
        ),
        (
            endpoint.Endpoint,
            "before-send",
            "STS would not go through our proxies and authorities: see credential_chain.py",
        ),
    ],
)
def test_a_private_name_is_still_there(where: type, name: str, used_for: str) -> None:
    """Each private name that is set or overridden is still read by its class."""
    assert name in source(where), f"{where.__module__}.{where.__name__} no longer has {name}: {used_for}"


UNDOCUMENTED = {
    "botocore.auth.AUTH_TYPE_MAPS": "signature.py",
    "botocore.auth.S3SigV4Auth": "signature.py",
    "botocore.auth.SIGV4_TIMESTAMP": "signature.py",
    "botocore.auth.SigV4Auth": "signature.py",
    "botocore.awsrequest.AWSPreparedRequest": "credential_chain.py",
    "botocore.awsrequest.AWSRequest": "signature.py",
    "botocore.awsrequest.AWSResponse": "credential_chain.py",
    "botocore.configloader.load_config": "shared_configuration.py",
    "botocore.configloader.raw_config_parse": "shared_configuration.py",
    "botocore.configprovider.ConfigChainFactory": "shared_configuration.py",
    "botocore.configprovider.ConfigValueStore": "shared_configuration.py",
    "botocore.configprovider.ConfiguredEndpointProvider": "endpoint.py",
    "botocore.configprovider.create_botocore_default_config_mapping": "shared_configuration.py",
    "botocore.credentials.AssumeRoleCredentialFetcher": "roles.py",
    "botocore.credentials.AssumeRoleProvider": "credential_chain.py",
    "botocore.credentials.CredentialProvider": "credential_chain.py",
    "botocore.credentials.CredentialResolver": "credential_chain.py",
    "botocore.credentials.Credentials": "credential_chain.py",
    "botocore.credentials.EnvProvider": "credential_chain.py",
    "botocore.credentials.ProcessProvider": "credential_chain.py",
    "botocore.credentials.ProfileProviderBuilder": "credential_chain.py",
    "botocore.credentials.ReadOnlyCredentials": "credentials.py",
    "botocore.credentials.RefreshableCredentials": "credentials.py",
    "botocore.credentials.create_credential_resolver": "credential_chain.py",
    "botocore.endpoint_provider.EndpointProvider": "endpoint.py",
    "botocore.httpsession.DEFAULT_CA_BUNDLE": "trust.py",
    "botocore.loaders.Loader": "shared_configuration.py",
    "botocore.loaders.create_loader": "shared_configuration.py",
    "botocore.parsers.ResponseParserError": "credential_failures.py",
}
"""What is imported, and not in botocore's documentation; and where."""

DOCUMENTED = ("botocore.config.", "botocore.exceptions.", "botocore.session.")


@pytest.mark.parametrize("name", UNDOCUMENTED)
def test_an_undocumented_name_is_still_there(name: str) -> None:
    """Each name that botocore does not document, but that is imported, is there."""
    module, _, what = name.rpartition(".")
    there = hasattr(importlib.import_module(module), what)
    assert there, f"botocore no longer has {name}, which {UNDOCUMENTED[name]} imports"


def test_every_import_has_its_alarm() -> None:
    """Whatever the plugin imports of botocore is documented, or in the list above."""
    imported = set()
    for file in Path(cloudquery_s3.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("botocore."):
                imported |= {f"{node.module}.{alias.name}" for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module == "botocore":
                imported |= {f"botocore.{alias.name}." for alias in node.names}
    assert {name for name in imported if not name.startswith(DOCUMENTED)} == UNDOCUMENTED.keys()


def test_the_rules_of_endpoints_are_still_there() -> None:
    """Botocore still ships S3's endpoint rules where they are looked for, and resolves a bucket by them."""
    found = EndpointProvider(*endpoint_rules(SharedConfiguration({}, profile_variables=()))).resolve_endpoint(
        Bucket="bkt", Region="eu-west-1"
    )
    assert found.url == "https://bkt.s3.eu-west-1.amazonaws.com", "the endpoint rules have changed: see endpoint.py"


def test_the_metadata_services_attempts_can_be_set() -> None:
    """How often the metadata service is asked is still a variable of the session's."""
    session = Session()
    session.set_config_variable("metadata_service_num_attempts", 3)
    (provider,) = (one for one in credentials.create_credential_resolver(session).providers if one.METHOD == "iam-role")
    attempts = provider._role_fetcher._num_attempts
    assert attempts == 3, "metadata_service_num_attempts no longer counts: see credential_chain.py"


def test_the_bundle_of_authorities_is_a_file() -> None:
    """Botocore still brings authorities for systems that have none."""
    assert Path(httpsession.DEFAULT_CA_BUNDLE).is_file(), "botocore brings no cacert.pem: trust.py needs certifi now"


def test_the_chain_can_be_replaced() -> None:
    """A resolver's providers are a list that may be exchanged, and hold the classes that are."""
    resolver = credentials.create_credential_resolver(Session())
    kinds = {type(provider) for provider in resolver.providers}
    wanted = {credentials.EnvProvider, credentials.ProcessProvider, credentials.AssumeRoleProvider}
    assert wanted <= kinds, f"the chain lacks {wanted - kinds}: credential_chain.py replaces them by class"


@pytest.mark.parametrize("payload", ["UNSIGNED-PAYLOAD", "0" * 64])
def test_the_signature_is_botocores(payload: str) -> None:
    """Our signer names the payload and the time that it was given, and else signs as botocore does."""
    now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    url, headers = "https://bkt.s3.test/a%20b?partNumber=1&uploadId=u%2F1", {"x-amz-acl": "private"}
    signed = Signer(KEYS, "eu-west-1", payload=payload, now=now).signed("PUT", url, headers)
    assert (signed["X-Amz-Content-SHA256"], signed["X-Amz-Date"]) == (payload, "20260102T030405Z")

    class Plain(auth.S3SigV4Auth):
        def payload(self, request: AWSRequest) -> str:  # noqa: ARG002 - botocore's signature
            return payload

    request = AWSRequest("PUT", url, headers=headers)
    request.context["timestamp"] = "20260102T030405Z"
    request.headers["X-Amz-Date"] = "20260102T030405Z"
    request.headers["X-Amz-Content-SHA256"] = payload
    plain = Plain(KEYS, "s3", "eu-west-1")
    expected = plain.signature(plain.string_to_sign(request, plain.canonical_request(request)), request)
    assert signed["Authorization"].endswith(f"Signature={expected}"), "S3SigV4Auth has changed: see signature.py"


def test_logins_have_their_name() -> None:
    """Credentials of `aws login` call themselves `login`."""
    assert credentials.LoginProvider.METHOD == "login", "they would not be renewed in time: see credentials.py"


def test_a_handler_may_answer_for_botocore() -> None:
    """`before-send` still takes the answer that a handler returns."""
    assert "first_non_none_response" in source(endpoint.Endpoint), "before-send no longer takes answers"
    answer = AWSResponse("http://x", 200, {"A": "b"}, None)  # type: ignore[arg-type] # a test's shorthand
    assert answer.headers["a"] == "b"


def test_a_connections_response_can_be_chosen() -> None:
    """http.client still makes answers by `response_class`, through urllib3, and reads up to `length`."""
    assert issubclass(HTTPConnection, http.client.HTTPConnection)
    assert "response_class" in source(http.client.HTTPConnection.getresponse), "see _TolerantResponse in transport.py"
    assert "self.length" in source(http.client.HTTPResponse.read), "see _TolerantResponse in transport.py"
