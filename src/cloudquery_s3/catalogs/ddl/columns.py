"""The columns that a reader finds in a table's files: asked of the encoder that writes them, not of more rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from cloudquery_s3.formats import make_format
from cloudquery_s3.formats.encoder import Alterations
from cloudquery_s3.table import extension_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudquery_s3.spec import Spec


def file_schema(spec: Spec, schema: pa.Schema) -> pa.Schema:
    """Return the columns of a table's files.

    Parquet says its types itself: the answer is out of the footer of a file without rows. Text has no types: numbers
    and booleans keep theirs, a CSV cell or a JSON document that is nested is text, and so is all else.

    Args:
        spec: what is written.
        schema: of the rows as they are received.
    """
    encoded = make_format(spec).encoder(schema, Alterations()).finish()
    footer = encoded.statistics.footer
    if footer is not None:
        return footer.schema.to_arrow_schema().remove_metadata()
    nested = spec.format == "json"
    return pa.schema([pa.field(column.name, _as_text(column, nested=nested)) for column in schema])


def comments(schema: pa.Schema) -> Mapping[str, str]:
    """Return the descriptions of columns that a schema carries."""
    found = {column.name: (column.metadata or {}).get(DESCRIPTION, b"") for column in schema}
    return {name: text.decode(errors="replace") for name, text in found.items() if text}


DESCRIPTION = b"cq:column_description"
"""Where this package keeps a column's description while it is on its way; the CLI sends none with rows."""


def _as_text(column: pa.Field, *, nested: bool) -> pa.DataType:
    kind = column.type
    if extension_of(column) is not None:
        return pa.string()
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return pa.float32() if pa.types.is_float16(kind) else kind
    if nested and pa.types.is_struct(kind):
        return pa.struct([pa.field(part.name, _as_text(part, nested=True)) for part in kind])
    if nested and (pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)):
        return pa.list_(pa.field("item", _as_text(kind.value_field, nested=True)))
    return pa.string()
