"""The description of CloudQuery's protocol that the plugin ships."""

from __future__ import annotations

from cloudquery.discovery_v1 import discovery_pb2
from cloudquery.plugin_v3 import plugin_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from cloudquery_s3.server import protocol
from protocol_file import FILE, description


def test_the_file_is_what_make_protocol_writes() -> None:
    """The description that is shipped is the one that the protocol's own package brings: else run `make protocol`."""
    assert FILE.read_bytes() == description()


def test_the_pool_describes_what_the_package_describes() -> None:
    """Each message, field, enum and method is in the plugin's pool as in the package's modules."""
    for module in (plugin_pb2, discovery_pb2):
        ours, theirs = FileDescriptorProto(), FileDescriptorProto()
        protocol.POOL.FindFileByName(module.DESCRIPTOR.name).CopyToProto(ours)
        module.DESCRIPTOR.CopyToProto(theirs)
        assert ours == theirs


def test_messages_of_both_are_the_same_bytes() -> None:
    """What the package's classes write, the plugin's read, times and enums among it; and the other way round."""
    theirs = plugin_pb2.Write.Request()
    theirs.delete.table_name = "t"
    theirs.delete.sync_time.FromSeconds(1)
    ours = protocol.request(protocol.PLUGIN, "Write").FromString(theirs.SerializeToString())
    assert ours.delete.sync_time.ToDatetime() == theirs.delete.sync_time.ToDatetime()
    assert ours.SerializeToString() == theirs.SerializeToString()
    assert protocol.PredicatesGroup.OR == plugin_pb2.PredicatesGroup.OR
    answer = protocol.response(protocol.DISCOVERY, "GetVersions")(versions=[3])
    assert discovery_pb2.GetVersions.Response.FromString(answer.SerializeToString()).versions == [3]
