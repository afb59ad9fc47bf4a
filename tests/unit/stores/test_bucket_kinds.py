"""Kinds of buckets that want other signatures than S3's."""

from __future__ import annotations

import pytest

from cloudquery_s3.errors import SpecError
from cloudquery_s3.stores.s3 import S3Store
from cloudquery_s3.stores.s3_settings import S3Settings


@pytest.mark.parametrize(
    ("bucket", "kind"),
    [
        ("lake--use1-az4--x-s3", "S3 Express"),
        ("ap--use1-az4--xa-s3", "S3 Express"),
        ("arn:aws:s3::123456789012:accesspoint/mfzwi23gnjvgw.mrap", "multi-region access points"),
        ("arn:aws:s3-outposts:us-east-1:123456789012:outpost/op-01/accesspoint/ap", "Outposts"),
        ("arn:aws:s3-object-lambda:us-east-1:123456789012:accesspoint/ap", "object Lambda"),
        ("my-ap-1234567890abcdef--ol-s3", "object Lambda"),
    ],
)
def test_a_kind_that_is_not_supported_is_named(monkeypatch: pytest.MonkeyPatch, bucket: str, kind: str) -> None:
    """Express, multi-region, Outposts and object Lambda are each refused by name, before anything is sent."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with pytest.raises(SpecError, match=f"bucket: .*{kind}.* not supported"):
        S3Store(S3Settings(bucket=bucket, region="us-east-1"))
