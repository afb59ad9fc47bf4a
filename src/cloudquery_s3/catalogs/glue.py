"""Tables of AWS Glue over the objects: created and updated at the end of a Write, so that no crawler is needed.

Source: AWS Glue's API, "CreateTable", "GetTable", "UpdateTable".
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, Final

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from cloudquery_s3.cancellation import Cancellation
from cloudquery_s3.catalogs.ddl.describe import described, described_footer
from cloudquery_s3.catalogs.ddl.glue import Glue as GlueDialect
from cloudquery_s3.catalogs.ddl.table import Surroundings
from cloudquery_s3.errors import CatalogError, PluginError
from cloudquery_s3.stores.aws_configuration import aws_session
from cloudquery_s3.stores.clock import Clock
from cloudquery_s3.stores.s3 import S3Store, settings_of
from cloudquery_s3.stores.signature import sign_by

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from cloudquery_s3.catalogs.ddl.table import Table
    from cloudquery_s3.committed import CommittedObject, PublisherFactory, WriteEnd, WriteStart
    from cloudquery_s3.spec import Spec

log = logging.getLogger(__name__)

ATTEMPTS: Final = 4
"""How often a table is read and updated that others update at the same time."""

_MOST_FAILURES_IN_ERROR: Final = 5
_MAX_CHARACTERS: Final = 400
_CONCURRENT: Final = frozenset({"ConcurrentModificationException", "VersionMismatchException"})
_OF_INPUT: Final = ("Name", "Description", "TableType", "Parameters", "PartitionKeys", "StorageDescriptor")


def glue_publishers(spec: Spec) -> PublisherFactory:
    """Return what makes the publisher of a Write; nothing is sent before its end."""

    def publisher(_write: WriteStart) -> GluePublisher:
        return GluePublisher(spec, lambda: _client(spec))

    return publisher


def try_glue(spec: Spec) -> None:
    """Ask Glue for a table that nobody has, by which it tells whether tables could be kept there. Changes nothing.

    Needs no permission beside those that keeping tables needs: GetTable. That Glue lacks the database it tells in
    words alone, since the code is the same as that of a missing table.

    Blocks. Raises:
        CatalogError: there is no such database, or Glue does not answer, or refuses.
        StoreError: there are no credentials.
    """
    assert spec.glue is not None  # noqa: S101 -- who asks for tables has options for them
    database = spec.glue.database
    try:
        with _client(spec) as client:
            client.get_table(DatabaseName=database, Name="test_table")
    except (BotoCoreError, ClientError) as error:
        if not isinstance(error, ClientError) or _code(error) != "EntityNotFoundException":
            raise CatalogError(f"Glue cannot be asked for tables of database {database}: {_words(error)}") from None
        if "database" in str(error.response["Error"].get("Message", "")).lower():
            raise CatalogError(f"Glue has no database {database} in {spec.region}: create it there") from None


class GluePublisher:
    """Keeps a table of Glue for each table that a successful Write has objects of.

    Columns are added and never dropped. What Glue refuses is a warning that names the table, unless the spec says that
    Glue is required.

    Args:
        spec: its `glue` must be set.
        client: opens botocore's client of Glue.
    """

    def __init__(self, spec: Spec, client: Callable[[], AbstractContextManager[Any]]) -> None:
        assert spec.glue is not None  # noqa: S101 -- who asks for tables has options for them
        self._spec = spec
        self._options = spec.glue
        self._client = client
        self._newest: dict[str, CommittedObject] = {}

    def committed(self, record: CommittedObject) -> None:
        """Take note of an object; see `Publisher`."""
        self._newest[record.table] = record

    async def publish(self, end: WriteEnd) -> None:
        """Create and update tables; see `Publisher`.

        Raises:
            CatalogError: Glue is required, and has refused a table.
        """
        if end.status == "complete" and self._newest:
            await asyncio.to_thread(self._publish)

    def _publish(self) -> None:
        failures: list[str] = []
        try:
            with self._client() as client:
                for table in sorted(self._newest):
                    self._keep(client, table, failures)
        except (BotoCoreError, PluginError) as error:
            failures.append(f"no table of this Write is in Glue: {_words(error)}")
        if not failures:
            return
        shown = "; ".join(failures[:_MOST_FAILURES_IN_ERROR])
        more = len(failures) - _MOST_FAILURES_IN_ERROR
        if self._options.required:
            raise CatalogError(shown + (f"; and {more} more, see the log" if more > 0 else ""))

    def _keep(self, client: Any, table: str, failures: list[str]) -> None:
        try:
            change = _GlueTable(client, self._options.database, self._wanted(self._newest[table])).keep()
        except (BotoCoreError, ClientError, PluginError) as error:
            failure = f"table {table} is not up to date in Glue: {_words(error)}"
            level = logging.ERROR if self._options.required else logging.WARNING
            log.log(level, "%s", failure, extra={"table": table})
            failures.append(failure)
        else:
            log.info("table in Glue", extra={"table": table, "change": change})

    def _wanted(self, record: CommittedObject) -> dict[str, Any]:
        dialect = GlueDialect(Surroundings(namespace=self._options.database, region=self._spec.region))
        table = self._description(record)
        for comment in dialect.left_out(table):
            log.warning("%s", comment.removeprefix("-- ").strip(), extra={"table": record.table})
        return dialect.table_input(table)

    def _description(self, record: CommittedObject) -> Table:
        footer = record.statistics.footer
        return described(self._spec, record.schema) if footer is None else described_footer(self._spec, footer)


class _GlueTable:
    """One table of Glue, and what it shall be."""

    def __init__(self, client: Any, database: str, wanted: dict[str, Any]) -> None:
        self._client = client
        self._database = database
        self._wanted = wanted

    def keep(self) -> str:
        """Create the table, or update it where it differs; return which.

        Raises:
            CatalogError: there is another kind of table of this name.
            ClientError: Glue refuses.
        """
        try:
            self._client.create_table(DatabaseName=self._database, TableInput=self._wanted)
        except ClientError as error:
            if _code(error) != "AlreadyExistsException":
                raise
        else:
            return "created"
        for _ in range(ATTEMPTS - 1):
            try:
                return self._update()
            except ClientError as error:
                if _code(error) not in _CONCURRENT:
                    raise
        return self._update()

    def _update(self) -> str:
        present = self._client.get_table(DatabaseName=self._database, Name=self._wanted["Name"])["Table"]
        merged = _merged(present, self._wanted)
        if merged == {name: present[name] for name in _OF_INPUT if name in present}:
            return "none"
        version = {"VersionId": present["VersionId"]} if "VersionId" in present else {}
        self._client.update_table(DatabaseName=self._database, TableInput=merged, SkipArchive=True, **version)
        return "updated"


def _merged(present: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return the table as it shall be: everything that it has and this plugin does not know stays."""
    name = wanted["Name"]
    parameters = present.get("Parameters", {})
    if parameters.get("table_type", "").upper() == "ICEBERG":
        raise CatalogError(f"{name} is an Iceberg table there: give `glue` another database than `iceberg`")
    if _columns(present.get("PartitionKeys", [])) != _columns(wanted["PartitionKeys"]):
        raise CatalogError(f"{name} has other partitions there than `path` makes: drop the table, or rename it")
    storage = present.get("StorageDescriptor", {})
    return {
        **{key: present[key] for key in _OF_INPUT if key in present},
        **wanted,
        "Description": wanted["Description"] or present.get("Description", ""),
        "Parameters": parameters | wanted["Parameters"],
        "StorageDescriptor": {
            **storage,
            **wanted["StorageDescriptor"],
            "Columns": _with_new(name, storage.get("Columns", []), wanted["StorageDescriptor"]["Columns"]),
        },
    }


