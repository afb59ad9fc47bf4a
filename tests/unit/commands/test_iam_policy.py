from __future__ import annotations

import fnmatch
import re
from datetime import UTC, datetime
from typing import Any

import pytest

from cloudquery_s3.commands.iam_policy import Policies, policies
from specs import parsed


def wanted(**changes: Any) -> Policies:
    """The policies of a small Parquet spec with changes."""
    return policies(parsed(**changes))


def statement(policy: dict[str, Any] | None, name: str) -> dict[str, Any]:
    """A policy's statement of this name."""
    assert policy is not None
    (found,) = [part for part in policy["Statement"] if part["Sid"] == name]
    return found


def test_least_privilege() -> None:
    """Writing needs PutObject and AbortMultipartUpload on the keys of the path, and nothing else."""
    needed = wanted(bucket="lake", path="raw/{{TABLE}}/{{UUID}}.{{FORMAT}}", format="csv", compression="gzip").needed
    assert needed == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "WriteObjects",
                "Effect": "Allow",
                "Action": ["s3:PutObject", "s3:AbortMultipartUpload"],
                "Resource": "arn:aws:s3:::lake/raw/*/*.csv.gz",
            }
        ],
    }


@pytest.mark.parametrize(
    "path",
    [
        "{{TABLE}}/{{UUID}}",
        "a/{{TABLE_HYPHEN}}/y={{YEAR}}/{{MONTH}}{{DAY}}T{{HOUR}}{{MINUTE}}/{{SYNC_ID}}/{{UUID}}.{{FORMAT}}",
        "{{UUID}}",
        "{{UUID}}{{TABLE}}{{UUID}}/{{UUID}}",
    ],
)
def test_every_key_matches(path: str) -> None:
    """Every key that the path renders is one that the policy allows, and the test object one that may be removed."""
    spec = parsed(path=path)
    template = spec.path_template(sync_id="some-id")
    now = datetime.now(UTC)
    granted = statement(policies(spec).needed, "WriteObjects")["Resource"]
    key = template.render("my_table", file_id="0b1c", now=now)
    assert fnmatch.fnmatchcase(f"arn:aws:s3:::b/{key}", granted)
    removable = statement(policies(spec).helpful, "RemoveTestObject")["Resource"]
    assert fnmatch.fnmatchcase(
        f"arn:aws:s3:::b/{template.render('TEST_TABLE', file_id='TEST_UUID', now=now)}", removable
    )
    assert not fnmatch.fnmatchcase(f"arn:aws:s3:::b/{key}", removable)


def test_wildcards_in_a_path_are_text() -> None:
    """`*`, `?` and `$` of a path are written as IAM writes them literally."""
    resource = statement(wanted(path="a*b?c$/{{TABLE}}/{{UUID}}").needed, "WriteObjects")["Resource"]
    assert resource == "arn:aws:s3:::b/a${*}b${?}c${$}/*/*"


@pytest.mark.parametrize(
    ("region", "partition"), [("eu-west-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")]
)
def test_partitions(region: str, partition: str) -> None:
    """Regions of China and of the US government have ARNs of their own kind."""
    assert statement(wanted(region=region).needed, "WriteObjects")["Resource"].startswith(f"arn:{partition}:s3:::")


def test_access_point() -> None:
    """Objects behind an access point are resources of the access point."""
    arn = "arn:aws:s3:eu-west-1:123456789012:accesspoint/ap"
    found = wanted(bucket=arn, path="{{TABLE}}/{{UUID}}")
    assert statement(found.needed, "WriteObjects")["Resource"] == f"{arn}/object/*/*"
    assert statement(found.helpful, "FindOpenUploads")["Resource"] == arn


def test_acl() -> None:
    """An ACL takes one permission more."""
    assert "s3:PutObjectAcl" in statement(wanted(acl="private").needed, "WriteObjects")["Action"]


