"""The description of CloudQuery's protocol, as its package has it: `python tests/protocol_file.py` renews ours."""

from __future__ import annotations

from pathlib import Path

from cloudquery.discovery_v1 import discovery_pb2
from cloudquery.plugin_v3 import plugin_pb2
from google.protobuf import timestamp_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorSet

FILE = Path(__file__).parent.parent / "src" / "cloudquery_s3" / "server" / "protocol" / "protocol.binpb"


def description() -> bytes:
    """Return a FileDescriptorSet of the files that the plugin serves, each after those that it needs."""
    files = FileDescriptorSet()
    for module in (timestamp_pb2, discovery_pb2, plugin_pb2):
        files.file.add().ParseFromString(module.DESCRIPTOR.serialized_pb)
    return files.SerializeToString(deterministic=True)


if __name__ == "__main__":
    FILE.write_bytes(description())
