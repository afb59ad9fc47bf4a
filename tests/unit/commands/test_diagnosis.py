from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudquery_s3.commands.diagnosis import diagnose
from cloudquery_s3.errors import SpecError
from cloudquery_s3.spec import Spec
from cloudquery_s3.spec.model import Options
from cloudquery_s3.spec.option import fields_of
from specs import INVOCATION_ID, LEFT_OUT, written


def problems(**changes: Any) -> list[str]:
    """The fields of all problems of a small spec with changes, in their order."""
    found = diagnose(json.dumps(written(**changes)).encode(), invocation_id=INVOCATION_ID)
    return [problem.field for problem in found.problems]


def test_a_good_spec() -> None:
    """A good spec is handed back, with its warnings."""
    found = diagnose(json.dumps(written(gzip_level=3)).encode(), invocation_id=INVOCATION_ID)
    assert found.spec == Spec.parse(json.dumps(written(gzip_level=3)).encode(), invocation_id=INVOCATION_ID)
    assert found.problems == ()
    assert len(found.warnings) == 1


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"bucket": LEFT_OUT, "region": LEFT_OUT}, ["bucket", "region"]),
        ({"bucket": 1, "region": 2}, ["bucket", "region"]),
        ({"path": "/a//b"}, ["path", "path", "path"]),
        ({"format": "parquet", "iceberg": {"namespace": "x"}}, ["iceberg.catalog"]),
        (
            {"iceberg": {"catalog": 1}, "format": "parquet", "glue": {"required": 1}},
            ["iceberg.catalog", "glue.required", "glue.database"],
        ),
        ({"path": LEFT_OUT, "format": LEFT_OUT}, ["path", "format"]),
        ({"batch_timeout": "x", "acl": "y"}, ["batch_timeout", "acl"]),
        (
            {"no_rotate": True, "path": "{{TABLE}}", "batch_size": 1, "batch_timeout": "1s"},
            ["batch_size", "batch_timeout"],
        ),
        (
            {"format": "csv", "format_spec": {"a": 1, "b.c": 2, "delimiter": 3}},
            ["format_spec.a", 'format_spec."b.c"', "format_spec.delimiter"],
        ),
        ({"format": "csv", "format_spec": []}, ["format_spec"]),
        ({"format": "xml", "format_spec": {"a": 1}, "compression": "zip"}, ["format", "compression"]),
        (
            {"credentials": {"role_arn": 1, "external_id": 2}, "max_backoff": -1},
            ["credentials.role_arn", "credentials.external_id", "max_backoff"],
        ),
        ({"credentials": 5, "memory_budget": 0}, ["credentials", "memory_budget"]),
        (
            {"format": "parquet", "compression": "gzip", "format_spec": {"version": "v9", "max_row_group_length": -1}},
            ["compression", "format_spec.version", "format_spec.max_row_group_length"],
        ),
    ],
)
def test_all_problems(changes: dict[str, Any], expected: list[str]) -> None:
    """Every problem is named, each once, and none that only follows from another."""
    assert problems(**changes) == expected


@pytest.mark.parametrize("text", ["", "null", "[]", "{", '"text"', "1"])
def test_no_object(text: str) -> None:
    """What is no JSON object has one problem."""
    assert len(diagnose(text.encode(), invocation_id=INVOCATION_ID).problems) == 1


def test_unknown_keys_are_warned_of_beside_problems() -> None:
    """A misspelt option explains why another is missing."""
    found = diagnose(json.dumps(written(bucket=LEFT_OUT, buckett="b")).encode(), invocation_id=INVOCATION_ID)
    assert [problem.field for problem in found.problems] == ["bucket"]
    assert "did you mean bucket?" in found.warnings[0]


TEXTS = ["", "/x", "{{TABLE}}", "a//{{UUID}}", "gzip", "csv", "parquet", "5s", "AES256", "private", "http://x"]
MEMBERS = ["delimiter", "role_arn", "server_side_encryption", "version", "a.b"]
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 10),
    st.sampled_from(TEXTS),
    st.dictionaries(st.sampled_from(MEMBERS), st.integers() | st.text(max_size=2)),
)


@given(changes=st.dictionaries(st.sampled_from([*fields_of(Options), "Bucket", "typo"]), VALUES, max_size=8))
@settings(max_examples=300, deadline=None)
def test_agrees_with_a_sync(changes: dict[str, Any]) -> None:
    """There are problems exactly if a sync refuses the spec, and the first is the one that the sync names."""
    data = json.dumps(written(**changes)).encode()
    found = diagnose(data, invocation_id=INVOCATION_ID)
    refusal = None
    try:
        Spec.parse(data, invocation_id=INVOCATION_ID)
    except SpecError as error:
        refusal = str(error)
    assert next((str(problem) for problem in found.problems), None) == refusal
    assert (found.spec is None) == (refusal is not None)


@given(changes=st.dictionaries(st.sampled_from(list(fields_of(Options))), VALUES, max_size=8))
@settings(max_examples=200, deadline=None)
def test_no_problem_is_said_twice(changes: dict[str, Any]) -> None:
    """No two problems are the same."""
    found = diagnose(json.dumps(written(**changes)).encode(), invocation_id=INVOCATION_ID)
    texts = [str(problem) for problem in found.problems]
    assert len(texts) == len(set(texts))
