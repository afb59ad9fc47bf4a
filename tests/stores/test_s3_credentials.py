"""Whose credentials sign, and what they may do: against a moto server that checks signatures and policies."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from cloudquery_s3.cancellation import Cancellation
from cloudquery_s3.errors import CredentialsError, StoreUnavailableError
from cloudquery_s3.stores.probe import try_write
from cloudquery_s3.stores.s3 import S3Store
from cloudquery_s3.stores.s3_settings import MIB, AssumedRole, S3Settings
from s3_servers import REGION, Bucket, S3Server, enforced_permissions, moto
from wire_server import NoPause

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["moto"]

TRUST = {
    "Version": "2012-10-17",
    "Statement": {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"},
}


@dataclass
class Account:
    """An AWS account on moto, with permissions enforced."""

    server: S3Server
    bucket: Bucket
    iam: Any
    monkeypatch: pytest.MonkeyPatch

    def user(self, *actions: str, resource: str = "*") -> dict[str, str]:
        """Create a user who may do this and no more; return the access key."""
        name = f"user-{uuid.uuid4().hex[:8]}"
        self.iam.create_user(UserName=name)
        self.iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=policy(*actions, resource=resource))
        return dict(self.iam.create_access_key(UserName=name)["AccessKey"])

    def role(self, *actions: str) -> str:
        """Create a role that may do this and no more; return its ARN."""
        name = f"role-{uuid.uuid4().hex[:8]}"
        role = self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]
        self.iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=policy(*actions))
        return str(role["Arn"])

    def sign_in(self, key: dict[str, str]) -> None:
        """Put a user's key into the environment."""
        self.monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
        self.monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])

    def store(self, **changes: Any) -> S3Store:
        """Return a store of the account's bucket."""
        settings = S3Settings(bucket=self.bucket.name, region=REGION, endpoint=self.server.endpoint, **changes)
        return S3Store(settings, NoPause())


@pytest.fixture
def account(moto: S3Server, nobody: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:  # noqa: ARG001 - fixtures
    """An account in which nobody is signed in. The administrator set it up before permissions are enforced."""
    bucket = moto.new_bucket()
    name = f"admin-{uuid.uuid4().hex[:8]}"
    iam = moto.client("iam")
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=policy("*"))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    admin = S3Server("moto", moto.endpoint, key["AccessKeyId"], key["SecretAccessKey"])
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", moto.endpoint)
    with enforced_permissions(moto):
        yield Account(moto, Bucket(admin, bucket.name), admin.client("iam"), monkeypatch)


def policy(*actions: str, resource: str = "*") -> str:
    """Return an IAM policy."""
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": statement})


def put(store: S3Store, key: str = "key", body: bytes = b"x") -> None:
    """Write one object."""
    writer = store.open(key, Cancellation())
    writer.write([body])
    writer.commit()


def test_put_object_is_all_that_a_sync_needs(account: Account) -> None:
    """With s3:PutObject alone the test write passes, and objects go up in one request and in parts."""
    account.sign_in(account.user("s3:PutObject"))
    store = account.store(single_put_max_bytes=5 * MIB)
    try_write(store, "TEST")
    put(store, "small")
    put(store, "large", bytes(11 * MIB))
    assert {key: len(body) for key, body in account.bucket.objects().items()} == {
        "TEST": 0,
        "small": 1,
        "large": 11 * MIB,
    }
    with pytest.raises(StoreUnavailableError, match=r"AccessDenied"):
        store.read("small")


def test_a_user_without_permission_is_told_what_to_allow(account: Account) -> None:
    """Without s3:PutObject nothing is written, and the error names the permission."""
    account.sign_in(account.user("s3:GetObject"))
    with pytest.raises(StoreUnavailableError, match=r"AccessDenied.*allow s3:PutObject"):
        put(account.store())
    assert account.bucket.objects() == {}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"AccessKeyId": "AKIA0000000000000000"}, "InvalidAccessKeyId.*correct the access key"),
        ({"SecretAccessKey": "wrong"}, "SignatureDoesNotMatch.*correct the secret key"),
    ],
)
def test_a_wrong_key_is_a_credentials_error(account: Account, changes: dict[str, str], message: str) -> None:
    """A key that the store does not know, and a wrong secret, are told apart from missing permission."""
    key = {**account.user("s3:*"), **changes}
    account.sign_in(key)
    with pytest.raises(CredentialsError, match=message) as caught:
        put(account.store())
    assert key["SecretAccessKey"] not in str(caught.value)


def test_a_profile_is_read_from_the_shared_files(
    account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`local_profile` takes its keys from the shared credentials file, before those in the environment."""
    key = account.user("s3:PutObject")
    file = tmp_path / "credentials"
    file.write_text(
        f"[analytics]\naws_access_key_id = {key['AccessKeyId']}\naws_secret_access_key = {key['SecretAccessKey']}\n"
    )
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    account.sign_in({"AccessKeyId": "AKIAWRONG", "SecretAccessKey": "wrong"})
    put(account.store(profile="analytics"))
    assert account.bucket.objects() == {"key": b"x"}


@pytest.mark.usefixtures("nobody")
def test_a_profile_that_is_not_there_is_named() -> None:
    """A profile that no file has is an error at once that names it."""
    with pytest.raises(CredentialsError, match=r"analytics.*could not be found"):
        S3Store(S3Settings(bucket="bkt", region=REGION, profile="analytics"), NoPause())


@pytest.mark.usefixtures("nobody")
def test_no_credentials_are_an_error_at_once() -> None:
    """Where the whole chain has nothing, making the store fails and says where credentials may be put."""
    with pytest.raises(CredentialsError, match=r"no AWS credentials.*AWS_ACCESS_KEY_ID.*local_profile"):
        S3Store(S3Settings(bucket="bkt", region=REGION), NoPause())


def test_a_role_is_assumed(account: Account) -> None:
    """A user who may only assume a role writes with the role's permissions."""
    account.sign_in(account.user("sts:AssumeRole"))
    role = AssumedRole(account.role("s3:PutObject"), role_session_name="nightly", external_id="ext-1")
    put(account.store(role=role))
    assert account.bucket.objects() == {"key": b"x"}
    with pytest.raises(StoreUnavailableError, match=r"AccessDenied"):
        put(account.store())


def test_a_role_that_may_not_be_assumed_is_named(account: Account) -> None:
    """A refused role is an error at once that names it."""
    account.sign_in(account.user("s3:PutObject"))
    role = AssumedRole(account.role("s3:PutObject"))
    with pytest.raises(CredentialsError, match=f"AssumeRole {role.arn}: .*AccessDenied"):
        account.store(role=role)
