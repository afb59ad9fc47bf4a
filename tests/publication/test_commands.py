"""The commands that read a bucket, as a user and a script call them."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

import program
from program import as_yaml, destination
from reader import moment

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from reader import Lake

pytestmark = pytest.mark.server


@pytest.fixture
def server(moto_with_credentials: Any) -> Any:
    """One server is enough here: what differs between servers is tested without the command line."""
    return moto_with_credentials


class Shell:
    """Runs commands on a lake's spec file."""

    def __init__(self, one: Lake, folder: Path, **outer: Any) -> None:
        self.spec = as_yaml(folder, destination(one.written, **outer))

    def __call__(self, command: str, *arguments: str) -> program.Said:
        keys = {name: os.environ[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
        return program.run(command, self.spec, *arguments, **keys)

    def json(self, command: str, *arguments: str, status: int = 0) -> Any:
        """The document that a command prints."""
        said = self(command, *arguments, "--json")
        assert said.status == status, said.errors
        return json.loads(said.output)


def test_syncs(lake: Callable[..., Lake], tmp_path: Path) -> None:
    """`syncs` lists each sync on a line of fields, the newest first, and the same as JSON."""
    one = lake()
    shell = Shell(one, tmp_path)
    assert (shell("syncs").output, shell.json("syncs")) == ("", [])
    one.write("old")
    one.write("new", 5, [(1,)], status="failed", source="gcp")
    lines = [line.split("\t") for line in shell("syncs").output.splitlines()]
    assert [line[:-1] for line in lines] == [
        ["new", "failed", moment(5), "gcp", "1", "1", "1"],
        ["old", "complete", moment(0), "aws", "1", "3", "2"],
    ]
    (newest, oldest) = shell.json("syncs")
    assert (newest["status"], newest["rows"], newest["sources"]) == ("failed", 1, ["gcp"])
    assert (oldest["ended_at"], oldest["bytes"]) == (moment(1), int(lines[1][-1]))


def test_verify(lake: Callable[..., Lake], tmp_path: Path) -> None:
    """`verify` ends with 0 where all is there, also beside unlisted objects, and with 1 where something is missing."""
    one = lake()
    shell = Shell(one, tmp_path)
    stored = one.write("s")
    unlisted = one.write("killed", manifest=False)
    said = shell("verify", "--deep")
    assert said.status == 0
    lines = said.output.splitlines()
    assert {line.partition(":")[0] for line in lines[:-1]} == {"unlisted"}
    assert len(lines) == len(unlisted) + 1
    assert lines[-1].startswith("2 objects with 3 rows in ")
    assert lines[-1].endswith("of 1 sync: 0 missing, 0 altered, 0 replaced, 2 unlisted; rows counted")
    one.delete(stored[0].key)
    said = shell("verify", "--sync", "s")
    assert said.status == 1
    assert said.output.startswith(f"missing: {stored[0].key}: there is no object at this key\n")
    document = shell.json("verify", status=1)
    assert (document["ok"], document["counts"]["missing"], document["syncs"]) == (False, 1, 1)


def test_publish(lake: Callable[..., Lake], tmp_path: Path) -> None:
    """`publish` ends with 0 and says what it has done, or that it was done before; a sync that is not whole is 1."""
    one = lake()
    shell = Shell(one, tmp_path)
    one.write("s", 0, part="0")
    said = shell("publish", "--sync", "s", "--parts", "2")
    assert (said.status, said.output) == (1, "")
    assert said.errors == "error: sync s has 1 complete part of 2: 0\n"
    one.write("s", 0, part="1")
    lines = shell("publish", "--sync", "s", "--parts", "2").output.splitlines()
    publication = f"s3://{one.raw.name}/_cloudquery/manifests/publications/s.json"
    assert lines[0].startswith("sync s published: 6 rows in 4 objects, ")
    assert lines[0].endswith(f": {publication}")
    assert lines[1] == f"s3://{one.raw.name}/_cloudquery/manifests/latest.json points to this sync now"
    again = shell("publish", "--sync", "s", "--parts", "2").output.splitlines()
    assert again[0].startswith("sync s was published already, nothing is changed: 6 rows")
    assert again[1].endswith("pointed to this sync already")
    document = shell.json("publish", "--sync", "s")
    assert (document["created"], document["parts"], document["rows"]) == (False, ["0", "1"], 6)


def test_expire(lake: Callable[..., Lake], tmp_path: Path) -> None:
    """`expire` says what would go, and with `--delete` lets it go."""
    one = lake()
    shell = Shell(one, tmp_path)
    one.write("a", 0)
    one.write("b", 5)
    said = shell("expire", "--keep", "1").output.splitlines()
    assert said[0].startswith(f"a: complete, ended {moment(1)}: 2 objects, ")
    assert said[0].endswith(": newer syncs stay")
    assert said[1] == "1 sync with 2 objects would be deleted: add --delete"
    assert one.statuses().keys() == {"a", "b"}
    document = shell.json("expire", "--keep", "1")
    assert (document["expired"][0]["sync_id"], document["deleted"]) == ("a", None)
    assert shell.json("expire", "--older-than", "36500d")["expired"] == []
    deleted = shell.json("expire", "--keep", "1", "--delete")["deleted"]
    assert deleted == {"objects": 2, "documents": 1, "kept_keys": []}
    assert one.statuses().keys() == {"b"}
    assert shell("expire", "--keep", "1").output == "nothing expires\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["expire"],
        ["expire", "--keep", "1", "--older-than", "1d"],
        ["expire", "--keep", "0"],
        ["expire", "--older-than", "soon"],
        ["publish"],
        ["publish", "--sync", "s", "--parts", "0"],
        ["verify", "--sync"],
    ],
)
def test_wrong_usage(lake: Callable[..., Lake], tmp_path: Path, arguments: list[str]) -> None:
    """A command that is called wrongly ends with 2, and sends nothing."""
    assert Shell(lake(), tmp_path)(*arguments).status == 2


