"""Arrow's own reader of IPC streams, and what it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import pyarrow as pa

from cloudquery_s3.errors import DecodeError
from cloudquery_s3.ipc import limits
from cloudquery_s3.ipc.header import table_of_schema
from cloudquery_s3.ipc.intervals import has_hidden_intervals, shown_batch, shown_schema
from cloudquery_s3.ipc.validation import ARROW_ERRORS, of_table
from cloudquery_s3.table import table_name

if TYPE_CHECKING:
    from collections.abc import Iterable

Payload: TypeAlias = bytes | memoryview


def open_schema(payload: Payload, size: int) -> pa.Schema:
    """Return the schema of a payload, of types and names that Python can look at. Its message has `size` bytes.

    Raises:
        DecodeError: it holds none, and does not say of which table it is.
        PayloadError: it says its table, and cannot be used.
    """
    head = bytes(payload[: min(size, len(payload))])
    if size > limits.SCHEMA_BYTES:
        problem = f"a payload announces a schema of {size} bytes, and no more than {limits.SCHEMA_BYTES} are read"
        raise of_table(table_of_schema(head), DecodeError(problem))
    try:
        schema = pa.ipc.open_stream(pa.py_buffer(payload)).schema
    except ARROW_ERRORS as error:
        problem = f"a payload of {len(payload)} bytes is no Arrow IPC stream: {error}"
        raise of_table(table_of_schema(head), DecodeError(problem)) from error
    try:
        shown = shown_schema(schema) if has_hidden_intervals(schema) else schema
        _look_at(shown)
    except ARROW_ERRORS as error:
        raise of_table(table_name(schema), DecodeError(f"its schema cannot be used: {error}")) from error
    return shown


def _look_at(fields: Iterable[pa.Field]) -> None:
    """Read the names and types of all fields, which raises where a name is not UTF-8."""
    for field in fields:
        _ = field.name
        for child in range(field.type.num_fields):
            _look_at([field.type.field(child)])


def decoded_batches(payload: Payload) -> list[pa.RecordBatch]:
    """Return the record batches of a payload, of types that Python can look at; what is in them is not checked.

    Raises:
        DecodeError: it is no Arrow IPC stream.
    """
    try:
        stream = pa.ipc.open_stream(pa.py_buffer(payload))
        batches = list(stream)
        if not has_hidden_intervals(stream.schema):
            return batches
        for batch in batches:
            batch.validate()  # on its way through the C data interface a buffer's size becomes what offsets say
        return [shown_batch(batch) for batch in batches]
    except ARROW_ERRORS as error:
        raise DecodeError(f"a payload of {len(payload)} bytes cannot be decoded: {error}") from error
