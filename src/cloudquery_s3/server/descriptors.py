"""The messages of gRPC's own services, health and reflection, as protobuf descriptors.

Their generated modules come with packages that need grpcio, which this plugin does without.

Source: `health.proto` and `reflection.proto` of the gRPC project.
"""

from __future__ import annotations

from typing import Any, Final

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool

POOL: Final = DescriptorPool()
"""Holds what this module defines; apart from the default pool, where a program may have the generated modules too."""

_STATUSES: Final = ("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")
_TYPES: Final = {
    "string": FieldDescriptorProto.TYPE_STRING,
    "bytes": FieldDescriptorProto.TYPE_BYTES,
    "int32": FieldDescriptorProto.TYPE_INT32,
}


def health() -> Any:
    """Return the file of `grpc.health.v1`."""
    file = FileDescriptorProto(name="grpc/health/v1/health.proto", package="grpc.health.v1", syntax="proto3")
    _message(file, "HealthCheckRequest", service=(1, "string"))
    response = _message(file, "HealthCheckResponse")
    kinds = response.enum_type.add(name="ServingStatus")
    for number, name in enumerate(_STATUSES):
        kinds.value.add(name=name, number=number)
    response.field.add(
        name="status",
        number=1,
        label=FieldDescriptorProto.LABEL_OPTIONAL,
        type=FieldDescriptorProto.TYPE_ENUM,
        type_name=".grpc.health.v1.HealthCheckResponse.ServingStatus",
    )
    service = file.service.add(name="Health")
    for name in ("Check", "Watch"):
        service.method.add(
            name=name,
            input_type=".grpc.health.v1.HealthCheckRequest",
            output_type=".grpc.health.v1.HealthCheckResponse",
            server_streaming=name == "Watch",
        )
    return POOL.AddSerializedFile(file.SerializeToString())


def reflection(version: str) -> Any:
    """Return the file of `grpc.reflection.<version>`; v1 and v1alpha differ in their names only."""
    package = f"grpc.reflection.{version}"
    file = FileDescriptorProto(name=f"grpc/reflection/{version}/reflection.proto", package=package, syntax="proto3")
    request = _message(file, "ServerReflectionRequest", host=(1, "string"))
    _one_of(
        request,
        "message_request",
        file_by_filename=(3, "string"),
        file_containing_symbol=(4, "string"),
        file_containing_extension=(5, f".{package}.ExtensionRequest"),
        all_extension_numbers_of_type=(6, "string"),
        list_services=(7, "string"),
    )
    _message(file, "ExtensionRequest", containing_type=(1, "string"), extension_number=(2, "int32"))
    response = _message(
        file,
        "ServerReflectionResponse",
        valid_host=(1, "string"),
        original_request=(2, f".{package}.ServerReflectionRequest"),
    )
    _one_of(
        response,
        "message_response",
        file_descriptor_response=(4, f".{package}.FileDescriptorResponse"),
        all_extension_numbers_response=(5, f".{package}.ExtensionNumberResponse"),
        list_services_response=(6, f".{package}.ListServiceResponse"),
        error_response=(7, f".{package}.ErrorResponse"),
    )
    _message(file, "FileDescriptorResponse", file_descriptor_proto=(1, "bytes*"))
    _message(file, "ExtensionNumberResponse", base_type_name=(1, "string"), extension_number=(2, "int32*"))
    _message(file, "ListServiceResponse", service=(1, f".{package}.ServiceResponse*"))
    _message(file, "ServiceResponse", name=(1, "string"))
    _message(file, "ErrorResponse", error_code=(1, "int32"), error_message=(2, "string"))
    file.service.add(name="ServerReflection").method.add(
        name="ServerReflectionInfo",
        input_type=f".{package}.ServerReflectionRequest",
        output_type=f".{package}.ServerReflectionResponse",
        client_streaming=True,
        server_streaming=True,
    )
    return POOL.AddSerializedFile(file.SerializeToString())


def _message(file: FileDescriptorProto, name: str, /, **fields: tuple[int, str]) -> DescriptorProto:
    """Add a message; a field is its number and its type, with a star where there may be many."""
    message = file.message_type.add(name=name)
    _add(message, fields)
    return message


def _one_of(message: DescriptorProto, name: str, **fields: tuple[int, str]) -> None:
    """Add fields of which one is set at a time."""
    message.oneof_decl.add(name=name)
    _add(message, fields, oneof_index=len(message.oneof_decl) - 1)


def _add(message: DescriptorProto, fields: dict[str, tuple[int, str]], **options: int) -> None:
    for name, (number, described) in fields.items():
        kind = described.rstrip("*")
        label = FieldDescriptorProto.LABEL_REPEATED if described != kind else FieldDescriptorProto.LABEL_OPTIONAL
        of_type = {"type": _TYPES[kind]} if kind in _TYPES else {"type_name": kind}
        if kind not in _TYPES:
            of_type["type"] = FieldDescriptorProto.TYPE_MESSAGE
        message.field.add(name=name, number=number, label=label, **of_type, **options)