def test_a_destination_that_is_not_called_s3(lake: Callable[..., Lake], tmp_path: Path) -> None:
    """A destination without s3 in its names is none of S3's, whatever its spec says, unless it is chosen."""
    one = lake()
    one.write("s")
    file = as_yaml(tmp_path, destination(one.written, path="localhost:7777"))
    keys = {name: os.environ[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    said = program.run("syncs", file, **keys)
    assert said.status == 1
    assert f"there is no S3 destination in {file}, only lake: choose with --destination" in said.errors
    assert program.run("syncs", file, "--destination", "lake", **keys).output.startswith("s\t")


def test_which_destination(lake: Callable[..., Lake], tmp_path: Path) -> None:
    """Of several destinations with manifests one must be chosen; one without has nothing to read."""
    one, two = lake(), lake()
    one.write("s")
    file = as_yaml(tmp_path, destination(one.written, name="one"), destination(two.written, name="two"))
    keys = {name: os.environ[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    said = program.run("syncs", file, **keys)
    assert (said.status, "(one, two): choose with --destination" in said.errors) == (1, True)
    assert program.run("syncs", file, "--destination", "one", **keys).output.startswith("s\t")
    assert program.run("syncs", file, "--destination", "two", **keys).output == ""
    said = program.run("syncs", file, "--destination", "three", **keys)
    assert f"there is no destination three in {file}, only one, two" in said.errors
    plain = {name: value for name, value in one.written.items() if name != "manifest"}
    said = program.run("syncs", as_yaml(tmp_path, destination(plain)), **keys)
    assert (said.status, "writes manifests: set `manifest`" in said.errors) == (1, True)


def test_a_variable_of_the_shards(lake: Callable[..., Lake], tmp_path: Path) -> None:
    """The part's variable, which only a shard has, keeps no reader from reading; one in the bucket's name does."""
    one = lake(manifest={"part": "${JOB_COMPLETION_INDEX}"})
    one.write("s", part="1")
    shell = Shell(one, tmp_path)
    assert shell("syncs").output.startswith("s\tparts\t")
    shell.spec = as_yaml(tmp_path, destination({**one.written, "bucket": "${NO_SUCH_BUCKET}"}))
    said = shell("syncs")
    assert (said.status, said.errors) == (1, "error: bucket: holds a variable that the environment does not have\n")


def test_a_store_that_refuses(lake: Callable[..., Lake], tmp_path: Path) -> None:
    """An error of the store is one line with what to do, and 1."""
    one = lake()
    one.written = {**one.written, "bucket": "no-such-bucket-1234"}
    said = Shell(one, tmp_path)("syncs")
    assert said.status == 1
    assert said.errors.startswith('error: ListObjectsV2 : bucket "no-such-bucket-1234" does not exist')


def test_ddl_of_what_is_in_the_bucket(lake: Callable[..., Lake], tmp_path: Path) -> None:
    """`ddl` knows a table by a key of the bucket: a manifest's or an object's, each with or without the bucket."""
    one = lake()
    shell = Shell(one, tmp_path)
    (record,) = one.write("s", 0, [(1,)])
    (manifest,) = (key for key in one.all_keys() if key.startswith("_cloudquery/"))
    said = [
        shell("ddl", "--dialect", "trino", option, f"{start}{key}")
        for option, key in (("--manifest", manifest), ("--object", record.key))
        for start in ("", f"s3://{one.raw.name}/")
    ]
    assert {one.status for one in said} == {0}, said
    assert len({one.output for one in said}) == 1
    assert "CREATE TABLE" in said[0].output
    missing = shell("ddl", "--dialect", "trino", "--object", "no/such")
    assert (missing.status, "there is no object at this key" in missing.errors) == (1, True)
