"""Every other RPC over real gRPC: a clear answer, and no trace in the log."""

from __future__ import annotations

import json
import os
import re
import threading
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from cloudquery.discovery_v1 import discovery_pb2, discovery_pb2_grpc
from cloudquery.plugin_v3 import plugin_pb2 as pb

import cloudquery_cli as cli
import plugin_client as client
import rows
from lake import in_bucket
from s3_servers import enforced_permissions, moto  # noqa: F401 -- a fixture

if TYPE_CHECKING:
    from collections.abc import Iterator

    from s3_servers import Bucket, S3Server


@pytest.fixture(scope="module")
def plugin() -> Iterator[client.Client]:
    """A client of a plugin that must be alive at the end, and whose log has no trace."""
    with cli.plugin_process() as (process, address):
        yield client.Client(address)
        assert process.poll() is None, "a client ended the plugin"
        process.terminate()
        assert process.stdout is not None
        lines = process.stdout.read()
    assert "Traceback" not in lines
    assert all(json.loads(line)["level"] in {"info", "warn", "error"} for line in lines.splitlines())


@pytest.fixture
def bucket(moto: S3Server) -> Bucket:  # noqa: F811 -- the fixture's name
    """An empty bucket."""
    return moto.new_bucket()


def call(plugin: client.Client, name: str, request: Any) -> Any:
    """The answer of an RPC, whichever way it streams."""
    method = plugin.stub.__dict__[name]
    streams_in = name in {"Transform", "WriteStream"}
    streams_out = streams_in or name in {"Sync", "Read"}
    answer = method(iter([request]) if streams_in else request, timeout=30)
    return list(answer) if streams_out else answer


@pytest.mark.parametrize(
    ("name", "request_message", "hint"),
    [
        ("GetTables", pb.GetTables.Request(tables=["*"]), "source"),
        ("Sync", pb.Sync.Request(tables=["*"]), "source"),
        ("Transform", pb.Transform.Request(record=b"x"), "transformer"),
        ("TransformSchema", pb.TransformSchema.Request(schema=b"x"), "transformer"),
        ("AssessTables", pb.AssessTables.Request(), "migrates no tables"),
        ("WriteStream", pb.Write.Request(), "Write"),
    ],
)
def test_what_this_plugin_is_not(plugin: client.Client, name: str, request_message: Any, hint: str) -> None:
    """An RPC of another kind of plugin is UNIMPLEMENTED, in a sentence that says what this one is."""
    with pytest.raises(grpc.RpcError) as raised:
        call(plugin, name, request_message)
    assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert raised.value.details().startswith(f"{name}: this plugin is the destination s3, which ")
    assert hint in raised.value.details()


def test_every_rpc_is_tried() -> None:
    """This module and its neighbours know of every RPC that the protocol has."""
    methods = {method.name for method in pb.DESCRIPTOR.services_by_name["Plugin"].methods}
    refused = {"GetTables", "Sync", "Transform", "TransformSchema", "AssessTables", "WriteStream"}
    answered = {"GetName", "GetVersion", "GetSpecSchema", "Init", "TestConnection", "Write", "Read", "Close"}
    assert methods == refused | answered


