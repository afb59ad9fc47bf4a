"""docs/errors.md shows what the real CLI prints: each of its errors is provoked here, and compared word for word."""

from __future__ import annotations

import re
import signal
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import cloudquery_cli as cli
import rows
from lake import in_bucket
from s3_servers import moto  # noqa: F401 -- a fixture
from server_programs import free_port
from wire_server import Reply, WireServer, error, self_signed, wire_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from s3_servers import Bucket, S3Server

pytestmark = pytest.mark.cli

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "errors.md"
ENDS = {"plugin-dies": signal.SIGKILL, "plugin-stops": signal.SIGTERM}
LEFT_OUT = object()
LONG = "t" * 1100
NO_KEYS = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}


def one_row() -> Iterator[tuple[str, Any]]:
    """A table and a row."""
    yield "migrate", rows.schema("users")
    yield "insert", rows.batch("users", [1])


def two_tables() -> Iterator[tuple[str, Any]]:
    """Two tables whose names differ in a hyphen."""
    for name in ("my_users", "my-users"):
        yield "migrate", rows.schema(name)
        yield "insert", rows.batch(name, [1])


def changing_columns() -> Iterator[tuple[str, Any]]:
    """A table whose columns change."""
    yield from one_row()
    yield "insert", rows.batch("users", [2], city=["Rome"])


def long_name() -> Iterator[tuple[str, Any]]:
    """A table with a very long name."""
    yield "insert", rows.batch(LONG, [1])


@dataclass(frozen=True)
class Case:
    """What is wrong.

    Attributes:
        options: changes to a spec that works.
        replies: what an S3 server answers to objects; None is a server where all is well.
        script: what the source sends.
        environment: of the plugin.
        outer: changes beside the spec (`write_mode`, `path`).
        command: of the CLI.
        tls: whether that S3 server shows a certificate that nobody trusts.
    """

    options: dict[str, Any] = field(default_factory=dict)
    replies: list[Reply] | None = None
    script: Callable[[], Iterator[tuple[str, Any]]] = one_row
    environment: dict[str, str] = field(default_factory=dict)
    outer: dict[str, str] = field(default_factory=dict)
    command: str = "sync"
    tls: bool = False


def refusal(status: int, code: str, message: str) -> list[Reply]:
    """An answer of S3, to the test object."""
    return [error(status, code, message)]


