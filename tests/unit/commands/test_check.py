"""`check`: what it finds, what it shows, how it ends."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

import program
from program import as_yaml, destination
from s3_servers import moto  # noqa: F401 -- a fixture
from specs import LEFT_OUT, written

if TYPE_CHECKING:
    from pathlib import Path

    from s3_servers import S3Server


def check(folder: Path, *documents: object, **environment: str) -> program.Said:
    """Check these documents."""
    return program.run("check", as_yaml(folder, *documents), folder=folder, **environment)


def test_good_spec(tmp_path: Path) -> None:
    """A good spec ends with 0, and shows the example table's key and the test object's."""
    said = check(tmp_path, destination(written(path="a/{{TABLE}}/{{UUID}}.{{FORMAT}}", compression="gzip")))
    assert said.status == 0
    assert re.search(r"s3://b/a/aws_ec2_instances/[0-9a-f-]{36}\.json\.gz$", said.output, re.MULTILINE)
    assert "s3://b/a/TEST_TABLE/TEST_UUID.json.gz\n" in said.output
    assert said.output.endswith("1 S3 destination checked: 0 problems, 0 warnings\n")


def test_table_option(tmp_path: Path) -> None:
    """`--table` chooses the table whose key is shown."""
    spec = as_yaml(tmp_path, written(path="{{TABLE_HYPHEN}}/{{UUID}}"))
    assert "s3://b/my-table/" in program.run("check", spec, "--table", "my_table").output


def test_everything_at_once(tmp_path: Path) -> None:
    """All problems are said, around the plugin's spec and in it, and the exit code is 1."""
    spec = written(bucket=LEFT_OUT, path="/x", acl="open", batch_timeout="soon", part_size="5", nonsense=1)
    said = check(tmp_path, destination(spec, write_mode="overwrite-delete-stale", batch_size=1))
    assert said.status == 1
    fields = {problem.partition(":")[0] for problem in said.findings("problem")}
    assert fields == {"batch_size", "write_mode", "part_size", "batch_timeout", "bucket", "path", "acl"}
    assert [warning.partition(":")[0] for warning in said.findings("warning")] == ["nonsense"]


@pytest.mark.parametrize(
    ("mode", "problems", "warnings"),
    [("append", 0, 0), ("overwrite", 0, 1), ("overwrite-delete-stale", 1, 0), (None, 1, 0)],
)
def test_write_mode(mode: str | None, problems: int, warnings: int, tmp_path: Path) -> None:
    """Only `append` goes without saying; a mode that deletes, as the CLI's default does, is a problem."""
    document: dict[str, Any] = destination(written())
    document["spec"].pop("write_mode")
    document["spec"] |= {"write_mode": mode} if mode else {}
    said = check(tmp_path, document)
    assert (len(said.findings("problem")), len(said.findings("warning"))) == (problems, warnings)


def test_other_documents_are_passed_over(tmp_path: Path) -> None:
    """Sources, and destinations that the CLI downloads by another name, are not this plugin's."""
    other = {"kind": "destination", "spec": {"name": "pg", "path": "cloudquery/postgresql", "spec": {}}}
    said = check(tmp_path, {"kind": "source", "spec": {}}, other, destination(written()))
    assert said.status == 0
    assert "1 S3 destination checked" in said.output


def test_nothing_to_check(tmp_path: Path) -> None:
    """A file without an S3 destination is a problem, not silence."""
    said = check(tmp_path, {"kind": "source", "spec": {}})
    assert said.status == 1
    assert "there is no S3 destination in it" in said.output


def test_the_go_plugin(tmp_path: Path) -> None:
    """A spec that would start the Go plugin is checked, with a warning that it does."""
    said = check(tmp_path, destination(written(), registry="cloudquery", path="cloudquery/s3"))
    assert said.status == 0
    assert "starts the Go plugin" in said.findings("warning")[0]


def test_local_path(tmp_path: Path) -> None:
    """`registry: local` with a path that is no program from here is a warning; the program's own is none."""
    missing = check(tmp_path, destination(written(), registry="local", path="cloudquery-s3"))
    assert "is not a program" in missing.findings("warning")[0]
    assert not check(tmp_path, destination(written(), registry="local", path=str(program.PROGRAM))).findings("warning")


