"""AWS variables, shared files and profiles, as people have them, also by mistake."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import importlib
import json
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from captured import capture_logs
from cloudquery_s3.cancellation import Cancellation
from cloudquery_s3.errors import CredentialsError, SpecError, StoreUnavailableError
from cloudquery_s3.stores.s3 import S3Store
from cloudquery_s3.stores.s3_settings import AssumedRole, S3Settings
from wire_server import CLOSE, NoPause, Reply, WireServer, wire_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
ROLE_ARN = "arn:aws:iam::123456789012:role/writer"
EMPTY = [
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_SESSION_TOKEN",
    "AWS_METADATA_SERVICE_TIMEOUT",
    "AWS_METADATA_SERVICE_NUM_ATTEMPTS",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CA_BUNDLE",
    "AWS_ENDPOINT_URL_S3",
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_REQUEST_CHECKSUM_CALCULATION",
    "AWS_CONFIG_FILE",
]


def signer(wire: WireServer, **changes: Any) -> str:
    """Write an object; return the access key that signed it."""
    options = {"bucket": "bkt", "region": "eu-west-1", "endpoint": wire.endpoint, **changes}
    store = S3Store(S3Settings(**options), NoPause())
    writer = store.open("key", Cancellation())
    writer.write([b"x"])
    writer.commit()
    store.close()
    return wire.requests[-1].headers["authorization"].partition("Credential=")[2].partition("/")[0]


@pytest.fixture
def config(tmp_path: Path, nobody: None, monkeypatch: pytest.MonkeyPatch) -> Path:  # noqa: ARG001 - a fixture
    """The shared configuration file; nobody has keys anywhere else."""
    file = tmp_path / "config"
    monkeypatch.setenv("AWS_CONFIG_FILE", str(file))
    return file


@pytest.fixture
def s3(nobody: None) -> Iterator[WireServer]:  # noqa: ARG001 - a fixture
    """A server that records."""
    with wire_server() as server:
        yield server


def profile(name: str, **values: str) -> str:
    """Return a profile's section."""
    return f"[profile {name}]\n" + "".join(f"{key} = {value}\n" for key, value in values.items())


def keys(access_key: str) -> dict[str, str]:
    """Return a profile's own keys."""
    return {"aws_access_key_id": access_key, "aws_secret_access_key": "secret"}


