"""Credentials that end: assumed roles and processes, renewed while a sync runs."""

from __future__ import annotations

import datetime as dt
import io
import json
import logging
import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import pytest

from captured import capture_logs
from cloudquery_s3.cancellation import Cancellation
from cloudquery_s3.errors import CredentialsError, StoreUnavailableError
from cloudquery_s3.stores.clock import Clock
from cloudquery_s3.stores.s3 import S3Store
from cloudquery_s3.stores.s3_settings import MIB, AssumedRole, S3Settings
from s3_servers import REGION
from waiting import eventually
from wire_server import (
    CLOSE,
    NoPause,
    Recorded,
    Reply,
    WireServer,
    assumed_role,
    error,
    self_signed,
    sts_error,
    wire_server,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROLE = AssumedRole("arn:aws:iam::123456789012:role/writer", role_session_name="nightly", external_id="ext-1")


@dataclass
class Wires:
    """A recording S3 server and a recording STS server."""

    s3: WireServer
    sts: WireServer

    def store(self, *, clock: Clock | None = None, **changes: Any) -> S3Store:
        """Return a store that assumes a role."""
        settings: dict[str, Any] = {"endpoint": self.s3.endpoint, "role": ROLE, "max_attempts": 3, **changes}
        return S3Store(S3Settings(bucket="bkt", region="eu-west-1", **settings), NoPause(), clock)

    def signers(self) -> list[str]:
        """Return the key ids that signed the requests to S3."""
        return [key_id(request) for request in self.s3.requests]


def key_id(request: Recorded) -> str:
    """Return the key id that a request is signed with."""
    return request.headers["authorization"].partition("Credential=")[2].partition("/")[0]


def put(store: S3Store, body: bytes = b"x") -> int:
    """Write one object; return how many requests were repeated."""
    writer = store.open("key", Cancellation())
    writer.write([body])
    return writer.commit().retries


@pytest.fixture
def wires(static_keys: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wires]:  # noqa: ARG001 - a fixture
    """Both servers over plain http."""
    with wire_server() as s3, wire_server() as sts:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sts.endpoint)
        yield Wires(s3, sts)


def test_a_role_is_asked_for_as_configured(wires: Wires) -> None:
    """AssumeRole carries ARN, external id and the name, for an hour, signed by the base keys for the spec's region."""
    put(wires.store())
    (asked,) = wires.sts.requests
    form = parse_qs(asked.body.decode())
    assert (form["RoleArn"], form["ExternalId"], form["DurationSeconds"]) == ([ROLE.arn], ["ext-1"], ["3600"])
    assert form["RoleSessionName"] == ["nightly"]
    assert key_id(asked) == "AKIDEXAMPLE"
    assert "/eu-west-1/sts/aws4_request" in asked.headers["authorization"]
    assert wires.signers() == ["AKIDROLE"]
    assert wires.s3.requests[0].headers["x-amz-security-token"] == "role-token"


def test_a_role_with_minutes_left_is_used(wires: Wires) -> None:
    """Credentials with two minutes left sign every request of these minutes, and are asked for once."""
    wires.sts.answers["AssumeRole"] = [assumed_role("AKIDFIRST", valid_s=120), assumed_role("AKIDSECOND")]
    store = wires.store()
    for _ in range(20):
        put(store)
    assert wires.signers() == ["AKIDFIRST"] * 20
    assert wires.sts.operations == ["AssumeRole"]


def test_a_role_is_renewed_before_it_ends(wires: Wires) -> None:
    """When a quarter of their time is left, credentials are replaced in the background, and then kept."""
    wires.sts.answers["AssumeRole"] = [assumed_role("AKIDFIRST", valid_s=120), assumed_role("AKIDSECOND")]
    late = dt.timedelta()
    clock = Clock(lambda: dt.datetime.now(dt.UTC) + late)
    store = wires.store(clock=clock)
    put(store)
    late = dt.timedelta(seconds=100)
    put(store)
    assert eventually(lambda: wires.sts.operations == ["AssumeRole"] * 2)
    assert eventually(lambda: put(store) == 0 and wires.signers()[-1] == "AKIDSECOND")
    assert wires.signers()[:2] == ["AKIDFIRST"] * 2
    assert wires.sts.operations == ["AssumeRole"] * 2


def test_an_expired_role_is_renewed_in_mid_sync(wires: Wires) -> None:
    """ExpiredToken fetches fresh credentials and sends again, without using up the user's attempts."""
    wires.sts.answers["AssumeRole"] = [assumed_role("AKIDFIRST"), assumed_role("AKIDSECOND")]
    store = wires.store(max_attempts=1)
    put(store)
    wires.s3.answers["PutObject"] = [error(400, "ExpiredToken")]
    assert put(store) == 1
    assert wires.signers() == ["AKIDFIRST", "AKIDFIRST", "AKIDSECOND"]


