"""Read a table back from the one object that a fixed key gives it: what state backends of sources are made of."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from cloudquery_s3.errors import NotReadableError, ObjectNotFoundError, ProtocolError, TableError
from cloudquery_s3.formats.reading import UnreadableError, read_rows
from cloudquery_s3.ipc import RequestedSchema
from cloudquery_s3.stores.stored_file import StoredFile
from cloudquery_s3.table import table_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from cloudquery_s3.object_key import PathTemplate
    from cloudquery_s3.spec import Spec
    from cloudquery_s3.stores.object_store import ObjectStore

log = logging.getLogger(__name__)

_MOVING: Final = ("{{YEAR}}", "{{MONTH}}", "{{DAY}}", "{{HOUR}}", "{{MINUTE}}", "{{SYNC_ID}}")


def read_table(
    payload: bytes, *, spec: Spec, template: PathTemplate, store: ObjectStore, now: datetime
) -> Iterator[bytes]:
    """Yield the rows of a table's object as Arrow IPC payloads of exactly the schema that `payload` holds.

    The object is the one that a Write at this moment would replace; where there is none, there are no rows. Blocks
    while it waits for the store. The object is read as its rows are asked for, and never in memory as a whole; one that
    is replaced meanwhile is an error.

    Raises:
        ProtocolError: the payload is no schema of a table.
        NotReadableError: each object has a key of its own, so there is none to read back.
        StoreError: the object could not be read.
        TableError: it is not a file of this table.

    Source: docs/compatibility.md, "Spec, keys and protocol": date placeholders are filled with this moment.
    """
    requested = RequestedSchema(payload)
    table = table_name(requested.schema)
    if not table:
        raise ProtocolError("a schema does not say its table: metadata cq:table_name is missing")
    if template.has_file_id:
        raise NotReadableError(
            "'path' contains {{UUID}}: every object gets a key of its own, and cannot be found again. To read tables "
            "back (as a state backend does) set 'no_rotate: true' and leave {{UUID}} out of 'path'"
        )
    if moving := [name for name in _MOVING if name in spec.path]:
        log.warning(
            "'path' contains %s: only what was written under today's key is found again; a state backend wants a "
            "'path' that stays the same",
            ", ".join(moving),
            extra={"table": table},
        )
    key = template.render(table, file_id="", now=now)
    try:
        stored = store.read(key)
    except ObjectNotFoundError:
        return
    try:
        with StoredFile(stored) as file:
            for batch in read_rows(spec, requested.schema, file):
                yield requested.payload(batch)
    except UnreadableError as error:
        raise TableError(table, f"{key} cannot be read back as this table: {error}") from error