@pytest.mark.parametrize("name", EMPTY)
@pytest.mark.parametrize("value", ["", " "])
def test_an_empty_variable_is_unset(wire: WireServer, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """A variable that is set to nothing, as templates do, changes nothing."""
    monkeypatch.setenv(name, value)
    assert signer(wire) == "AKIDEXAMPLE"


def test_aws_profile_counts_first(s3: WireServer, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS_PROFILE beats AWS_DEFAULT_PROFILE, and the latter counts where it is alone."""
    config.write_text(profile("first", **keys("AKIDFIRST")) + profile("second", **keys("AKIDSECOND")))
    monkeypatch.setenv("AWS_DEFAULT_PROFILE", "second")
    assert signer(s3) == "AKIDSECOND"
    monkeypatch.setenv("AWS_PROFILE", "first")
    assert signer(s3) == "AKIDFIRST"


@pytest.mark.parametrize("content", [b"no section = 1\n", b"[unclosed\n", b"\xff\xfe"])
@pytest.mark.parametrize("variable", ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"])
def test_a_broken_shared_file_does_not_stop_who_has_keys(
    wire: WireServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, content: bytes
) -> None:
    """With keys in the environment a shared file that cannot be parsed is a warning; without them, an error."""
    broken = tmp_path / "broken"
    broken.write_bytes(content)
    monkeypatch.setenv(variable, str(broken))
    with capture_logs() as logs:
        assert signer(wire) == "AKIDEXAMPLE"
    assert [log["event"] for log in logs if log["log_level"] == "warning"].count(
        "shared AWS files are left out: the environment has keys"
    )
    for name in KEYS:
        monkeypatch.delenv(name)
    with pytest.raises(CredentialsError, match=str(broken)):
        signer(wire)


@pytest.mark.parametrize("alone", KEYS)
def test_half_a_key_is_passed_over(s3: WireServer, config: Path, monkeypatch: pytest.MonkeyPatch, alone: str) -> None:
    """An access key without its secret, or the other way round, leaves the search to go on."""
    config.write_text("[default]\naws_access_key_id = AKIDFILE\naws_secret_access_key = secret\n")
    monkeypatch.setenv(alone, "half")
    assert signer(s3) == "AKIDFILE"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "garbage"),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "x"),
        ("AWS_CREDENTIAL_EXPIRATION", "x"),
        ("AWS_CREDENTIAL_EXPIRATION", "2020-01-01T00:00:00Z"),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "garbage"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere"),
        ("AWS_ROLE_ARN", "x"),
    ],
)
@pytest.mark.parametrize("role", [None, AssumedRole(ROLE_ARN, "nightly")])
def test_what_is_said_of_other_sources_does_not_stop_who_has_keys(
    wire: WireServer, monkeypatch: pytest.MonkeyPatch, name: str, value: str, role: AssumedRole | None
) -> None:
    """With keys in the environment nothing else is searched, so that nothing else can be wrong; nor do they end."""
    monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", wire.endpoint)
    assert signer(wire, role=role) == ("AKIDROLE" if role else "AKIDEXAMPLE")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AWS_RETRY_MODE", "bogus"),
        ("AWS_DEFAULTS_MODE", "bogus"),
        ("AWS_STS_REGIONAL_ENDPOINTS", "bogus"),
        ("AWS_REQUEST_MIN_COMPRESSION_SIZE_BYTES", "-1"),
        ("AWS_RESPONSE_CHECKSUM_VALIDATION", "bogus"),
        ("AWS_ACCOUNT_ID_ENDPOINT_MODE", "bogus"),
    ],
)
def test_a_setting_that_is_none_does_not_blame_credentials(
    wire: WireServer, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """A variable that AWS's own clients refuse is an error of the configuration, which says what it holds."""
    monkeypatch.setenv(name, value)
    with pytest.raises(SpecError, match=f"^AWS configuration: .*{value}.*: correct the environment variable"):
        signer(wire, role=AssumedRole(ROLE_ARN, "nightly"))


def test_older_names_of_keys_are_known(s3: WireServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS_ACCESS_KEY and AWS_SECRET_KEY are keys, too, where the newer names are not set."""
    monkeypatch.setenv("AWS_ACCESS_KEY", "AKIDOLDER")
    monkeypatch.setenv("AWS_SECRET_KEY", "secret")
    assert signer(s3) == "AKIDOLDER"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDNEWER")
    assert signer(s3) == "AKIDNEWER"


@pytest.mark.parametrize("name", ["AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"])
@pytest.mark.parametrize("value", ["1", "yes", "on", "0"])
def test_a_switch_is_true_or_false(wire: WireServer, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """What botocore takes for false is refused by name: nobody who wants FIPS gets an endpoint without it."""
    monkeypatch.setenv(name, value)
    with pytest.raises(SpecError, match=f"{name}: must be true or false"):
        signer(wire)
    monkeypatch.setenv(name, "False")
    assert signer(wire) == "AKIDEXAMPLE"


@pytest.mark.parametrize("name", ["AWS_METADATA_SERVICE_TIMEOUT", "AWS_METADATA_SERVICE_NUM_ATTEMPTS"])
def test_a_number_is_a_number(wire: WireServer, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A number that is none is refused by name."""
    monkeypatch.setenv(name, "soon")
    with pytest.raises(SpecError, match=f"{name}: must be a whole number"):
        signer(wire)


def test_a_profiles_switch_likewise(s3: WireServer, config: Path) -> None:
    """The same holds for the profile's own key."""
    config.write_text(profile("p", use_fips_endpoint="1", **keys("AKID")))
    with pytest.raises(SpecError, match="AWS_USE_FIPS_ENDPOINT"):
        signer(s3, profile="p")


def test_a_profile_with_mfa_is_an_error_at_once(s3: WireServer, config: Path) -> None:
    """`mfa_serial` asks nobody: the error says how to get keys for a while."""
    config.write_text(
        profile("mfa", role_arn=ROLE_ARN, source_profile="base", mfa_serial="arn:aws:iam::123456789012:mfa/me")
        + profile("base", **keys("AKIDBASE"))
    )
    with pytest.raises(CredentialsError, match="aws sts get-session-token"):
        signer(s3, profile="mfa")


def test_a_login_profile_names_its_extra(s3: WireServer, config: Path) -> None:
    """A profile of `aws login` works with an extra, which the error names where it is absent."""
    pytest.importorskip("botocore.credentials")
    config.write_text(profile("p", login_session="arn:aws:iam::123456789012:user/me"))
    with pytest.raises(CredentialsError, match=r"cloudquery-destination-s3\[login\]|log"):
        signer(s3, profile="p")


LOGIN = "arn:aws:iam::123456789012:user/ann"


class Login:
    """What `aws login` leaves: a cache with keys for a while, and a token that gets others from the sign-in service."""

    def __init__(self, folder: Path, s3: WireServer) -> None:
        self._cache = folder / f"{hashlib.sha256(LOGIN.encode()).hexdigest()}.json"
        self._s3 = s3

    def cached(self, valid_s: float) -> None:
        """Leave keys that are good for so many seconds."""
        crypto = importlib.import_module("awscrt.crypto")
        der = crypto.EC.new_generate(crypto.ECType.P_256).export_key(crypto.ECExportFormat.SEC1)
        key = base64.b64encode(der).decode()
        end = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=valid_s)
        token = {
            "accessToken": {**self._keys("AKIDCACHED"), "accountId": "1", "expiresAt": f"{end:%Y-%m-%dT%H:%M:%SZ}"},
            "refreshToken": "refresh",
            "clientId": "client",
            "dpopKey": f"-----BEGIN EC PRIVATE KEY-----\n{key}\n-----END EC PRIVATE KEY-----\n",
        }
        self._cache.write_text(json.dumps(token))

    def answers(self, *access_keys: str) -> None:
        """Have the sign-in service hand out these keys, one after the other, for a quarter of an hour."""
        told = {"tokenType": "aws_sigv4", "expiresIn": 900, "refreshToken": "next"}
        self._s3.answers["CreateOAuth2Token"] = [
            Reply(200, json.dumps({"accessToken": self._keys(key), **told}).encode()) for key in access_keys
        ]

    @staticmethod
    def _keys(access_key: str) -> dict[str, str]:
        return {"accessKeyId": access_key, "secretAccessKey": "secret", "sessionToken": "token"}


@pytest.fixture
def login(tmp_path: Path, config: Path, s3: WireServer, monkeypatch: pytest.MonkeyPatch) -> Login:
    """A profile of `aws login`; needs the extra."""
    pytest.importorskip("awscrt", reason="the extra `login` is not installed")
    config.write_text(profile("in", login_session=LOGIN))
    monkeypatch.setenv("AWS_LOGIN_CACHE_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("AWS_ENDPOINT_URL_SIGNIN", s3.endpoint)
    return Login(tmp_path, s3)


def test_a_login_is_used(s3: WireServer, login: Login) -> None:
    """The keys that `aws login` has left sign requests, and nobody is asked for others."""
    login.cached(valid_s=800)
    assert signer(s3, profile="in") == "AKIDCACHED"
    assert s3.operations == ["PutObject"]


@pytest.mark.parametrize("valid_s", [-60, 120])
def test_a_login_is_renewed(s3: WireServer, login: Login, valid_s: float) -> None:
    """Keys that have ended, or nearly so, are replaced by the sign-in service's, which the next process has, too."""
    login.cached(valid_s)
    login.answers("AKIDRENEWED")
    assert signer(s3, profile="in") == "AKIDRENEWED"
    assert signer(s3, profile="in") == "AKIDRENEWED"
    assert s3.operations == ["CreateOAuth2Token", "PutObject", "PutObject"]
    (asked, *_) = s3.requests
    assert json.loads(asked.body)["refreshToken"] == "refresh"
    assert "dpop" in asked.headers


def test_a_login_that_has_ended_says_so(s3: WireServer, login: Login) -> None:
    """Where the sign-in service wants the person again, the error says `aws login`, and quotes no token."""
    login.cached(valid_s=-60)
    body = json.dumps({"error": "TOKEN_EXPIRED", "message": "no"}).encode()
    s3.answers["CreateOAuth2Token"] = [Reply(403, body, headers={"x-amzn-ErrorType": "AccessDeniedException"})] * 9
    with pytest.raises(CredentialsError, match="aws login") as caught:
        signer(s3, profile="in")
    assert "refresh" not in str(caught.value).replace("refreshed", "")


def test_a_login_that_was_never_made_says_so(s3: WireServer, login: Login) -> None:  # noqa: ARG001 - a fixture
    """A profile of `aws login` without its cache is an error that says `aws login`."""
    with pytest.raises(CredentialsError, match="aws login"):
        signer(s3, profile="in")


@pytest.mark.parametrize("value", ["when_required", "WHEN_REQUIRED"])
def test_checksums_can_be_turned_off_in_the_environment(
    static_keys: None,  # noqa: ARG001 - a fixture
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    value: str,
) -> None:
    """AWS_REQUEST_CHECKSUM_CALCULATION and the profile's key do what `request_checksums` does."""
    from wire_server import self_signed  # noqa: PLC0415 - slow to import

    with wire_server(self_signed(tmp_path)[0]) as tls:
        signer(tls, skip_tls_verify=True)
        assert "x-amz-checksum-crc32" in tls.requests[-1].headers
        monkeypatch.setenv("AWS_REQUEST_CHECKSUM_CALCULATION", value)
        signer(tls, skip_tls_verify=True)
        assert "x-amz-checksum-crc32" not in tls.requests[-1].headers
        monkeypatch.delenv("AWS_REQUEST_CHECKSUM_CALCULATION")
        config = tmp_path / "config"
        config.write_text(f"[default]\nrequest_checksum_calculation = {value}\n")
        monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
        signer(tls, skip_tls_verify=True)
        assert "x-amz-checksum-crc32" not in tls.requests[-1].headers


def test_an_unknown_way_of_checksums_is_named(wire: WireServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that AWS does not know is refused."""
    monkeypatch.setenv("AWS_REQUEST_CHECKSUM_CALCULATION", "never")
    with pytest.raises(SpecError, match="never is not one of when_supported, when_required"):
        signer(wire)


SCRIPT = """
import json, os, sys
open(sys.argv[1], "a").write("x")
print("the secret of stderr", file=sys.stderr)
print(json.dumps({"Version": 1, "AccessKeyId": sys.argv[2], "SecretAccessKey": "s", "Expiration": sys.argv[3]}))
sys.exit(int(sys.argv[4]))
"""


@pytest.fixture
def process(tmp_path: Path, config: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A profile whose `credential_process` needs a shell: a home folder, a variable, a pipe."""
    (tmp_path / "keys.py").write_text(SCRIPT)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NAME", "AKIDPROCESS")
    monkeypatch.setenv("STATUS", "0")
    command = f"{sys.executable} ~/keys.py ~/calls $NAME 2999-01-01T00:00:00Z $STATUS"
    config.write_text(
        profile("p", credential_process=f"{command} | cat")
        + profile("plain", credential_process=command)
        + profile("role", role_arn=ROLE_ARN, source_profile="p")
    )
    return tmp_path


@pytest.mark.usefixtures("process")
def test_a_credential_process_runs_in_a_shell(s3: WireServer, process: Path) -> None:
    """`~`, variables and pipes work, as with Go; the command runs once."""
    assert signer(s3, profile="p") == "AKIDPROCESS"
    assert (process / "calls").read_text() == "x"


def test_a_source_profiles_process_does_so_too(s3: WireServer, process: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So it is where a role's profile names another as its source."""
    with wire_server() as sts:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sts.endpoint)
        assert signer(s3, profile="role") == "AKIDROLE"
        assert "Credential=AKIDPROCESS/" in sts.requests[0].headers["authorization"]
    assert (process / "calls").read_text() == "x"


@pytest.mark.usefixtures("process")
def test_what_a_process_writes_to_stderr_is_nowhere(
    s3: WireServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """A process that fails is named with its status; its stderr is in no error and no log."""
    caplog.set_level("DEBUG")
    monkeypatch.setenv("STATUS", "3")
    with pytest.raises(CredentialsError, match="credential_process of profile plain: it ended with status 3") as caught:
        signer(s3, profile="plain")
    captured = capfd.readouterr()
    assert "secret of stderr" not in str(caught.value) + caplog.text + captured.out + captured.err


@pytest.mark.parametrize("end", ["2999-01-01T00:00:00", "2999-01-01T00:00:00Z", "2999-01-01T00:00:00+01:00", ""])
def test_an_end_may_lack_its_time_zone(s3: WireServer, config: Path, end: str) -> None:
    """`Expiration` is a time of any zone, UTC where none is said, or left out."""
    said = f'{{"Version": 1, "AccessKeyId": "AKIDEND", "SecretAccessKey": "s", "Expiration": "{end}"}}'
    config.write_text(profile("p", credential_process=f"echo '{said}'"))
    assert signer(s3, profile="p") == "AKIDEND"


@pytest.mark.parametrize(
    "said", ["echo no json", "printf '[%.0s' $(seq 100000)", "echo '{}'", "echo '{\"Version\": 1}'", "exit 1"]
)
def test_a_process_that_prints_no_keys_is_named(s3: WireServer, config: Path, said: str) -> None:
    """Whatever is wrong with what a process prints, its profile is in the error, and it runs once."""
    config.write_text(profile("p", credential_process=said))
    with pytest.raises(CredentialsError, match="credential_process of profile p"):
        signer(s3, profile="p")


@contextmanager
def metadata_service(*failures: int) -> Iterator[tuple[str, list[str]]]:
    """Run an EC2 instance's metadata service that first answers these statuses; yield its address and all paths."""
    asked: list[str] = []
    left = list(failures)
    keys_document = (
        b'{"Code": "Success", "AccessKeyId": "AKIDINSTANCE", "SecretAccessKey": "s", "Token": "t", '
        b'"Expiration": "2999-01-01T00:00:00Z"}'
    )

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            asked.append(self.path)
            status = left.pop(0) if left else 200
            body = b"token" if self.command == "PUT" else keys_document if self.path.endswith("/writer") else b"writer"
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_PUT = answer  # noqa: N815 - the library's names

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("failures", [(), (200, 500), (200, 500, 500), (200, 200, 500)])
def test_an_instances_metadata_is_asked_again(
    s3: WireServer, monkeypatch: pytest.MonkeyPatch, failures: tuple[int, ...]
) -> None:
    """One failure of an EC2 instance's metadata service, or two, do not end the search."""
    monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
    with metadata_service(*failures) as (address, _asked):
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", address)
        assert signer(s3) == "AKIDINSTANCE"


WEB_IDENTITY = b"""<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>AKIDWEB</AccessKeyId><SecretAccessKey>s</SecretAccessKey>
<SessionToken>t</SessionToken><Expiration>2999-01-01T00:00:00Z</Expiration></Credentials>
</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"""


def sts_error(code: str) -> Reply:
    """Return an error as STS words it."""
    return Reply(400, f"<ErrorResponse><Error><Code>{code}</Code><Message>m</Message></Error></ErrorResponse>".encode())


@pytest.mark.parametrize(
    "failure", [CLOSE, Reply(503), sts_error("InvalidIdentityToken"), sts_error("IDPCommunicationError")]
)
def test_max_retries_holds_for_web_identity(
    s3: WireServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: Reply
) -> None:
    """A web identity is exchanged as often as `max_retries` says, also where STS does not know its token yet."""
    (tmp_path / "token").write_text("a.b.c")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AWS_ROLE_ARN", ROLE_ARN)
    with wire_server() as sts:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sts.endpoint)
        sts.answers["AssumeRole"] = [failure] * 9 + [Reply(200, WEB_IDENTITY)]
        assert signer(s3, max_attempts=10) == "AKIDWEB"
        assert len(sts.requests) == 10
        sts.answers["AssumeRole"] = [failure] * 9
        with pytest.raises(StoreUnavailableError):
            signer(s3, max_attempts=2)


def test_an_external_id_of_one_letter_is_named(wire: WireServer, caplog: pytest.LogCaptureFixture) -> None:
    """What STS would refuse of a role's options is an error of the spec, without a trace in the log."""
    with pytest.raises(SpecError, match=r"credentials: .*ExternalId") as caught:
        signer(wire, role=AssumedRole(ROLE_ARN, external_id="1"))
    assert "no AWS credentials" not in str(caught.value)
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("name", [*KEYS, "AWS_SESSION_TOKEN"])
def test_a_line_break_in_a_key_ends_it_at_once(wire: WireServer, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A key with the line break of a file is an error that names it, before anything is sent."""
    monkeypatch.setenv(name, "value\n")
    with pytest.raises(CredentialsError, match="holds a line break"):
        signer(wire)
    assert wire.requests == []
