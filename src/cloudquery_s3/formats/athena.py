"""Athena mode: JSON columns with keys that Athena can read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from cloudquery_s3.formats.columns.conversion import Conversion, conversion_of, converted
from cloudquery_s3.formats.columns.json_keys import ODD_NUMBER, NotJsonError, rewritten
from cloudquery_s3.formats.columns.key_search import key_flags
from cloudquery_s3.formats.columns.normalise import Normaliser
from cloudquery_s3.formats.columns.per_schema import PerSchema
from cloudquery_s3.formats.text.json_cells import HALF_SURROGATES
from cloudquery_s3.formats.text.nested import mark_of
from cloudquery_s3.formats.text.utf8 import NOT_UTF8, utf8_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudquery_s3.chunk import Chunk
    from cloudquery_s3.formats.encoder import Alterations, CountAltered, EncodedFile, Encoder, Format

_RENAMED = "JSON keys are rewritten for Athena"
_NOT_JSON = "JSON that does not parse keeps its keys"
_COLLISION = "values are dropped from JSON whose keys are the same for Athena: the last one stays"


class Athena:
    """Another format, its JSON rewritten first: at any depth of list, struct and map.

    Keys inside JSON become ASCII letters, digits and underscores, sorted; values stay as they are, to the last digit.
    JSON `null` stays, text that is not JSON stays as it is. A value that loses its key to another one, be it one that
    differs in case alone, is counted.

    Source: docs/formats.md, "For Athena"; what the reference loses: docs/compatibility.md, "File contents".
    """

    def __init__(self, inner: Format) -> None:
        self._inner = inner
        self._rows = PerSchema(_Rows)
        self.fixed_schema = inner.fixed_schema
        self.content_type = inner.content_type

    def encoder(self, schema: pa.Schema, alterations: Alterations) -> Encoder:
        """Return the encoder of one new object."""
        inner = self._inner.encoder(self._rows(schema).normalise.schema, alterations)
        return _AthenaEncoder(inner, alterations, self._rows)


class _AthenaEncoder:
    def __init__(self, inner: Encoder, alterations: Alterations, rows_of: PerSchema[_Rows]) -> None:
        self._inner = inner
        self._alterations = alterations
        self._rows_of = rows_of

    def write(self, batches: Sequence[pa.RecordBatch]) -> list[Chunk]:
        # an object of JSON lines may hold rows of several schemas
        return self._inner.write([self._rows_of(one.schema).rewritten(one, self._alterations) for one in batches])

    def finish(self) -> EncodedFile:
        return self._inner.finish()

    def discard(self) -> None:
        self._inner.discard()


class _Rows:
    """Rewrites the batches of one schema."""

    def __init__(self, schema: pa.Schema) -> None:
        self.normalise = Normaliser(schema)
        self._converts = [conversion_of(field, _leaf).convert for field in self.normalise.schema]

    def rewritten(self, batch: pa.RecordBatch, alterations: Alterations) -> pa.RecordBatch:
        batch = self.normalise(batch, alterations)
        if not any(self._converts):
            return batch
        return converted(batch.columns, batch.schema, self._converts, alterations)


def _leaf(field: pa.Field) -> Conversion | None:
    return Conversion(field, _rewritten_cells) if mark_of(field) == "json" else None


def _rewritten_cells(cells: pa.Array, count_altered: CountAltered) -> pa.Array:
    texts, changed = utf8_text(cells)
    count_altered(NOT_UTF8, changed)
    documents: list[bytes | None] = []
    not_json = renamed = dropped = mended = 0
    octets = texts.cast(pa.large_binary())
    keys = key_flags(octets)
    flags = (keys.odd.tolist(), keys.alike.tolist(), pc.match_substring_regex(octets, ODD_NUMBER).to_pylist())
    for cell, odd, alike, odd_numbers in zip(octets.to_pylist(), *flags, strict=True):
        if cell is None:
            documents.append(None)
            continue
        try:
            new = rewritten(cell, odd_keys=odd, alike_keys=alike, odd_numbers=odd_numbers)
        except NotJsonError:
            not_json += 1
            documents.append(cell)
            continue
        documents.append(new.text)
        renamed += new.renamed
        dropped += new.dropped
        mended += new.mended
    count_altered(_NOT_JSON, not_json)
    count_altered(_RENAMED, renamed)
    count_altered(_COLLISION, dropped)
    count_altered(HALF_SURROGATES, mended)
    return pa.array(documents, pa.large_binary()).cast(cells.type, safe=False)
