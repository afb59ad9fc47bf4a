"""Athena mode: JSON columns with keys that Athena can read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from cloudquery_s3.formats.columns.conversion import Conversion, conversion_of
from cloudquery_s3.formats.columns.json_keys import ODD_KEY, ODD_NUMBER, NotJsonError, rewritten
from cloudquery_s3.formats.columns.normalise import Normaliser
from cloudquery_s3.formats.text.nested import mark_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudquery_s3.chunk import Chunk
    from cloudquery_s3.formats.encoder import Alterations, EncodedFile, Encoder, Format

_RENAMED = "JSON keys are rewritten for Athena"
_NOT_JSON = "JSON that does not parse keeps its keys"
_COLLISION = "values are dropped from JSON whose keys are the same for Athena: the last one stays"


class Athena:
    """Another format, its JSON rewritten first: at any depth of list, struct and map.

    Keys inside JSON become ASCII letters, digits and underscores, sorted; values stay as they are, to the last digit.
    JSON `null` stays, text that is not JSON stays as it is. A value that loses its key to another one is counted.

    Source: docs/formats.md, "For Athena"; what the reference loses: docs/compatibility.md, "File contents".
    """

    def __init__(self, inner: Format) -> None:
        self._inner = inner
        self.fixed_schema = inner.fixed_schema
        self.content_type = inner.content_type

    def encoder(self, schema: pa.Schema, alterations: Alterations) -> Encoder:
        """Return the encoder of one new object."""
        return _AthenaEncoder(self._inner.encoder(Normaliser(schema).schema, alterations), alterations)


class _AthenaEncoder:
    def __init__(self, inner: Encoder, alterations: Alterations) -> None:
        self._inner = inner
        self._alterations = alterations
        self._rows: _Rows | None = None

    def write(self, batches: Sequence[pa.RecordBatch]) -> list[Chunk]:
        return self._inner.write([self._rows_of(batch.schema).rewritten(batch) for batch in batches])

    def finish(self) -> EncodedFile:
        return self._inner.finish()

    def discard(self) -> None:
        self._inner.discard()

    def _rows_of(self, schema: pa.Schema) -> _Rows:
        # not only at the start: an object of JSON lines may hold rows of several schemas
        if self._rows is None or not self._rows.schema.equals(schema, check_metadata=True):
            self._rows = _Rows(schema, self._alterations)
        return self._rows


class _Rows:
    """Rewrites the batches of one schema."""

    def __init__(self, schema: pa.Schema, alterations: Alterations) -> None:
        self.schema = schema
        self._normalise = Normaliser(schema)
        self._converts = [
            conversion_of(field, _Column(field.name, alterations).leaf).convert for field in self._normalise.schema
        ]

    def rewritten(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        batch = self._normalise(batch)
        if not any(self._converts):
            return batch
        arrays = [
            array if convert is None else convert(array)
            for array, convert in zip(batch.columns, self._converts, strict=True)
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=batch.schema)


class _Column:
    """Finds the JSON in one column."""

    def __init__(self, name: str, alterations: Alterations) -> None:
        self._name = name
        self._alterations = alterations

    def leaf(self, field: pa.Field) -> Conversion | None:
        return Conversion(field, self._cells) if mark_of(field) == "json" else None

    def _cells(self, cells: pa.Array) -> pa.Array:
        texts: list[bytes | None] = []
        renamed = dropped = unparsable = 0
        octets = cells.cast(pa.large_binary())
        flags = [pc.match_substring_regex(octets, odd).to_pylist() for odd in (ODD_KEY, ODD_NUMBER)]
        for cell, odd_keys, odd_numbers in zip(octets.to_pylist(), *flags, strict=True):
            if cell is None:
                texts.append(None)
                continue
            try:
                new = rewritten(cell, odd_keys=odd_keys, odd_numbers=odd_numbers)
            except NotJsonError:
                unparsable += 1
                texts.append(cell)
                continue
            texts.append(new.text)
            renamed += new.renamed
            dropped += new.dropped
        self._alterations.add(self._name, _RENAMED, renamed)
        self._alterations.add(self._name, _COLLISION, dropped)
        self._alterations.add(self._name, _NOT_JSON, unparsable)
        return pa.array(texts, pa.large_binary()).cast(cells.type, safe=False)
