"""Manifests and publications of the real CLI's syncs, read by the documentation's own queries."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import cloudquery_cli as cli
import program
import rows
from cloudquery_s3.commands.iam_policy import policies
from lake import in_bucket
from program import as_yaml
from publication import documentation
from s3_servers import enforced_permissions, minio_server, moto, versitygw_server, versitygw_user  # noqa: F401 -- a fixture
from specs import parsed
from waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from s3_servers import Bucket, S3Server

pytestmark = pytest.mark.cli

TABLE = "aws_ec2_instances"
SCHEMA = rows.schema(TABLE, n=pa.int64(), region=pa.string())
LATEST, *_ = documentation.blocks("sql")


@pytest.fixture
def bucket(moto: S3Server) -> Bucket:  # noqa: F811 -- the fixture's name
    """An empty bucket."""
    return moto.new_bucket()


def instances(region: str, count: int) -> pa.RecordBatch:
    """So many rows of a region."""
    return rows.batch(TABLE, list(range(count)), region=[region] * count)


def sends(*batches: pa.RecordBatch) -> Callable[[], Iterator[tuple[str, Any]]]:
    """A source's script of these rows."""

    def script() -> Iterator[tuple[str, Any]]:
        yield "migrate", SCHEMA
        for batch in batches:
            yield "insert", batch

    return script


def spec(bucket: Bucket, **manifest: Any) -> dict[str, Any]:
    """Parquet in objects of ten rows, with a latest document for each source."""
    options = {"latest": "_cloudquery/latest/{{SOURCE}}.json", **manifest}
    return in_bucket(bucket, batch_size=10, manifest=options)


def sync(
    bucket: Bucket,
    folder: Path,
    script: Callable[[], Iterator[tuple[str, Any]]],
    *arguments: str,
    name: str = "a",
    **manifest: Any,
) -> cli.Result:
    """Run the CLI with a source of this script, the plugin as a local program."""
    with cli.scripted_source(script, [SCHEMA]) as address:
        destination = cli.destination(spec(bucket, **manifest))
        return cli.run("sync", cli.source(address, name=name), destination, folder=folder, flags=arguments)


def manifests(bucket: Bucket) -> list[dict[str, Any]]:
    """All manifests of Writes, the oldest first."""
    found = [json.loads(data) for key, data in bucket.objects().items() if "/manifests/sync_id=" in key]
    return sorted(found, key=lambda one: str(one["started_at"]))


def test_latest_of_two_sources(bucket: Bucket, tmp_path: Path) -> None:
    """After a whole sync, a killed one and a half one, the documentation's query gives the whole one's rows."""
    for name, regions in (("a", [("eu", 25), ("us", 5)]), ("b", [("ap", 7)])):
        done = sync(bucket, tmp_path, sends(*(instances(*one) for one in regions)), name=name)
        assert done.status == 0, done.output
    killed(bucket, tmp_path)

    def fails() -> Iterator[tuple[str, Any]]:
        yield from sends(instances("half", 20))()
        yield "abort", "the API is gone"

    assert sync(bucket, tmp_path, fails).status == 1
    assert [one["status"] for one in manifests(bucket)[:2]] == ["complete"] * 2
    assert {one["status"] for one in manifests(bucket)[2:]} <= {"failed", "interrupted"}
    by_region, by_source = documentation.run(LATEST, bucket, tmp_path / "copy")
    assert by_region == [("ap", 7), ("eu", 25), ("us", 5)]
    assert [(source, count) for source, _, count in by_source] == [("a", 30), ("b", 7)]


def test_a_retry_after_a_kill(bucket: Bucket, tmp_path: Path) -> None:
    """A sync that was killed and run again under its id is published with the rows of the second run alone."""
    sync_id = "5f0bb06c-6b5c-4a35-9dd4-7a0a1e1f7f4b"
    arguments = ("--invocation-id", sync_id)
    killed(bucket, tmp_path, *arguments)
    left = bucket.objects().keys()
    file = as_yaml(tmp_path, cli.destination(spec(bucket)))
    assert program.run("publish", file, "--sync", sync_id, **cli.CREDENTIALS).status == 1
    done = sync(bucket, tmp_path, sends(instances("eu", 25), instances("us", 5)), *arguments)
    assert done.status == 0, done.output
    published = program.run("publish", file, "--sync", sync_id, **cli.CREDENTIALS)
    assert published.status == 0, published.errors
    document = json.loads(bucket.objects()[f"_cloudquery/manifests/publications/{sync_id}.json"])
    listed = [entry["key"] for table in document["tables"].values() for entry in table["entries"]]
    assert sorted([*listed, *left]) == sorted(key for key in bucket.objects() if key.startswith("data/"))
    by_region, _ = documentation.run(LATEST, bucket, tmp_path / "copy")
    assert by_region == [("eu", 25), ("us", 5)]
    unlisted = program.run("verify", file, "--json", **cli.CREDENTIALS)
    found = {one["key"]: one["kind"] for one in json.loads(unlisted.output)["findings"]}
    assert found == dict.fromkeys(left, "unlisted")


