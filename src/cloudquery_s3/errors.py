"""Everything that can go wrong, as one tree.

::

    PluginError
    ├── SpecError            what the user asked for is not possible; names the field
    ├── ProtocolError        what the client sent is not what the protocol says
    │   └── DecodeError      a payload that is no Arrow IPC stream, of which table is not known
    ├── WriteModeError       the client asks for deletes: only `write_mode: append` can work
    ├── NotReadableError     the client asks for rows back whose object has no fixed key
    ├── TableError           one table cannot go on; the others can
    │   ├── PayloadError     a payload of its rows is not sound
    │   ├── EncodeError      its rows cannot be written in this format
    │   └── SchemaDriftError its columns changed where one object must hold them all
    ├── StoreError           a request to the store failed for good; names operation and key
    │   ├── StoreUnavailableError  it would fail for every key: no access, no bucket, no route
    │   │   └── CredentialsError   there are no credentials, or the store refuses them
    │   ├── KeyRefusedError        it would fail for this key: the store takes others
    │   └── ObjectNotFoundError    there is no object at that key
    ├── ObjectCancelledError an object was given up before it was stored
    ├── PublicationError     the rows are in the bucket, and that could not be made known
    ├── CatalogError         a table catalogue refuses, or does not answer
    ├── ClosedError          the destination was closed under a running Write
    └── WriteFailedError     how a Write ended: the failed tables, keys and causes

A message says what went wrong, on which field, table or key, and what to do. It never holds a credential or a cell's
value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_MOST_MESSAGE_BYTES: Final = 3 << 10
"""What failures may take in a message: an error on the wire has 4 KiB."""


class PluginError(Exception):
    """The root: an error that this plugin understands and words for its user."""


class SpecError(PluginError):
    """The spec cannot be used.

    Attributes:
        field: the offending field as the user spells it, dotted where nested (`format_spec.delimiter`); empty where the
            document as a whole is wrong.
    """

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(f"{field}: {message}" if field else message)
        self.field = field


class ProtocolError(PluginError):
    """The client sent what the protocol does not allow."""


class DecodeError(ProtocolError):
    """A payload is not a readable Arrow IPC stream, and does not say of which table."""


class WriteModeError(PluginError):
    """The client asked for rows to be deleted, which an object store of whole files cannot do."""


class NotReadableError(PluginError):
    """The client asked for rows back, and the destination writes objects that it cannot find again."""


class TableError(PluginError):
    """One table cannot be written; the others are not concerned.

    Attributes:
        table: the table's name.
    """

    def __init__(self, table: str, message: str) -> None:
        super().__init__(f"table {table}: {message}")
        self.table = table


class PayloadError(TableError):
    """A payload whose schema names this table holds no sound rows of it: what it says of them cannot be true."""


class EncodeError(TableError):
    """Rows of this table cannot be written in the chosen format."""


class SchemaDriftError(TableError):
    """The table's columns changed in mid-sync, and its one object (`no_rotate`) cannot hold both."""


class StoreError(PluginError):
    """A request to the store failed for good: retrying is over, or would not help.

    Attributes:
        problem: what went wrong, without operation and key.
        operation: the S3 operation, such as `PutObject`.
        key: the object's key.
        status: the HTTP status, or None where no whole response came.
        code: the store's error code, such as `AccessDenied`; empty where there is none.
    """

    def __init__(self, message: str, *, operation: str, key: str, status: int | None = None, code: str = "") -> None:
        super().__init__(f"{operation} {key}: {message}")
        self.problem = message
        self.operation = operation
        self.key = key
        self.status = status
        self.code = code


class StoreUnavailableError(StoreError):
    """The request failed for a reason that holds for every object: access, bucket, address, certificate."""

    @property
    def may_concern_the_key(self) -> bool:
        """Whether the store could have taken another key: a policy may allow some prefixes only."""
        return self.code == "AccessDenied"


class CredentialsError(StoreUnavailableError):
    """There are no AWS credentials, or the store does not accept them."""


class KeyRefusedError(StoreError):
    """The store refuses access to this key, and has taken another of the same Write."""

    def __init__(self, refusal: StoreUnavailableError) -> None:
        super().__init__(
            refusal.problem,
            operation=refusal.operation,
            key=refusal.key,
            status=refusal.status,
            code=refusal.code,
        )


class ObjectNotFoundError(StoreError):
    """There is no object at this key."""


class ObjectCancelledError(PluginError):
    """The object was given up, by its own Write, before the store had acknowledged it; it is not in the bucket."""

    def __init__(self) -> None:
        super().__init__("the object was given up before it was stored")


class PublicationError(PluginError):
    """Objects are in the bucket, and could not be made known, by a manifest or in a catalogue; or must not be."""


class CatalogError(PluginError):
    """A table catalogue (Iceberg's, Glue) refuses something, or does not answer."""


class ClosedError(PluginError):
    """The destination was closed while rows were on their way; they are not in the bucket."""


class WriteFailedError(PluginError):
    """A Write ended with rows that are not in the bucket.

    The message names the first tables that failed and why, in at most 3 KiB, and how many more there are.
    """

    def __init__(self, failures: Sequence[str], *, tables: int) -> None:
        """Make the error.

        Args:
            failures: what went wrong, each naming its table; at least one.
            tables: how many tables there are in all.
        """
        shown = [_cut(failures[0], _MOST_MESSAGE_BYTES)]
        size = len(shown[0].encode(errors="replace"))
        for failure in failures[1:]:
            size += len(failure.encode(errors="replace"))
            if size > _MOST_MESSAGE_BYTES:
                shown.append(f"and {len(failures) - len(shown)} more, see the log")
                break
            shown.append(failure)
        super().__init__(f"{len(failures)} of {tables} tables are not complete: {'; '.join(shown)}")


def _cut(text: str, most_bytes: int) -> str:
    """Return a text's beginning, in at most so many bytes."""
    octets = text.encode(errors="replace")
    return text if len(octets) <= most_bytes else octets[: most_bytes - 3].decode(errors="ignore") + "…"
