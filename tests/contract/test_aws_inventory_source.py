"""The example source, over gRPC and against boto3's own listings on a moto server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import grpc
import psutil
import pyarrow as pa
import pytest
from cloudquery.plugin_v3 import plugin_pb2, plugin_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
LAUNCHER = ROOT / "examples/aws_inventory/aws-inventory"
REGIONS = ["eu-west-1", "us-west-1"]
NOBODY = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}

Rows = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def api() -> Iterator[str]:
    """A process that answers as AWS."""
    command = [sys.executable, "-m", "examples.demo.moto_server"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield process.stdout.readline().strip()
        process.kill()


@contextmanager
def started(folder: Path, **environment: str) -> Iterator[tuple[subprocess.Popen[bytes], Any]]:
    """Start the source as the CLI does, and yield the process and a client."""
    address = folder / "cq-source.sock"
    flags = ["serve", "--log-level", "info", "--log-format", "json", "--network", "unix", "--address", str(address)]
    unknown = ["--no-sentry", "--license", "x", "--otel-endpoint-insecure"]
    keep = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    env = keep | {"AWS_EC2_METADATA_DISABLED": "true"} | environment
    with subprocess.Popen([LAUNCHER, *flags, *unknown], cwd=folder, env=env, stdout=subprocess.DEVNULL) as process:
        with grpc.insecure_channel(f"unix:{address}", options=[("grpc.max_receive_message_length", -1)]) as channel:
            grpc.channel_ready_future(channel).result(timeout=20)
            yield process, plugin_pb2_grpc.PluginStub(channel)
        process.kill()


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A client of one source process."""
    with started(tmp_path_factory.mktemp("source"), **NOBODY) as (_, stub):
        yield stub


def init(source: Any, **options: object) -> None:
    """Give the source its options."""
    source.Init(plugin_pb2.Init.Request(spec=json.dumps(options).encode()))


def synced(source: Any, *tables: str) -> tuple[dict[str, pa.Schema], Rows]:
    """Run a Sync and return the announced schemas and the rows, each by table."""
    schemas: dict[str, pa.Schema] = {}
    rows: Rows = defaultdict(list)
    for message in source.Sync(plugin_pb2.Sync.Request(tables=tables)):
        if message.WhichOneof("message") == "migrate_table":
            assert not rows, "a schema after the first rows"
            schema = pa.ipc.open_stream(message.migrate_table.table).schema
            schemas[schema.metadata[b"cq:table_name"].decode()] = schema
        else:
            reader = pa.ipc.open_stream(message.insert.record)
            (batch,) = list(reader)
            name = batch.schema.metadata[b"cq:table_name"].decode()
            assert batch.schema.equals(schemas[name], check_metadata=True)
            assert 0 < batch.num_rows <= 500
            rows[name] += batch.to_pylist()
    return schemas, rows


@pytest.fixture(scope="module")
def everything(api: str, source: Any) -> tuple[dict[str, pa.Schema], Rows]:
    """What a sync of every table sends."""
    init(source, endpoint=api, regions=REGIONS, home_region="eu-west-1")
    return synced(source, "*")


def ec2(api: str, region: str) -> Any:
    """Return boto3's own client."""
    return boto3.client(
        "ec2", region_name=region, endpoint_url=api, aws_access_key_id="test", aws_secret_access_key="test"
    )


def test_each_regional_table_has_the_rows_that_boto3_lists(api: str, everything: tuple[Any, Rows]) -> None:
    """The rows of networks, zones and offerings are those that boto3 lists in the wanted regions, and no others."""
    _, rows = everything
    expected: dict[str, set[tuple[str, ...]]] = defaultdict(set)
    for region in REGIONS:
        client = ec2(api, region)
        for zone in client.describe_availability_zones()["AvailabilityZones"]:
            expected["aws_availability_zones"].add((region, zone["ZoneId"]))
        for vpc in client.describe_vpcs()["Vpcs"]:
            expected["aws_ec2_vpcs"].add((region, vpc["VpcId"]))
        for subnet in client.describe_subnets()["Subnets"]:
            expected["aws_ec2_subnets"].add((region, subnet["SubnetId"]))
        offerings = client.describe_instance_type_offerings(LocationType="availability-zone")["InstanceTypeOfferings"]
        for one in offerings:
            expected["aws_ec2_instance_type_offerings"].add((region, one["Location"], one["InstanceType"]))
    keys = {
        "aws_availability_zones": ("region", "zone_id"),
        "aws_ec2_vpcs": ("region", "vpc_id"),
        "aws_ec2_subnets": ("region", "subnet_id"),
        "aws_ec2_instance_type_offerings": ("region", "location", "instance_type"),
    }
    for table, key in keys.items():
        found = [tuple(row[name] for name in key) for row in rows[table]]
        assert len(found) == len(expected[table]) > 0
        assert set(found) == expected[table]