def killed(bucket: Bucket, folder: Path, *arguments: str) -> None:
    """Sync with a plugin that is killed once some of its objects are in the bucket: it has no manifest."""
    before = len(manifests(bucket))
    with cli.plugin_process() as (process, plugin):

        def script() -> Iterator[tuple[str, Any]]:
            yield from sends(instances("killed", 50))()
            assert eventually(lambda: any(b"killed" in data for data in bucket.objects().values()))
            process.kill()
            process.wait()
            yield "abort", "the plugin is gone"

        with cli.scripted_source(script, [SCHEMA]) as address:
            destination = cli.destination(spec(bucket), registry="grpc", path=plugin)
            done = cli.run("sync", cli.source(address, name="a"), destination, folder=folder, flags=arguments)
    assert done.status == 1
    assert len(manifests(bucket)) == before


def test_four_shards(bucket: Bucket, tmp_path: Path) -> None:
    """Four CLIs write one sync; once published, the query gives the rows of all four, and of no attempt twice."""
    sync_id = "5f0bb06c-6b5c-4a35-9dd4-7a0a1e1f7f4b"
    file = as_yaml(tmp_path, cli.destination(spec(bucket)))
    publish = ("publish", file, "--sync", sync_id, "--parts", "4")
    for shard in (1, 2, 3):
        arguments = ("--shard", f"{shard}/4", "--invocation-id", sync_id)
        done = sync(bucket, tmp_path, sends(instances(f"r{shard}", 10 * shard)), *arguments, part=str(shard))
        assert done.status == 0, done.output
    refused = program.run(*publish, **cli.CREDENTIALS)
    assert (refused.status, "has 3 complete parts of 4: 1, 2, 3" in refused.errors) == (1, True)

    def fails() -> Iterator[tuple[str, Any]]:
        yield from sends(instances("r4", 20))()
        yield "abort", "the API is gone"

    arguments = ("--shard", "4/4", "--invocation-id", sync_id)
    assert sync(bucket, tmp_path, fails, *arguments, part="4").status == 1
    assert program.run(*publish, **cli.CREDENTIALS).status == 1
    assert sync(bucket, tmp_path, sends(instances("r4", 20)), *arguments, part="4").status == 0
    done_at_last = program.run(*publish, **cli.CREDENTIALS)
    assert done_at_last.status == 0, done_at_last.errors
    by_region, by_source = documentation.run(LATEST, bucket, tmp_path / "copy")
    assert by_region == [("r1", 10), ("r2", 20), ("r3", 30), ("r4", 20)]
    assert [(source, count) for source, _, count in by_source] == [("a", 80)]


def test_nothing_without_manifest(bucket: Bucket, tmp_path: Path) -> None:
    """A spec without `manifest` writes the tables' objects and nothing else."""
    with cli.scripted_source(sends(instances("eu", 3)), [SCHEMA]) as address:
        done = cli.run("sync", cli.source(address), cli.destination(in_bucket(bucket)), folder=tmp_path)
    assert done.status == 0, done.output
    assert [key.split("/")[:2] for key in bucket.objects()] == [["data", TABLE]]


def test_sync_summary(bucket: Bucket, tmp_path: Path) -> None:
    """`send_sync_summary` is one row of the source's counts, in a table that the manifest lists like any other."""
    with cli.scripted_source(sends(instances("eu", 25)), [SCHEMA]) as address:
        destination = cli.destination(spec(bucket), send_sync_summary=True)
        done = cli.run("sync", cli.source(address, name="a"), destination, folder=tmp_path)
    assert done.status == 0, done.output
    (manifest,) = manifests(bucket)
    (entry,) = manifest["tables"]["cloudquery_sync_summaries"]["entries"]
    (row,) = pq.read_table(pa.BufferReader(bucket.objects()[entry["key"]])).to_pylist()
    told = ("sync_id", "resources", "source_errors", "source_warnings", "destination_errors", "destination_warnings")
    assert row.keys() >= {
        *told,
        "source_name",
        "source_version",
        "destination_name",
        "destination_version",
        "cli_version",
    }
    assert row["resources"] == 25