DENIED = refusal(403, "AccessDenied", "Access Denied")
UNKNOWN_KEY = refusal(403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.")
OTHER_REGION = [Reply(301, headers={"x-amz-bucket-region": "eu-west-1"})]
LATER = {"test_write": False, "max_retries": 1}
FIXED = {"no_rotate": True, "path": "data/{{TABLE}}.{{FORMAT}}"}

CASES = {
    "no-such-program": Case(outer={"registry": "local", "path": "/opt/cloudquery-s3"}),
    "no-version": Case(outer={"registry": "cloudquery", "path": "cloudquery/s3", "version": ""}),
    "missing-option": Case({"region": LEFT_OUT}),
    "unknown-format": Case({"format": "xml"}),
    "unknown-format-option": Case({"format_spec": {"colour": "red"}}),
    "wrong-type": Case({"batch_size": "many"}),
    "leading-slash": Case({"path": "/data/{{TABLE}}/{{UUID}}"}),
    "path-without-uuid": Case({"path": "data/{{TABLE}}"}),
    "no-rotate-with-uuid": Case({"no_rotate": True}),
    "no-credentials": Case(environment=NO_KEYS),
    "no-such-profile": Case({"credentials": {"local_profile": "analytics"}}),
    "unknown-access-key": Case(replies=UNKNOWN_KEY),
    "wrong-secret-key": Case(
        replies=refusal(
            403,
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided.",
        )
    ),
    "expired-token": Case(replies=refusal(400, "ExpiredToken", "The provided token has expired.") * 2),
    "access-denied": Case(replies=DENIED),
    "no-such-bucket": Case({"bucket": "no-such-bucket"}),
    "other-region": Case(replies=OTHER_REGION),
    "nobody-listens": Case({"endpoint": "http://127.0.0.1:1", "max_retries": 1}),
    "not-a-store": Case(replies=[Reply(200, b"<html><body>Welcome</body></html>")] * 3),
    "sts-unreachable": Case(
        {"credentials": {"role_arn": "arn:aws:iam::123456789012:role/lake-writer"}, "max_retries": 1},
        environment={"AWS_ENDPOINT_URL_STS": "http://127.0.0.1:1"},
    ),
    "untrusted-certificate": Case(replies=[], tls=True),
    "no-acls": Case(
        {"acl": "public-read"},
        refusal(400, "AccessControlListNotSupported", "The bucket does not allow ACLs"),
    ),
    "unknown-header": Case(
        replies=refusal(501, "NotImplemented", "A header you provided implies functionality that is not implemented")
    ),
    "overloaded": Case({"max_retries": 1}, refusal(503, "SlowDown", "Please reduce your request rate.")),
    "delete-stale": Case(outer={"write_mode": "overwrite-delete-stale"}),
    "denied-in-mid-sync": Case(LATER, DENIED),
    "manifest-denied": Case({**LATER, "manifest": {}}, replies=[Reply(headers={"ETag": '"etag"'}), *DENIED]),
    "manifest-among-tables": Case({"manifest": {"latest": "data/latest/all.json"}}),
    "one-object-fails": Case(LATER, refusal(500, "InternalError", "We encountered an internal error.")),
    "columns-change": Case(FIXED, script=changing_columns),
    "one-key-for-two": Case({"no_rotate": True, "path": "{{TABLE_HYPHEN}}/{{TABLE_HYPHEN}}"}, script=two_tables),
    "key-too-long": Case(script=long_name),
    "validate-config": Case({"bucket": 5}, command="validate-config"),
    "test-invalid-spec": Case({"format": "xml"}, command="test-connection"),
    "test-unauthenticated": Case(replies=UNKNOWN_KEY, command="test-connection"),
    "test-unauthorized": Case(replies=DENIED, command="test-connection"),
    "test-no-such-bucket": Case({"bucket": "no-such-bucket"}, command="test-connection"),
    "test-unreachable": Case({"endpoint": "http://127.0.0.1:1", "max_retries": 1}, command="test-connection"),
    "test-unknown": Case(
        {"max_retries": 1},
        refusal(503, "SlowDown", "Please reduce your request rate."),
        command="test-connection",
    ),
}


SPEC = """\
kind: destination
spec:
  name: dst
  registry: grpc
  path: 127.0.0.1:{port}
  spec:
    bucket: my-bucket
    region: us-east-1
    format: parquet
    path: {path}
"""
BY_HAND = {
    "unquoted-braces": "{{TABLE}}/{{UUID}}.{{FORMAT}}",
    "not-ready": '"{{TABLE}}/{{UUID}}.{{FORMAT}}"',
}
"""Paths as people write them into YAML."""


@pytest.fixture(scope="module")
def plugin() -> Iterator[str]:
    """Where a plugin listens, for all cases that need no environment of their own: the CLI prints the same."""
    with cli.plugin_process() as (process, address):
        yield address
        assert process.poll() is None


@pytest.fixture(scope="module")
def bucket(moto: S3Server) -> Bucket:  # noqa: F811 -- the fixture's name
    """A bucket that works."""
    return moto.new_bucket()


@contextmanager
def s3(case: Case, bucket: Bucket, folder: Path) -> Iterator[dict[str, Any]]:
    """The spec that a case is about."""
    with ExitStack() as stack:
        spec = in_bucket(bucket)
        if case.replies is not None:
            server: WireServer = stack.enter_context(wire_server(self_signed(folder)[0] if case.tls else None))
            server.answers = {"PutObject": list(case.replies)}
            spec["endpoint"] = server.endpoint
        spec = {**spec, **case.options}
        yield {name: value for name, value in spec.items() if value is not LEFT_OUT}


def printed(case: Case, plugin: str, bucket: Bucket, folder: Path) -> str:
    """What the CLI prints, with names that do not change from run to run."""
    with ExitStack() as stack:
        spec = stack.enter_context(s3(case, bucket, folder))
        if case.environment:
            plugin = stack.enter_context(cli.plugin_process(environment=case.environment))[1]
        source = stack.enter_context(cli.scripted_source(case.script, [rows.schema("users")]))
        destination = cli.destination(spec, **{"registry": "grpc", "path": plugin, **case.outer})
        documents = [destination] if case.command == "test-connection" else [cli.source(source), destination]
        done = cli.run(case.command, *documents, folder=folder)
    assert done.status == 1, done.output
    lines = [
        line for line in done.output.splitlines() if line.startswith(("Error: ", "destination ")) or "Failure" in line
    ]
    text = "\n".join(lines).replace(bucket.name, "my-bucket").replace(LONG, "ttt…")
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "5f0bb06c-6b5c-4a35-9dd4-7a0a1e1f7f4b", text)
    text = re.sub(r"(?<=grpc@)127\.0\.0\.1:\d+", "127.0.0.1:7777", text)
    text = re.sub(r"\S*(?=spec\.yml)", "", text)
    text = re.sub(r" ?\(_ssl\.c:\d+\)|(?<=file:///)\S*(?=schema\.json)", "", text)
    return re.sub(r"(?<=//127\.0\.0\.1:)\d+", "9000", text)


