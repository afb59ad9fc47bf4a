"""The messages and services of CloudQuery's plugin protocol, made of their published description.

`protocol.binpb` is a protobuf FileDescriptorSet: `make protocol` renews it, and a test compares it with the package
`cloudquery-plugin-pb`, which brings grpcio and its compiler, 30 MB that nothing here uses. See NOTICE.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

POOL: Final = DescriptorPool()
"""Holds what the file describes; apart from the default pool, where a program may have the generated modules too."""

for _file in FileDescriptorSet.FromString(Path(__file__).with_name("protocol.binpb").read_bytes()).file:
    POOL.AddSerializedFile(_file.SerializeToString())

PLUGIN: Final = POOL.FindServiceByName("cloudquery.plugin.v3.Plugin")
DISCOVERY: Final = POOL.FindServiceByName("cloudquery.discovery.v1.Discovery")

PredicatesGroup: Final[Any] = GetMessageClass(POOL.FindMessageTypeByName("cloudquery.plugin.v3.PredicatesGroup"))


def request(service: Any, name: str) -> Any:
    """Return the class of the messages that a method of a service is called with."""
    return GetMessageClass(service.methods_by_name[name].input_type)


def response(service: Any, name: str) -> Any:
    """Return the class of the messages that a method of a service answers with."""
    return GetMessageClass(service.methods_by_name[name].output_type)