def _with_new(name: str, present: list[dict[str, Any]], wanted: list[dict[str, Any]]) -> list[dict[str, Any]]:
    known, new = _columns(present), _columns(wanted)
    changed = [
        f"{column} is {kind} and was {known[column]}" for column, kind in new.items() if kind != known.get(column, kind)
    ]
    if changed:
        raise CatalogError(f"{name} has other types there: {'; '.join(changed)}: drop the table, or rename it")
    described = {column["Name"]: column for column in wanted}
    return [
        *({**column, **described.get(column["Name"], {})} for column in present),
        *(c for c in wanted if c["Name"] not in known),
    ]


def _columns(columns: list[dict[str, Any]]) -> dict[str, str]:
    return {column["Name"]: column["Type"] for column in columns}


@contextmanager
def _client(spec: Spec) -> Iterator[Any]:
    """Open a client that signs with the keys that the objects were put with."""
    settings = settings_of(spec, content_type="")
    clock = Clock()
    with closing(S3Store(settings, clock=clock)) as store:
        keys = store.credentials.current(Cancellation())
    aws = aws_session(settings)
    sign_by(clock, aws)
    client = aws.create_client(
        "glue",
        region_name=spec.region,
        aws_access_key_id=keys.access_key,
        aws_secret_access_key=keys.secret_key,
        aws_session_token=keys.token,
        config=Config(retries={"total_max_attempts": spec.max_retries, "mode": "standard"}),
    )
    with closing(client):
        yield client


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _words(error: Exception) -> str:
    line = " ".join(str(error).split())
    return line if len(line) <= _MAX_CHARACTERS else f"{line[:_MAX_CHARACTERS]}…"