def documented() -> dict[str, str]:
    """What the document says is printed, by case."""
    found = re.findall(r"<!-- case: ([a-z-]+) -->\n\n```text\n(.*?)\n```", DOCUMENT.read_text(), re.DOTALL)
    return dict(found)


def test_every_documented_error_is_tried() -> None:
    """The document shows each case, and no error that is not tried."""
    assert sorted(documented()) == sorted([*CASES, *ENDS, *BY_HAND])


@pytest.mark.parametrize("name", CASES)
def test_what_the_cli_prints(name: str, plugin: str, bucket: Bucket, tmp_path: Path) -> None:
    """The real CLI prints an error as docs/errors.md shows it: in full, and with what to do."""
    text = printed(CASES[name], plugin, bucket, tmp_path)
    assert text == documented()[name]


@pytest.mark.parametrize("name", ["unquoted-braces", pytest.param("not-ready", marks=pytest.mark.slow)])
def test_a_spec_written_by_hand(name: str, tmp_path: Path) -> None:
    """What the CLI says of a file that it cannot read, or of a service that is not there, is what is documented."""
    file = tmp_path / "spec.yml"
    file.write_text(SPEC.format(port=free_port(), path=BY_HAND[name]))
    done = cli.run_file("test-connection", file)
    assert done.status == 1
    assert documented()[name] in done.output.replace(f"{tmp_path}/", "")


@pytest.mark.parametrize("name", ENDS)
def test_a_plugin_that_ends(name: str, bucket: Bucket, tmp_path: Path) -> None:
    """When the plugin is killed or stopped in mid-sync, the CLI prints what the document shows; nothing is partial."""
    with cli.plugin_process() as (process, address):

        def ends() -> Iterator[tuple[str, Any]]:
            yield from one_row()
            process.send_signal(ENDS[name])
            process.wait()
            for _ in range(40):  # the CLI must still be sending when it learns of it
                yield "insert", rows.batch("users", [1])
                time.sleep(0.05)

        with cli.scripted_source(ends, [rows.schema("users")]) as source:
            destination = cli.destination(in_bucket(bucket, path="ends/{{UUID}}"), registry="grpc", path=address)
            done = cli.run("sync", cli.source(source), destination, folder=tmp_path)
    # a cause of the system's own (`EOF`, or `read tcp …: connection reset by peer`) is its choice; and what the CLI was
    # about to send when it heard of it is the CLI's
    assert documented()[name].removesuffix(": EOF") in done.output.replace("(migrate)", "(insert)")
    assert not any(key.startswith("ends/") for key in bucket.objects())


def test_failures_are_logged(bucket: Bucket, tmp_path: Path) -> None:
    """A failed sync's reason is in the CLI's log too, once at level error, and no secret is."""
    spec = {**in_bucket(bucket), "bucket": "no-such-bucket"}
    with cli.scripted_source(one_row, [rows.schema("users")]) as source:
        done = cli.run("sync", cli.source(source), cli.destination(spec), folder=tmp_path)
    said = [message for message in done.messages("error") if message.startswith("PutObject")]
    assert len(said) == 1
    assert not any("test-secret-key" in str(line) for line in done.log)