def test_who_it_is(plugin: client.Client) -> None:
    """The plugin has the reference's name, a version, and speaks protocol 3."""
    assert plugin.stub.GetName(pb.GetName.Request()).name == "s3"
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", plugin.stub.GetVersion(pb.GetVersion.Request()).version)
    discovery = discovery_pb2_grpc.DiscoveryStub(plugin.channel)
    assert list(discovery.GetVersions(discovery_pb2.GetVersions.Request()).versions) == [3]
    schema = json.loads(plugin.stub.GetSpecSchema(pb.GetSpecSchema.Request()).json_schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_close_before_init(plugin: client.Client) -> None:
    """Close is fine when there is nothing to close, and twice."""
    plugin.close()
    plugin.close()
    plugin.init(None, no_connection=True)
    plugin.close()


def test_a_spec_has_an_end(plugin: client.Client) -> None:
    """A spec above 1 MiB is refused before anything of it is read."""
    request = pb.Init.Request(spec=b"[" * ((1 << 20) + 1))
    with pytest.raises(grpc.RpcError, match="1048576 are the most") as refused:
        plugin.stub.Init(request, timeout=30)
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_a_flush_loses_nothing(plugin: client.Client, bucket: Bucket) -> None:
    """A flush between inserts, which asks for an acknowledgement that this plugin gives at the end, loses no row."""
    plugin.init(in_bucket(bucket, format="json", path="{{TABLE}}/{{UUID}}"))
    flush = pb.Write.Request(flush=pb.Write.MessageFlush(id=1))
    plugin.write([client.insert(rows.batch("t", [1])), flush, client.insert(rows.batch("t", [2])), flush])
    assert list(bucket.objects().values()) == [b'{"n":1}\n{"n":2}\n']


def test_concurrent_inits(plugin: client.Client, bucket: Bucket) -> None:
    """Inits at the same time on one connection all succeed; the plugin then works."""
    outcomes: list[Any] = []

    def init() -> None:
        try:
            plugin.init(in_bucket(bucket, format="json", path="{{TABLE}}/{{UUID}}"))
            outcomes.append("done")
        except grpc.RpcError as error:
            outcomes.append((error.code(), error.details()))

    threads = [threading.Thread(target=init) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == ["done"] * 6
    plugin.write([client.insert(rows.batch("t", [1]))])
    assert list(bucket.objects().values()) == [b'{"n":1}\n']


def verdict(plugin: client.Client, spec: dict[str, Any] | bytes) -> tuple[bool, str, str]:
    """What TestConnection says of a spec."""
    raw = spec if isinstance(spec, bytes) else json.dumps(spec).encode()
    answer = plugin.stub.TestConnection(pb.TestConnection.Request(spec=raw), timeout=60)
    return answer.success, answer.failure_code, answer.failure_description


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ({"format": "xml"}, "INVALID_SPEC", "format"),
        ({"bucket": ""}, "INVALID_SPEC", "bucket"),
        ({"bucket": "no-such-bucket"}, "NO_SUCH_BUCKET", "no-such-bucket"),
        ({"endpoint": "http://127.0.0.1:1"}, "UNREACHABLE", "127.0.0.1:1"),
        ({"credentials": {"local_profile": "no-such-profile"}}, "UNAUTHENTICATED", "no-such-profile"),
    ],
)
def test_connection_codes(
    plugin: client.Client, bucket: Bucket, options: dict[str, Any], code: str, words: str
) -> None:
    """TestConnection tells a bad spec, a missing bucket, a dead address and missing credentials apart."""
    success, found, description = verdict(plugin, {**in_bucket(bucket, max_retries=1), **options})
    assert (success, found) == (False, code)
    assert words in description


@pytest.mark.parametrize("raw", [b"", b"null", b"{", b"\xff"])
def test_a_spec_that_is_none(plugin: client.Client, raw: bytes) -> None:
    """A spec that is no JSON object is INVALID_SPEC, never an error of the RPC."""
    assert verdict(plugin, raw)[:2] == (False, "INVALID_SPEC")


def test_a_good_connection_leaves_nothing(plugin: client.Client, bucket: Bucket) -> None:
    """A good spec succeeds, needs no Init, and its test object is removed."""
    assert verdict(plugin, in_bucket(bucket)) == (True, "", "")
    assert bucket.objects() == {}


def test_refused_credentials(moto: S3Server, bucket: Bucket) -> None:  # noqa: F811 -- the fixture's name
    """Credentials that the store does not know are UNAUTHENTICATED; known ones without the right, UNAUTHORIZED."""
    iam = moto.client("iam")
    iam.create_user(UserName="nobody")
    key = iam.create_access_key(UserName="nobody")["AccessKey"]
    nobody = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
    unknown = {"AWS_ACCESS_KEY_ID": "AKIAUNKNOWN", "AWS_SECRET_ACCESS_KEY": "secret"}
    for environment, code in ((nobody, "UNAUTHORIZED"), (unknown, "UNAUTHENTICATED")):
        with cli.plugin_process(environment=environment) as (_, address), enforced_permissions(moto):
            success, found, description = verdict(client.Client(address), in_bucket(bucket))
            assert (success, found) == (False, code), description
            assert "secret" not in description.lower().replace("aws_secret_access_key", "").replace("secret key", "")


def test_a_variable_that_is_no_text(bucket: Bucket) -> None:
    """An environment variable with a byte that is not UTF-8 is an error like any other: told, and logged."""
    environment = {"AWS_PROFILE": os.fsdecode(b"lake\xff"), "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
    with cli.plugin_process(environment=environment) as (process, address):
        plugin = client.Client(address)
        with pytest.raises(grpc.RpcError) as raised:
            plugin.init(in_bucket(bucket))
        assert raised.value.code() is grpc.StatusCode.UNAUTHENTICATED
        assert "lake?" in raised.value.details()
        success, code, description = verdict(plugin, in_bucket(bucket))
        assert (success, code) == (False, "UNAUTHENTICATED")
        assert "lake?" in description
        process.terminate()
        assert process.stdout is not None
        assert "lake\\udcff" in process.stdout.read()