def test_no_permission_beyond_put_object(bucket: Bucket, tmp_path: Path) -> None:
    """With all of this on, the plugin's identity may put objects at its keys, and nothing else: that is enough.

    The policy is the one that `check` prints, and the server enforces it.
    """
    iam = bucket.server.client("iam")
    iam.create_user(UserName="writer")
    keys = iam.create_access_key(UserName="writer")["AccessKey"]
    policy = policies(parsed(**spec(bucket, statistics=True))).needed
    actions = {action for statement in policy["Statement"] for action in statement["Action"]}
    assert actions == {"s3:PutObject", "s3:AbortMultipartUpload"}
    iam.put_user_policy(UserName="writer", PolicyName="writer", PolicyDocument=json.dumps(policy))
    writer = {"AWS_ACCESS_KEY_ID": keys["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"]}
    with cli.scripted_source(sends(instances("eu", 25)), [SCHEMA]) as address, enforced_permissions(bucket.server):
        documents = (cli.source(address, name="a"), cli.destination(spec(bucket, statistics=True)))
        done = cli.run("sync", *documents, folder=tmp_path, environment=writer)
        file = as_yaml(tmp_path, documents[1])
        forbidden = program.run("syncs", file, **(cli.CREDENTIALS | writer))
    assert done.status == 0, done.output
    assert (forbidden.status, "allow s3:ListBucket on the bucket" in forbidden.errors) == (1, True)
    (manifest,) = manifests(bucket)
    assert (manifest["status"], manifest["rows"]) == ("complete", 25)
    assert json.loads(bucket.objects()["_cloudquery/latest/a.json"]) == manifest
    assert program.run("verify", file, "--deep", **cli.CREDENTIALS).status == 0


@contextmanager
def writer_of_versitygw() -> Iterator[tuple[Bucket, dict[str, str]]]:
    """A bucket whose policy lets a user put objects, and this user's keys."""
    with versitygw_server(users=True) as server:
        bucket = server.new_bucket()
        writer = versitygw_user(server, "writer")
        allowed = [{**one, "Principal": {"AWS": ["writer"]}} for one in needed(bucket)]
        policy = json.dumps({"Version": "2012-10-17", "Statement": allowed})
        server.client().put_bucket_policy(Bucket=bucket.name, Policy=policy)
        yield bucket, writer


@contextmanager
def writer_of_minio() -> Iterator[tuple[Bucket, dict[str, str]]]:
    """A bucket, and the keys of a session whose policy lets it put objects there."""
    with minio_server() as server:
        bucket = server.new_bucket()
        policy = json.dumps({"Version": "2012-10-17", "Statement": needed(bucket)})
        role = {"RoleArn": "arn:aws:iam::123456789012:role/writer", "RoleSessionName": "writer"}
        keys = server.client("sts").assume_role(**role, Policy=policy)["Credentials"]
        yield (
            bucket,
            {
                "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
                "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
                "AWS_SESSION_TOKEN": keys["SessionToken"],
            },
        )


def needed(bucket: Bucket) -> list[dict[str, Any]]:
    """The statements of the policy that `check` prints for a spec with all of it."""
    statements: list[dict[str, Any]] = policies(parsed(**spec(bucket, statistics=True))).needed["Statement"]
    return statements


@pytest.mark.server
@pytest.mark.parametrize(
    "writer_of",
    [writer_of_versitygw, pytest.param(writer_of_minio, marks=pytest.mark.slow)],
    ids=["versitygw", "minio"],
)
def test_no_permission_beyond_put_object_on_other_servers(writer_of: Any, tmp_path: Path) -> None:
    """The same where another server enforces the policy of a bucket or a session; objects are created only."""
    with writer_of() as (bucket, writer), cli.scripted_source(sends(instances("eu", 25)), [SCHEMA]) as address:
        options = {**spec(bucket, statistics=True), "create_only": "always"}
        documents = (cli.source(address, name="a"), cli.destination(options))
        done = cli.run("sync", *documents, folder=tmp_path, environment=writer)
        file = as_yaml(tmp_path, documents[1])
        assert done.status == 0, done.output
        assert program.run("syncs", file, **(cli.CREDENTIALS | writer)).status == 1
        (manifest,) = manifests(bucket)
        assert (manifest["status"], manifest["rows"]) == ("complete", 25)
        assert json.loads(bucket.objects()["_cloudquery/latest/a.json"]) == manifest
        assert program.run("verify", file, "--deep", **cli.CREDENTIALS).status == 0