def test_unset_variables(tmp_path: Path) -> None:
    """Every variable without a value is named, and nothing else is said of the options that hold them."""
    said = check(tmp_path, destination(written(endpoint="${NO_A}", acl="${NO_B}")))
    assert said.status == 1
    assert said.findings("problem") == [
        "${NO_B}: the environment has no such variable",
        "${NO_A}: the environment has no such variable",
    ]
    assert check(tmp_path, destination(written(bucket="${SOME}")), SOME="x").status == 0


def test_folder(tmp_path: Path) -> None:
    """A folder stands for all the YAML files in it."""
    for name in ("a.yml", "b.yaml", "c.txt", ".d.yml"):
        as_yaml(tmp_path, written()).rename(tmp_path / name)
    assert "2 S3 destinations checked" in program.run("check", tmp_path).output


def test_no_yaml(tmp_path: Path) -> None:
    """A file that is not YAML is a problem at a line, with no word of its content."""
    file = tmp_path / "spec.yml"
    file.write_text("bucket: secret\npath: {{TABLE}}/{{UUID}}\n", encoding="utf-8")
    said = program.run("check", file)
    assert said.status == 1
    assert "line 2" in said.output
    assert "put quotes around a value that begins with {{" in said.output
    assert "secret" not in said.output


def test_no_secrets(tmp_path: Path) -> None:
    """An external id and the value of a variable never appear."""
    credentials = {"role_arn": "arn:aws:iam::123456789012:role/w", "external_id": "${EXTERNAL}"}
    said = check(tmp_path, destination(written(credentials=credentials)), EXTERNAL="very-secret")
    assert said.status == 0
    assert "very-secret" not in said.output


def test_key_too_long(tmp_path: Path) -> None:
    """A table whose key S3 would refuse is a problem."""
    spec = as_yaml(tmp_path, written(path="{{TABLE}}/{{UUID}}"))
    said = program.run("check", spec, "--table", "x" * 1000)
    assert said.status == 1
    assert "1024" in said.findings("problem")[0]


def test_policies_are_json(tmp_path: Path) -> None:
    """Without a terminal each policy is JSON that can be cut out of the output."""
    said = check(tmp_path, written(credentials={"role_arn": "arn:aws:iam::123456789012:role/w"}))
    documents = re.findall(r"^\{$.*?^\}$", said.output, re.MULTILINE | re.DOTALL)
    actions = [{action for part in json.loads(text)["Statement"] for action in part["Action"]} for text in documents]
    assert actions == [
        {"s3:PutObject", "s3:AbortMultipartUpload"},
        {"s3:DeleteObject", "s3:GetObject", "s3:ListBucketMultipartUploads"},
        {"sts:AssumeRole"},
    ]


def test_connect(tmp_path: Path, moto: S3Server) -> None:  # noqa: F811 -- the fixture
    """`--connect` writes the test object into the bucket and removes it, even where a sync would not write one."""
    bucket = moto.new_bucket()
    spec = written(
        bucket=bucket.name, region="us-east-1", endpoint=moto.endpoint, use_path_style=True, test_write=False
    )
    said = program.run("check", as_yaml(tmp_path, spec), "--connect", **moto.environment())
    assert said.status == 0, said.output
    assert said.findings("ok") == ["the test object was written"]
    assert not bucket.objects()


def test_connect_fails(tmp_path: Path, moto: S3Server) -> None:  # noqa: F811 -- the fixture
    """`--connect` says why a bucket cannot be written to, and ends with 1."""
    spec = written(bucket="no-such-bucket", region="us-east-1", endpoint=moto.endpoint, use_path_style=True)
    said = program.run("check", as_yaml(tmp_path, spec), "--connect", **moto.environment())
    assert said.status == 1
    assert 'bucket "no-such-bucket" does not exist' in said.findings("problem")[0]


def test_nothing_is_sent_without_connect(tmp_path: Path) -> None:
    """Without `--connect` a good spec passes though nobody listens at its endpoint."""
    assert check(tmp_path, destination(written(endpoint="http://127.0.0.1:1"))).status == 0