def test_the_catalogues_are_whole(api: str, everything: tuple[Any, Rows]) -> None:
    """Instance types, images and regions are as many as boto3 lists in the home region, which stands for all."""
    _, rows = everything
    client = ec2(api, "eu-west-1")
    types = client.describe_instance_types()["InstanceTypes"]
    images = client.describe_images(Owners=["self", "amazon"])["Images"]
    assert {row["instance_type"] for row in rows["aws_ec2_instance_types"]} == {one["InstanceType"] for one in types}
    assert {row["image_id"] for row in rows["aws_ec2_images"]} == {one["ImageId"] for one in images}
    assert len(rows["aws_ec2_instance_types"]) == len(types) > 1000
    assert len(rows["aws_ec2_images"]) == len(images) > 1000
    assert len(rows["aws_regions"]) == len(client.describe_regions(AllRegions=True)["Regions"])


def test_every_managed_policy_has_its_document(api: str, everything: tuple[Any, Rows]) -> None:
    """There is a row for each managed policy, and its document is that of the default version."""
    _, rows = everything
    iam = boto3.client(
        "iam", region_name="eu-west-1", endpoint_url=api, aws_access_key_id="test", aws_secret_access_key="test"
    )
    pages = iam.get_paginator("list_policies").paginate(Scope="All", PaginationConfig={"PageSize": 1000})
    listed = {policy["Arn"]: policy for page in pages for policy in page["Policies"]}
    policies = {row["arn"]: row for row in rows["aws_iam_policies"]}
    assert policies.keys() == listed.keys()
    assert len(rows["aws_iam_policies"]) == len(listed) > 1000
    for arn in sorted(listed)[::100]:
        version = iam.get_policy_version(PolicyArn=arn, VersionId=listed[arn]["DefaultVersionId"])["PolicyVersion"]
        assert json.loads(policies[arn]["document"]) == version["Document"]
        assert policies[arn]["create_date"] == listed[arn]["CreateDate"]


def test_columns_have_cloudquery_types(everything: tuple[dict[str, pa.Schema], Rows]) -> None:
    """The tables hold every kind of column that a destination must know: uuid, json, inet, time, list and struct."""
    schemas, rows = everything

    def mark(field: pa.Field) -> tuple[bytes, bytes]:
        return field.metadata[b"ARROW:extension:name"], field.metadata[b"ARROW:extension:metadata"]

    for schema in schemas.values():
        assert mark(schema.field("_cq_id")) == (b"uuid", b"uuid-serialized")
        assert not schema.field("_cq_id").nullable
        assert schema.field("_cq_id").metadata[b"cq:extension:unique"] == b"true"
        assert mark(schema.field("_cq_parent_id")) == (b"uuid", b"uuid-serialized")
    subnets, types = schemas["aws_ec2_subnets"], schemas["aws_ec2_instance_types"]
    assert mark(subnets.field("cidr_block")) == (b"inet", b"inet-serialized")
    assert mark(schemas["aws_ec2_vpcs"].field("cidr_blocks").type.value_field) == (b"inet", b"inet-serialized")
    assert mark(types.field("network_info")) == (b"json", b"json-serialized")
    assert types.field("architectures").type == pa.list_(pa.string())
    assert types.field("ebs").type.field("baseline_iops").type == pa.int64()
    assert schemas["aws_ec2_images"].field("creation_date").type == pa.timestamp("us", "UTC")
    assert schemas["aws_availability_zones"].metadata[b"cq:table_depends_on"] == b"aws_regions"
    assert rows["aws_ec2_vpcs"][0]["cidr_blocks"] == [b"172.31.0.0/16"]
    assert all(row["create_date"].utcoffset() is not None for row in rows["aws_iam_policies"])
    large = next(row for row in rows["aws_ec2_instance_types"] if row["instance_type"] == "m5.large")
    assert large["ebs"]["baseline_iops"] == 3600
    assert large["vcpus"] == 2
    assert json.loads(large["network_info"])["EnaSupport"] == "required"