def test_parts_that_expire_together_renew_once(wires: Wires) -> None:
    """Many requests refused at the same time fetch fresh credentials once."""
    wires.sts.answers["AssumeRole"] = [assumed_role(f"AKID{number}") for number in range(4)]
    meeting = threading.Barrier(4, timeout=30)

    def before(request: Recorded) -> None:
        if request.operation == "UploadPart" and key_id(request) == "AKID0":
            meeting.wait()

    wires.s3.before = before
    wires.s3.answers["UploadPart"] = [error(400, "ExpiredToken")] * 4
    assert put(wires.store(single_put_max_bytes=5 * MIB), bytes(20 * MIB)) == 4
    assert wires.sts.operations == ["AssumeRole"] * 2
    assert set(wires.signers()) == {"AKID0", "AKID1"}


def test_a_failing_sts_is_asked_again(wires: Wires) -> None:
    """Faults of STS that may pass are retried under the same policy, each with a warning that names the role."""
    wires.sts.answers["AssumeRole"] = [CLOSE, Reply(503)]
    with capture_logs() as logs:
        put(wires.store())
    assert [(log["operation"], log["key"], log["attempt"]) for log in logs if log["log_level"] == "warning"] == [
        ("AssumeRole", ROLE.arn, 1),
        ("AssumeRole", ROLE.arn, 2),
    ]


def test_an_sts_that_never_answers_says_nothing_of_credentials(wires: Wires) -> None:
    """STS is asked `max_retries` times; then the role's ARN and the cause are in the error, which blames no keys."""
    wires.sts.answers["AssumeRole"] = [CLOSE] * 9
    with pytest.raises(StoreUnavailableError, match=f"{ROLE.arn}: .*connection was closed") as caught:
        wires.store()
    assert len(wires.sts.requests) == 3
    assert not isinstance(caught.value, CredentialsError)


