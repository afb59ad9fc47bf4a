"""The `cq:*` key-value metadata of a Parquet file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import pyarrow as pa

_TEXTS: Final = (
    "cq:extension:constraint_name",
    "cq:table_description",
    "cq:table_name",
    "cq:table_title",
)
_LISTS: Final = ("cq:table_permissions_needed", "cq:table_sensitive_columns")
_FLAGS: Final = ("cq:extension:incremental", "cq:table_paid")
_PARENT: Final = "cq:table_depends_on"
_HTML: Final = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"})


def key_value_metadata(schema: pa.Schema) -> dict[str, str]:
    """Return what a file says about its table, sorted by key.

    Texts that the schema lacks are "", lists `null`; flags and the parent's name are there only where they say
    something. All other metadata of the schema is left out.

    Source: docs/formats.md, "Parquet's key-value metadata".
    """
    given = {key.decode(errors="replace"): value.decode(errors="replace") for key, value in _metadata(schema).items()}
    entries = {key: given.get(key, "") for key in _TEXTS}
    entries |= {key: _list(given.get(key, "")) for key in _LISTS}
    entries |= {key: "true" for key in _FLAGS if given.get(key) == "true"}
    if given.get(_PARENT):
        entries[_PARENT] = given[_PARENT]
    return dict(sorted(entries.items()))


def _metadata(schema: pa.Schema) -> dict[bytes, bytes]:
    return schema.metadata or {}


def _list(text: str) -> str:
    try:
        names = json.loads(text)
    except ValueError:
        return "null"
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return "null"
    return json.dumps(names, ensure_ascii=False, separators=(",", ":")).translate(_HTML)