def test_ids_are_the_same_in_every_sync(source: Any, api: str, everything: tuple[Any, Rows]) -> None:
    """A row keeps its `_cq_id` from sync to sync, no two rows share one, and a child's parent id is its parent's."""
    _, rows = everything
    init(source, endpoint=api, regions=REGIONS, home_region="eu-west-1")
    _, again = synced(source, "aws_regions", "aws_ec2_vpcs")
    for table, second in again.items():
        assert [row["_cq_id"] for row in second] == [row["_cq_id"] for row in rows[table]]
    ids = [row["_cq_id"] for table in rows.values() for row in table]
    assert len(ids) == len(set(ids))
    regions = {row["region"]: row["_cq_id"] for row in rows["aws_regions"]}
    assert all(zone["_cq_parent_id"] == regions[zone["region"]] for zone in rows["aws_availability_zones"])


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({"tables": ["aws_ec2_vpcs"]}, ["aws_ec2_vpcs"]),
        ({"tables": ["aws_ec2_instance_*"]}, ["aws_ec2_instance_types", "aws_ec2_instance_type_offerings"]),
        ({"tables": ["aws_regions"]}, ["aws_regions", "aws_availability_zones"]),
        ({"tables": ["aws_regions"], "skip_dependent_tables": True}, ["aws_regions"]),
        ({"tables": ["aws_availability_zones"]}, ["aws_regions", "aws_availability_zones"]),
        ({"tables": ["*"], "skip_tables": ["aws_ec2_*", "aws_regions"]}, ["aws_iam_policies"]),
    ],
)
def test_tables_are_selected_as_cloudquery_does(source: Any, request_: dict[str, Any], expected: list[str]) -> None:
    """`tables` and `skip_tables` take patterns, parents come with their children, and what is skipped is out."""
    answer = source.GetTables(plugin_pb2.GetTables.Request(**request_))
    schemas = [pa.ipc.open_stream(table).schema for table in answer.tables]
    assert [schema.metadata[b"cq:table_name"].decode() for schema in schemas] == expected


def test_an_unknown_table_is_refused(source: Any) -> None:
    """A pattern that matches no table is an error that lists the tables there are."""
    with pytest.raises(grpc.RpcError, match=r"aws_typo.*aws_ec2_images") as caught:
        source.GetTables(plugin_pb2.GetTables.Request(tables=["aws_typo"]))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (b'{"endpiont": "x"}', "endpiont"),
        (b'{"regions": ["Frankfurt"]}', r"regions\.0"),
        (b'{"image_owners": []}', "image_owners"),
        (b"[]", "spec"),
        (b"{", "spec"),
    ],
)
def test_a_wrong_option_is_refused_by_name(source: Any, spec: bytes, message: str) -> None:
    """Init refuses a wrong or unknown option and names it."""
    with pytest.raises(grpc.RpcError, match=message) as caught:
        source.Init(plugin_pb2.Init.Request(spec=spec))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("spec", [b"", b"null", b"{}"])
def test_no_options_are_fine(source: Any, spec: bytes) -> None:
    """Without options the source would list the account of the AWS credentials."""
    source.Init(plugin_pb2.Init.Request(spec=spec))


def test_an_unreachable_endpoint_says_so(source: Any) -> None:
    """A sync from an address where nothing listens ends within seconds, and names the option."""
    init(source, endpoint="http://127.0.0.1:1")
    with pytest.raises(grpc.RpcError, match=r"check `endpoint`") as caught:
        list(source.Sync(plugin_pb2.Sync.Request(tables=["aws_regions"]), timeout=30))
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


def test_test_connection_tells_good_from_bad(source: Any, api: str) -> None:
    """TestConnection succeeds where AWS answers, and otherwise gives a code and says why."""

    def tested(**options: object) -> Any:
        return source.TestConnection(plugin_pb2.TestConnection.Request(spec=json.dumps(options).encode()))

    assert tested(endpoint=api).success
    assert tested(endpoint="http://127.0.0.1:1").failure_code == "UNREACHABLE"
    bad = tested(regions="all")
    assert (bad.success, bad.failure_code) == (False, "INVALID_SPEC")
    assert "regions" in bad.failure_description


def test_missing_credentials_are_named(tmp_path: Path, api: str) -> None:
    """Without AWS credentials the error says how to give them."""
    nothing = str(tmp_path / "none")
    environment = {"AWS_SHARED_CREDENTIALS_FILE": nothing, "AWS_CONFIG_FILE": nothing}
    with started(tmp_path, **environment) as (_, stub):
        answer = stub.TestConnection(plugin_pb2.TestConnection.Request(spec=json.dumps({"endpoint": api}).encode()))
    assert "AWS_ACCESS_KEY_ID" in answer.failure_description


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_well(tmp_path: Path, number: signal.Signals) -> None:
    """SIGINT, which the CLI sends at the end, and SIGTERM end the process with exit code 0."""
    with started(tmp_path, **NOBODY) as (process, _):
        process.send_signal(number)
        assert process.wait(timeout=10) == 0


def test_it_does_not_outlive_a_killed_cli(tmp_path: Path) -> None:
    """When the process that started it is killed, the source ends by itself."""
    address = tmp_path / "s.sock"
    command = f'"{LAUNCHER}" serve --network unix --address "{address}" & wait'
    with subprocess.Popen(["/bin/sh", "-c", command], env=os.environ | NOBODY, stdout=subprocess.DEVNULL) as parent:
        with grpc.insecure_channel(f"unix:{address}") as channel:
            grpc.channel_ready_future(channel).result(timeout=20)
        (child,) = psutil.Process(parent.pid).children()
        parent.kill()
    deadline = time.monotonic() + 10
    child.wait(timeout=deadline - time.monotonic())
