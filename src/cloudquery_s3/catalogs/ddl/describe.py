"""From a table's schema to what the dialects are told of it, and where the schema comes from."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import TYPE_CHECKING, Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from cloudquery_s3.catalogs.ddl.columns import comments, file_schema
from cloudquery_s3.catalogs.ddl.table import Column, Csv, Table
from cloudquery_s3.catalogs.layout import layout_of
from cloudquery_s3.errors import SpecError
from cloudquery_s3.spec import CsvSpec
from cloudquery_s3.table import table_comment, table_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloudquery_s3.spec import Spec

_INCREMENTAL = b"cq:extension:incremental"


def described(spec: Spec, schema: pa.Schema) -> Table:
    """Return the description of a table whose rows come with this schema."""
    return _described(spec, schema, file_schema(spec, schema))


def described_object(spec: Spec, file: BinaryIO) -> Table:
    """Return the description of the table that a Parquet object is of; reads its footer alone.

    Raises:
        SpecError: it is not Parquet, or does not say its table.
        StoreError: it could not be read.
    """
    try:
        footer = pq.read_metadata(file)
    except (pa.ArrowException, OSError):
        raise SpecError("is not a Parquet object: only those know their columns", field="--object") from None
    return described_footer(spec, footer)


def described_footer(spec: Spec, footer: pq.FileMetaData) -> Table:
    """Return the description of the table that a Parquet file with this footer is of.

    Raises:
        SpecError: it does not say its table.
    """
    schema = footer.schema.to_arrow_schema()
    metadata = {**(footer.metadata or {}), **(schema.metadata or {})}
    return _described(spec, pa.schema(list(schema), metadata=metadata), schema)


def manifest_schemas(data: bytes) -> Iterator[pa.Schema]:
    """Yield the schema of every table in a manifest; of several, the latest one.

    Raises:
        SpecError: it is not a manifest.
    """
    try:
        document = json.loads(data)
        schemas, tables = document["schemas"], document["tables"]
        for name, table in tables.items():
            schema_id = _schema_id(table)
            if schema_id is not None:
                yield _named(name, pa.ipc.read_schema(pa.BufferReader(b64decode(schemas[schema_id]["arrow_ipc"]))))
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError, pa.ArrowException, OSError):
        raise SpecError("is not a manifest of this plugin", field="--manifest") from None


def _schema_id(table: dict[str, Any]) -> str | None:
    entries = table.get("entries") or []
    found = table.get("schema") or (entries[-1]["schema"] if entries else None)
    return None if found is None else str(found)


def _named(name: str, schema: pa.Schema) -> pa.Schema:
    return schema.with_metadata({**(schema.metadata or {}), b"cq:table_name": name.encode()})


def _described(spec: Spec, schema: pa.Schema, of_files: pa.Schema) -> Table:
    name = table_name(schema)
    if not name:
        raise SpecError("a schema does not say its table: metadata cq:table_name is missing")
    metadata = schema.metadata or {}
    comment_of = comments(schema)
    details = spec.format_spec
    return Table(
        name=name,
        columns=tuple(Column(field.name, field.type, comment_of.get(field.name, "")) for field in of_files),
        layout=layout_of(spec, name, of_files.names),
        format=spec.format,
        compression=spec.compression,
        csv=Csv(details.delimiter, not details.skip_header) if isinstance(details, CsvSpec) else Csv(),
        comment=table_comment(schema),
        incremental=metadata.get(_INCREMENTAL) == b"true",
    )