@pytest.mark.parametrize(
    ("key", "resource", "condition"),
    [
        ("0a1b", "arn:aws:kms:r:*:key/0a1b", None),
        ("arn:aws:kms:r:1:key/0a1b", "arn:aws:kms:r:1:key/0a1b", None),
        ("alias/x", "arn:aws:kms:r:*:key/*", {"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/x"}}),
        (
            "arn:aws:kms:r:1:alias/x",
            "arn:aws:kms:r:*:key/*",
            {"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/x"}},
        ),
        ("", "arn:aws:kms:r:*:key/*", {"StringEquals": {"kms:ViaService": "s3.r.amazonaws.com"}}),
    ],
)
def test_kms(key: str, resource: str, condition: object) -> None:
    """SSE-KMS takes the use of the key: IAM names keys, not aliases, so that an alias is a condition."""
    encryption = {"server_side_encryption": "aws:kms", "sse_kms_key_id": key}
    found = statement(wanted(server_side_encryption_configuration=encryption).needed, "Encrypt")
    assert found["Action"] == ["kms:GenerateDataKey", "kms:Decrypt"]
    assert (found["Resource"], found.get("Condition")) == (resource, condition)


def test_no_kms_for_aes256() -> None:
    """SSE-S3 takes no permission of its own."""
    encryption = {"server_side_encryption": "AES256"}
    assert len(wanted(server_side_encryption_configuration=encryption).needed["Statement"]) == 1


def test_role() -> None:
    """A role has to be assumed by somebody."""
    arn = "arn:aws:iam::123456789012:role/w"
    assert statement(wanted(credentials={"role_arn": arn}).assume, "AssumeWriter")["Resource"] == arn
    assert wanted().assume is None


def test_no_test_write() -> None:
    """Without a test object nobody need delete anything."""
    assert "s3:DeleteObject" not in str(wanted(test_write=False).helpful)


def test_names_of_statements() -> None:
    """Statement ids are what IAM takes: letters and digits."""
    found = wanted(credentials={"role_arn": "arn:aws:iam::123456789012:role/w"})
    for policy in (found.needed, found.helpful, found.assume):
        assert policy is not None
        assert all(re.fullmatch("[A-Za-z0-9]+", part["Sid"]) for part in policy["Statement"])


def test_manifests() -> None:
    """With a manifest, its keys may be written as well, `latest` included, and no more is asked for."""
    path = "_m/{{YEAR}}/{{SYNC_ID}}/{{UUID}}.json"
    found = wanted(bucket="lake", manifest={"path": path, "latest": "_m/latest-{{SOURCE}}.json"}, acl="private")
    assert statement(found.needed, "WriteManifests") == {
        "Sid": "WriteManifests",
        "Effect": "Allow",
        "Action": ["s3:PutObject", "s3:PutObjectAcl"],
        "Resource": ["arn:aws:s3:::lake/_m/*/*/*.json", "arn:aws:s3:::lake/_m/latest-*.json"],
    }
    assert found.helpful == wanted(bucket="lake", acl="private").helpful


def test_tables() -> None:
    """Glue's tables and Iceberg's need their catalogue's actions, and Iceberg's a place for metadata."""
    catalog = {"type": "glue", "warehouse": "s3://b/lake"}
    spec = parsed(format="parquet", region="eu-central-1", iceberg={"catalog": catalog}, glue={"database": "d"})
    found = {statement["Sid"]: statement for statement in policies(spec).needed["Statement"]}
    assert found["WriteTables"]["Resource"] == "arn:aws:s3:::b/lake/*"
    assert "glue:UpdateTable" in found["CommitTables"]["Action"]
    assert found["KeepTables"]["Resource"] == [
        "arn:aws:glue:eu-central-1:*:catalog",
        "arn:aws:glue:eu-central-1:*:database/d",
        "arn:aws:glue:eu-central-1:*:table/d/*",
    ]
    assert set(found) == {"WriteObjects", "KeepTables", "WriteTables", "CommitTables"}
