"""The bounds of what one payload can ask for. `docs/operations.md` lists them with their values."""

from __future__ import annotations

from typing import Final

SCHEMA_BYTES: Final = 4 << 20
"""A larger schema is refused. One of 1,000 columns takes some 300 kB."""

KNOWN_SCHEMAS_BYTES: Final = 32 << 20
"""What a stream may remember of schemas; those that were not used for the longest time are forgotten first."""

KNOWN_SCHEMA_OBJECT_BYTES: Final = 4 << 10
"""What the objects of a remembered schema take, beside four times its bytes."""

WEIGHTLESS_VALUES: Final = 2**20
"""How many values that take no bytes one message may hold, or eight for each byte that it has."""

EXPANDED_MESSAGE_BYTES: Final = 4 << 30
"""What the rows of one message may take once dictionaries, views and run-end encodings are written out."""

EXPANDED_BATCH_BYTES: Final = 8 << 20
"""Rows that take more than this once they are written out are handed on in several batches."""

MESSAGES_ON_LOOP: Final = 1024
"""A payload of more messages is left to a worker: the event loop serves everyone."""

BATCH_OBJECT_BYTES: Final = 512
ARRAY_OBJECT_BYTES: Final = 512
"""What Arrow's objects take for a decoded batch, and for each array in it, beside the data."""