@pytest.mark.usefixtures("static_keys")
def test_a_process_is_asked_again_when_its_keys_have_expired(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`credential_process` is run anew when the store says that its keys have ended."""
    script, calls, config = tmp_path / "keys.py", tmp_path / "calls", tmp_path / "config"
    script.write_text(
        "import json\n"
        f"with open({str(calls)!r}, 'a+') as calls:\n"
        "    calls.write('x')\n"
        "    number = calls.tell()\n"
        "print(json.dumps({'Version': 1, 'AccessKeyId': f'AKID{number}', 'SecretAccessKey': 's'}))\n"
    )
    config.write_text(f"[profile own]\ncredential_process = {sys.executable} {script}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    with wire_server() as s3:
        s3.answers["PutObject"] = [error(400, "ExpiredToken")]
        put(S3Store(S3Settings(bucket="bkt", region=REGION, endpoint=s3.endpoint, profile="own"), NoPause()))
    assert [key_id(request) for request in s3.requests] == ["AKID1", "AKID2"]


@pytest.mark.usefixtures("static_keys")
def test_keys_that_stay_expired_are_an_error_at_once() -> None:
    """Where the chain has nothing fresher, an expired token is not tried again."""
    with wire_server() as s3:
        s3.answers["PutObject"] = [error(400, "ExpiredToken")] * 9
        with pytest.raises(CredentialsError, match="renew the credentials"):
            put(S3Store(S3Settings(bucket="bkt", region=REGION, endpoint=s3.endpoint), NoPause()))
    assert len(s3.requests) == 1


@pytest.mark.usefixtures("static_keys")
def test_the_tls_option_holds_for_sts_on_the_endpoints_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that serves STS itself is trusted by `endpoint_skip_tls_verify`; an STS elsewhere is not."""
    context, _ = self_signed(tmp_path)
    with wire_server(context) as own, wire_server(context) as elsewhere:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", own.endpoint)
        put(Wires(own, own).store(skip_tls_verify=True))
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", elsewhere.endpoint)
        with pytest.raises(StoreUnavailableError, match="certificate is not trusted"):
            Wires(own, elsewhere).store(skip_tls_verify=True)
    assert own.operations == ["AssumeRole", "PutObject"]
    assert elsewhere.operations == []


def test_secrets_are_in_no_log_and_no_repr(wires: Wires) -> None:
    """Neither what is logged at any level nor any repr holds a secret key, a token or a signature."""
    wires.s3.answers["PutObject"] = [error(503, "SlowDown"), error(400, "ExpiredToken")]
    wires.sts.answers["AssumeRole"] = [assumed_role("AKIDFIRST"), assumed_role("AKIDSECOND")]
    root, stream = logging.getLogger(), io.StringIO()
    root.addHandler(handler := logging.StreamHandler(stream))
    root.setLevel(logging.DEBUG)
    try:
        with capture_logs() as logs:
            store = wires.store(log_requests=True)
            assert put(store) == 2
    finally:
        root.removeHandler(handler)
        root.setLevel(logging.WARNING)
    seen = " ".join([stream.getvalue(), repr(logs), repr(vars(store)), repr(vars(store._client))])
    assert [secret for secret in ("role-secret", "example-secret", "role-token", "Signature=") if secret in seen] == []


def skewed(hours: int) -> Clock:
    """Return the clock of a machine that is wrong by hours."""
    return Clock(lambda: dt.datetime.now(dt.UTC) + dt.timedelta(hours=hours))


def signed_at(requests: list[Recorded]) -> list[dt.datetime]:
    """Return the times that requests are signed for."""
    return [dt.datetime.strptime(request.headers["x-amz-date"], "%Y%m%dT%H%M%S%z") for request in requests]


@pytest.mark.parametrize("code", ["SignatureDoesNotMatch", "RequestExpired", "InvalidSignatureException"])
@pytest.mark.parametrize("hours", [-30, -1, 1, 30])
def test_sts_corrects_a_wrong_clock(wires: Wires, code: str, hours: int) -> None:
    """Where STS refuses this machine's time, its request is signed for the time of STS at once, and so is S3's then."""
    wires.sts.answers["AssumeRole"] = [sts_error(403, code, "Signature expired")]
    with capture_logs() as logs:
        put(wires.store(clock=skewed(hours), max_attempts=1))
    now = dt.datetime.now(dt.UTC)
    first, second = signed_at(wires.sts.requests)
    assert abs(first - now) > dt.timedelta(minutes=50)
    assert abs(second - now) < dt.timedelta(minutes=5)
    assert all(abs(time - now) < dt.timedelta(minutes=5) for time in signed_at(wires.s3.requests))
    assert "this machine's clock is wrong: requests are signed by the server's" in [log["event"] for log in logs]


def test_a_profiles_role_goes_by_the_same_clock(wires: Wires, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A role that the AWS profile names is assumed at the time of STS, too."""
    config = tmp_path / "config"
    config.write_text(f"[profile lake]\nrole_arn = {ROLE.arn}\ncredential_source = Environment\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    wires.sts.answers["AssumeRole"] = [sts_error(403, "SignatureDoesNotMatch", "Signature not yet current")]
    put(wires.store(clock=skewed(2), role=None, profile="lake", max_attempts=1))
    now = dt.datetime.now(dt.UTC)
    assert [abs(time - now) < dt.timedelta(minutes=5) for time in signed_at(wires.sts.requests)] == [False, True]


def test_sts_is_not_blamed_on_a_right_clock(wires: Wires) -> None:
    """A wrong secret key, which STS answers alike, is an error after one request."""
    wires.sts.answers["AssumeRole"] = [sts_error(403, "SignatureDoesNotMatch")] * 9
    with pytest.raises(CredentialsError, match="SignatureDoesNotMatch"):
        wires.store()
    assert wires.sts.operations == ["AssumeRole"]


def test_an_sts_whose_own_time_changes_is_not_asked_without_end(wires: Wires) -> None:
    """Each further attempt needs an answer that corrects the clock; a refusal that stays is an error."""
    wires.sts.answers["AssumeRole"] = [sts_error(403, "RequestExpired")] * 9
    with pytest.raises(CredentialsError):
        wires.store(clock=skewed(5))
    assert wires.sts.operations == ["AssumeRole"] * 2


@pytest.mark.usefixtures("static_keys")
def test_keys_that_have_ended_by_this_machines_clock_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether credentials have ended is the store's to say: a clock that runs fast refuses none that were just made."""
    end = dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)  # as a clock that is two hours fast sees keys for an hour
    script, config = tmp_path / "keys.sh", tmp_path / "config"
    keys = {"Version": 1, "AccessKeyId": "AKIDFAST", "SecretAccessKey": "s", "Expiration": f"{end:%Y-%m-%dT%H:%M:%SZ}"}
    script.write_text(f"echo '{json.dumps(keys)}'\n")
    config.write_text(f"[profile own]\ncredential_process = sh {script}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    with wire_server() as s3:
        put(S3Store(S3Settings(bucket="bkt", region=REGION, endpoint=s3.endpoint, profile="own"), NoPause()))
    assert [key_id(request) for request in s3.requests] == ["AKIDFAST"]
