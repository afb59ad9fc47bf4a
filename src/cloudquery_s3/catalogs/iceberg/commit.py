"""One commit to one table: its columns, the rows that go and the files that come, all or nothing.

A commit that conflicts is made again on the reloaded table. One whose answer is lost may or may not have happened: the
reloaded table is asked for a snapshot with this Write's id first. Both attempts demand the same parent snapshot, so
that a late one can never succeed after the other.
"""

from __future__ import annotations

import logging
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pyiceberg.exceptions import (
    BadRequestError,
    CommitFailedException,
    ForbiddenError,
    NotInstalledError,
    TableAlreadyExistsError,
    UnauthorizedError,
    ValidationException,
)
from pyiceberg.table import TableProperties

from cloudquery_s3.catalogs.iceberg.by_key import replace_by_key
from cloudquery_s3.catalogs.iceberg.columns import FULL_METRICS, add_new_columns, iceberg_schema
from cloudquery_s3.catalogs.iceberg.deletes import delete_rows, predicate
from cloudquery_s3.catalogs.iceberg.files import DataFiles
from cloudquery_s3.errors import CatalogError, PluginError, TableError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pyarrow as pa
    from pyiceberg.expressions import BooleanExpression
    from pyiceberg.schema import Schema
    from pyiceberg.table import Table, Transaction

    from cloudquery_s3.catalogs.iceberg.catalog import Lake
    from cloudquery_s3.catalogs.iceberg.files import StoredFile
    from cloudquery_s3.committed import Delete

log = logging.getLogger(__name__)

SYNC_ID: Final = "cloudquery.sync-id"
SOURCE: Final = "cloudquery.source"
WRITE_ID: Final = "cloudquery.write-id"

ATTEMPTS: Final = 10
"""How often a commit is attempted."""

_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 5.0
_MOST_FILES_IN_ERROR: Final = 3

_FINAL: Final = (PluginError, ForbiddenError, UnauthorizedError, BadRequestError, NotInstalledError)
"""What another attempt would meet again."""

_CONFLICTS: Final = (CommitFailedException, ValidationException, TableAlreadyExistsError)
"""What says that nothing was committed, since the table has changed meanwhile."""

_NEW_TABLE: Final = {
    **FULL_METRICS,
    "commit.manifest-merge.enabled": "true",  # many small commits would make planning slow
}


@dataclass(frozen=True, slots=True)
class TableChange:
    """What a Write means to one table.

    Attributes:
        table: the table's name.
        comment: its description; empty where there is none.
        columns: those of its files, once for each schema that its rows came with.
        files: the objects that have been put.
        deletes: rows that go.
        of_parents: rows that go with their parents.
        keys: the primary key by which rows replace older ones; empty where they are added.
        after: tables that are committed to first: this change is not made where a commit to one of them fails.
    """

    table: str
    comment: str
    columns: Sequence[pa.Schema]
    files: Sequence[StoredFile]
    deletes: Sequence[Delete] = ()
    of_parents: Sequence[BooleanExpression] = ()
    keys: tuple[str, ...] = ()
    after: frozenset[str] = frozenset()

    @property
    def in_words(self) -> str:
        """The objects, as an error names them: the first few."""
        urls = [file.url for file in self.files]
        more = f" and {len(urls) - _MOST_FILES_IN_ERROR} more" if len(urls) > _MOST_FILES_IN_ERROR else ""
        return f" (objects {', '.join(urls[:_MOST_FILES_IN_ERROR])}{more})" if urls else ""


