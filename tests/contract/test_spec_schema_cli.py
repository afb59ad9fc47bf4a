"""`cloudquery validate-config` of the real CLI applies our schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import cloudquery_cli as cli
from specs import LEFT_OUT, written

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.cli


@pytest.fixture(scope="module")
def plugin() -> Iterator[str]:
    """The address of one running plugin."""
    with cli.plugin_process() as (_, address):
        yield address


@pytest.fixture(scope="module")
def source() -> Iterator[str]:
    """The address of a source without a schema of its own."""
    with cli.scripted_source(lambda: iter(()), []) as address:
        yield address


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"no_rotate": True, "path": "{{TABLE}}", "batch_size": None},
        {"format": "csv", "format_spec": {"delimiter": "\t"}, "compression": "gzip", "gzip_level": 1},
        {
            "credentials": {"role_arn": "arn:aws:iam::1:role/x"},
            "batch_timeout": "1m30s",
            "request_checksums": "when_required",
            "create_only": "always",
        },
    ],
)
def test_accepted(changes: dict[str, Any], plugin: str, source: str, tmp_path: Path) -> None:
    """The CLI accepts what a user may write."""
    done = validate(changes, plugin, source, tmp_path)
    assert done.status == 0, done.output


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"bucket": LEFT_OUT}, "missing properties: 'bucket'"),
        ({"batch_size": "x"}, "'/batch_size' does not validate"),
        ({"path": "x"}, "'/path' does not validate"),
        ({"path": "../{{UUID}}"}, "'/path' does not validate"),
        ({"no_rotate": True}, "'/no_rotate' does not validate"),
        ({"typo": 1}, "additionalProperties 'typo' not allowed"),
        ({"format": "csv", "format_spec": {"delimiter": ",,"}}, "'/format_spec/delimiter' does not validate"),
        ({"credentials": {"role_arn": "x"}}, "'/credentials/role_arn' does not validate"),
    ],
)
def test_refused(changes: dict[str, Any], text: str, plugin: str, source: str, tmp_path: Path) -> None:
    """The CLI compiles the schema, and its message names the option that is wrong."""
    done = validate(changes, plugin, source, tmp_path)
    assert done.status == 1
    assert text in done.output


def validate(changes: dict[str, Any], plugin: str, source: str, folder: Path) -> cli.Result:
    """Run `validate-config` on a small spec with changes."""
    destination = cli.destination(written(**changes), registry="grpc", path=plugin)
    return cli.run("validate-config", cli.source(source), destination, folder=folder)
