from __future__ import annotations

import json
from typing import Any

import pytest

from cloudquery_s3.spec import Spec
from cloudquery_s3.stores.s3 import settings_of
from cloudquery_s3.stores.s3_settings import MIB, AssumedRole, S3Settings

PLAIN = {"format": "json", "bucket": "bkt", "region": "eu-west-1", "path": "data/{{TABLE}}/{{UUID}}.json"}
ROLE = {"role_arn": "arn:aws:iam::123456789012:role/w", "role_session_name": "nightly", "external_id": "e"}


def translated(**options: Any) -> S3Settings:
    """Return the settings that a spec with these options makes."""
    return settings_of(
        Spec.parse(json.dumps({**PLAIN, **options}).encode(), invocation_id=""), content_type="by/format"
    )


def test_a_plain_spec_has_the_references_defaults() -> None:
    """Three attempts, 30 seconds, parts of 5 MiB, checksums on, and no header but the content type."""
    assert translated() == S3Settings(
        bucket="bkt",
        region="eu-west-1",
        content_type="by/format",
        part_size_bytes=5 * MIB,
        max_attempts=3,
        max_backoff_s=30,
        checksums=True,
    )
    assert translated().object_headers() == {"content-type": "by/format"}


@pytest.mark.parametrize(
    ("options", "changed"),
    [
        ({"endpoint": "http://localhost:9000"}, {"endpoint": "http://localhost:9000"}),
        ({"use_path_style": True}, {"path_style": True}),
        ({"endpoint_skip_tls_verify": True}, {"skip_tls_verify": True}),
        ({"acl": "private"}, {"acl": "private"}),
        ({"content_type": "text/plain"}, {"content_type": "text/plain"}),
        ({"request_checksums": "when_required"}, {"checksums": False}),
        ({"create_only": "always"}, {"create_only": "always"}),
        ({"part_size": 16 * MIB}, {"part_size_bytes": 16 * MIB}),
        ({"part_size": 100 * MIB}, {"part_size_bytes": 100 * MIB, "single_put_max_bytes": 100 * MIB}),
        ({"max_retries": 7}, {"max_attempts": 7}),
        ({"max_backoff": 90}, {"max_backoff_s": 90}),
        ({"local_profile": "own"}, {"profile": "own"}),
        ({"credentials": {"local_profile": "own"}}, {"profile": "own"}),
        ({"credentials": ROLE}, {"role": AssumedRole(ROLE["role_arn"], "nightly", "e")}),
        ({"aws_debug": True}, {"log_requests": True}),
        (
            {"server_side_encryption_configuration": {"server_side_encryption": "AES256"}},
            {"encryption": "AES256"},
        ),
        (
            {"server_side_encryption_configuration": {"server_side_encryption": "aws:kms", "sse_kms_key_id": "k"}},
            {"encryption": "aws:kms", "kms_key_id": "k"},
        ),
    ],
)
def test_every_option_of_the_store_arrives(options: dict[str, Any], changed: dict[str, Any]) -> None:
    """Each option changes its own setting, and nothing else."""
    plain, made = translated(), translated(**options)
    assert {name: getattr(made, name) for name in changed} == changed
    unchanged = set(S3Settings.__dataclass_fields__) - set(changed)
    assert {name: getattr(made, name) for name in unchanged} == {name: getattr(plain, name) for name in unchanged}