@dataclass(slots=True)
class Committer:
    """Makes commits for one Write.

    Attributes:
        lake: where to.
        properties: of each snapshot; the Write's id is among them.
        pause: waits for so many seconds.
    """

    lake: Lake
    properties: Mapping[str, str]
    pause: Callable[[float], None]

    def commit(self, change: TableChange) -> None:
        """Make a change; return when the catalogue has it, be it by an earlier attempt.

        Raises:
            TableError: it cannot be made to this table.
            CatalogError: the catalogue refuses, or its last answer was lost and the table could not be asked.
        """
        problem: Exception | None = None
        for attempt in range(ATTEMPTS):
            if attempt:
                self.pause(min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** (attempt - 1)) * (1 + random.random()))  # noqa: S311 -- it only spreads attempts
            try:
                self._attempt(change)
            except _FINAL as error:
                raise self._failure(change, error) from None
            except Exception as error:  # noqa: BLE001 -- whatever a catalogue's client raises: asked for, or tried again
                problem = error
                log.warning(
                    "a commit to Iceberg is tried again: %s", self.lake.words(error), extra={"table": change.table}
                )
            else:
                return
        assert problem is not None  # noqa: S101 -- the loop ran
        raise self._failure(change, problem) from None

    def _attempt(self, change: TableChange) -> None:
        table = self.lake.load(change.table)
        if table is not None and self._is_done(table):
            return
        if table is None and not change.files:
            return  # rows to delete in a table that there is not
        schemas = [iceberg_schema(change.table, columns) for columns in change.columns]
        transaction = self._new(change, schemas[0]) if table is None else self._existing(table)
        for schema in schemas:
            add_new_columns(transaction, change.table, schema)
        if table is not None:
            self._delete(transaction, change)
        self._add(transaction, change)
        _commit_once(transaction)

    def _existing(self, table: Table) -> Transaction:
        transaction = table.transaction()
        if table.name_mapping() is None:
            mapping = table.schema().name_mapping.model_dump_json()
            transaction.set_properties(**{TableProperties.DEFAULT_NAME_MAPPING: mapping})
        return transaction

    def _new(self, change: TableChange, schema: Schema) -> Transaction:
        self.lake.create_namespace()
        properties = {**_NEW_TABLE, TableProperties.DEFAULT_NAME_MAPPING: schema.name_mapping.model_dump_json()}
        return self.lake.catalog.create_table_transaction(
            self.lake.identifier(change.table),
            schema,
            properties=properties | ({"comment": change.comment} if change.comment else {}),
        )

    def _delete(self, transaction: Transaction, change: TableChange) -> None:
        columns = transaction.table_metadata.schema()
        for meant in (*(predicate(delete, self.lake.spec, columns) for delete in change.deletes), *change.of_parents):
            delete_rows(transaction, meant, self.properties)

    def _add(self, transaction: Transaction, change: TableChange) -> None:
        files = [file for file in change.files if file.rows]
        if not files:
            return
        data_files = DataFiles(change.table, transaction.table_metadata)
        if change.keys:
            replace_by_key(transaction, change, files, data_files, self.properties)
            return
        with transaction.update_snapshot(snapshot_properties=dict(self.properties)).merge_append() as append:
            for file in files:
                append.append_data_file(data_files.of(file))

    def _is_done(self, table: Table) -> bool:
        """Tell whether this Write is in the table already: by an attempt whose answer was lost."""
        write_id = self.properties[WRITE_ID]
        summaries = (snapshot.summary for snapshot in reversed(table.metadata.snapshots))
        return any(
            summary is not None and summary.additional_properties.get(WRITE_ID) == write_id for summary in summaries
        )

    def _failure(self, change: TableChange, error: Exception) -> PluginError:
        if isinstance(error, TableError):
            return error
        lost = "" if isinstance(error, (*_CONFLICTS, *_FINAL)) else "; whether it was made is not known"
        return CatalogError(
            f"table {change.table}: the commit to Iceberg failed: {self.lake.words(error)}{lost}{change.in_words}"
        )


def _commit_once(transaction: Transaction) -> None:
    """Commit, and leave what is to be done about a conflict to the caller.

    pyiceberg by itself would repeat a commit without asking again which rows have to go; and it would remove the
    manifests of one that the catalogue calls a conflict, although a client's own repeated request may have met its
    first one, which has happened. What is left behind by a commit that did not happen are some small files.
    """
    transaction._snapshot_producers.clear()  # noqa: SLF001 -- there is no option for it
    transaction.commit_transaction()
