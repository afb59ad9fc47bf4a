"""Tables of Glue after Writes, on moto."""

from __future__ import annotations

import asyncio
import logging
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from botocore.exceptions import ClientError

from cloudquery_s3.catalogs.glue import GluePublisher, glue_publishers
from cloudquery_s3.committed import CommittedObject, FileStatistics, Origin, WriteEnd, WriteStart
from cloudquery_s3.errors import CatalogError
from cloudquery_s3.formats import make_format
from cloudquery_s3.formats.encoder import Alterations
from s3_servers import moto
from small_lake import spec_of
from wire_server import Reply, wire_server

if TYPE_CHECKING:
    from cloudquery_s3.spec import Spec
    from s3_servers import S3Server

__all__ = ["moto"]

NOW = datetime(2026, 11, 26, tzinfo=UTC)
BASE = (pa.field("n", pa.int64()), pa.field("s", pa.string()))


@pytest.fixture
def glue(moto: S3Server) -> Any:
    """An administrator's client, and an empty database `d`."""
    client = moto.client("glue")
    for database in client.get_databases()["DatabaseList"]:
        for table in client.get_tables(DatabaseName=database["Name"])["TableList"]:
            client.delete_table(DatabaseName=database["Name"], Name=table["Name"])
        client.delete_database(Name=database["Name"])
    client.create_database(DatabaseInput={"Name": "d"})
    return client


def spec(**options: Any) -> Spec:
    """A spec that keeps tables in database `d`."""
    return spec_of(**{"glue": {"database": "d"}, **options})


def record(of: Spec, *fields: pa.Field, table: str = "Tab") -> CommittedObject:
    """An object of a table with these columns."""
    schema = pa.schema(fields or BASE, metadata={"cq:table_name": table, "cq:table_description": "what it is"})
    statistics = make_format(of).encoder(schema, Alterations()).finish().statistics
    known = statistics if of.format == "parquet" else FileStatistics()
    return CommittedObject(table, "k", 1, "", None, 0, schema, {}, NOW, NOW, known, {}, 0, Origin())


def publish(of: Spec, client: Any, *objects: CommittedObject, status: Any = "complete") -> None:
    """One Write that has put these objects."""
    publisher = GluePublisher(of, lambda: nullcontext(client))
    for one in objects:
        publisher.committed(one)
    asyncio.run(publisher.publish(WriteEnd(status, NOW, None, {}, {})))


def columns(client: Any, table: str = "tab") -> dict[str, str]:
    """A table's columns and their types."""
    found = client.get_table(DatabaseName="d", Name=table)["Table"]["StorageDescriptor"]["Columns"]
    return {column["Name"]: column["Type"] for column in found}


@pytest.mark.parametrize(
    ("options", "kind"), [({}, "bigint"), ({"format": "json"}, "bigint"), ({"format": "csv"}, "string")]
)
def test_new_table(glue: Any, options: dict[str, Any], kind: str) -> None:
    """A table is created with the file's columns, where its objects are, with projected partitions."""
    publish(spec(**options), glue, record(spec(**options)))
    table = glue.get_table(DatabaseName="d", Name="tab")["Table"]
    assert columns(glue) == {"n": kind, "s": "string"}
    assert table["Description"] == "what it is"
    assert table["StorageDescriptor"]["Location"] == "s3://a-bucket/cloudquery/Tab/"
    assert table["PartitionKeys"] == [{"Name": "dt", "Type": "string"}]
    assert table["Parameters"]["projection.dt.format"] == "yyyy-MM-dd"


def test_columns_are_added_and_never_dropped(glue: Any) -> None:
    """A later file's new columns come to the table; what it lacks stays, as does what people have set."""
    publish(spec(), glue, record(spec()))
    present = glue.get_table(DatabaseName="d", Name="tab")["Table"]
    kept = {name: present[name] for name in ("Name", "PartitionKeys", "StorageDescriptor", "Parameters", "TableType")}
    kept["Parameters"] = kept["Parameters"] | {"owner": "us"}
    glue.update_table(DatabaseName="d", TableInput=kept)
    publish(spec(), glue, record(spec(), pa.field("n", pa.int64()), pa.field("new", pa.bool_())))
    assert columns(glue) == {"n": "bigint", "s": "string", "new": "boolean"}
    assert glue.get_table(DatabaseName="d", Name="tab")["Table"]["Parameters"]["owner"] == "us"


class Counting:
    """A client that counts calls, and fails those that a test says."""

    def __init__(self, client: Any, failures: dict[str, list[str]] | None = None) -> None:
        self._client = client
        self._failures = failures or {}
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        def call(**arguments: Any) -> Any:
            self.calls.append(name)
            codes = self._failures.get(name, [])
            if codes:
                raise ClientError({"Error": {"Code": codes.pop(0), "Message": "no"}}, name)
            return getattr(self._client, name)(**arguments)

        return call


def test_nothing_new_changes_nothing(glue: Any) -> None:
    """A table that is up to date is not updated: Glue would make a version of it."""
    publish(spec(), glue, record(spec()))
    counting = Counting(glue)
    publish(spec(), counting, record(spec()))
    assert counting.calls == ["create_table", "get_table"]


def test_updates_at_the_same_time(glue: Any) -> None:
    """An update that meets another is made again on the table as it is then."""
    publish(spec(), glue, record(spec()))
    counting = Counting(glue, {"update_table": ["ConcurrentModificationException"] * 2})
    publish(spec(), counting, record(spec(), pa.field("new", pa.bool_())))
    assert counting.calls.count("update_table") == 3
    assert "new" in columns(glue)


def test_a_table_that_glue_refuses_is_a_warning(glue: Any, caplog: pytest.LogCaptureFixture) -> None:
    """What Glue refuses is a warning that names the table, and the others are kept; required, it is an error."""
    for required in (False, True):
        chosen = spec(glue={"database": "d", "required": required})
        counting = Counting(glue, {"create_table": ["AccessDeniedException"]})
        caplog.clear()
        with pytest.raises(CatalogError, match="table a is not") if required else nullcontext():
            publish(chosen, counting, record(chosen, table="a"), record(chosen, table="b"))
        assert [
            (line.levelno, line.__dict__["table"]) for line in caplog.records if "AccessDenied" in line.message
        ] == [(logging.ERROR if required else logging.WARNING, "a")]
        assert columns(glue, "b")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fields": (pa.field("n", pa.string()),)}, "n is string and was bigint"),
        ({"options": {"path": "cloudquery/{{TABLE}}/{{UUID}}"}}, "other partitions"),
    ],
)
def test_tables_that_cannot_be_changed(glue: Any, change: dict[str, Any], message: str) -> None:
    """A changed type, or other partitions, is an error that says what to do, and the table stays as it is."""
    publish(spec(), glue, record(spec()))
    other = spec(**change.get("options", {}), glue={"database": "d", "required": True})
    with pytest.raises(CatalogError, match=message):
        publish(other, glue, record(other, *change.get("fields", ())))
    assert columns(glue) == {"n": "bigint", "s": "string"}


def test_a_write_without_success(glue: Any) -> None:
    """A Write that has not succeeded changes no table."""
    publish(spec(), glue, record(spec()), status="failed")
    assert not glue.get_tables(DatabaseName="d")["TableList"]


def test_by_the_spec_alone(glue: Any, moto: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client signs with the keys that the objects are put with, and finds Glue as every AWS tool does."""
    for name, value in moto.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL_GLUE", moto.endpoint)
    chosen = spec(endpoint=moto.endpoint, use_path_style=True, glue={"database": "d", "required": True})
    publisher = glue_publishers(chosen)(WriteStart("w", NOW))
    publisher.committed(record(chosen))
    asyncio.run(publisher.publish(WriteEnd("complete", NOW, None, {}, {})))
    assert columns(glue) == {"n": "bigint", "s": "string"}


def test_a_wrong_clock_goes_by_glues(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Glue refuses this machine's time, the request is signed for Glue's and sent again at once."""
    for name, value in {"ACCESS_KEY_ID": "AKID", "SECRET_ACCESS_KEY": "secret"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    refused = Reply(400, b'{"__type": "InvalidSignatureException", "message": "Signature expired"}')
    with wire_server() as wire:
        wire.ahead = timedelta(hours=3)
        wire.answers["CreateTable"] = [refused, Reply(200, b"{}")]
        monkeypatch.setenv("AWS_ENDPOINT_URL_GLUE", wire.endpoint)
        chosen = spec(glue={"database": "d", "required": True}, max_retries=1)
        publisher = glue_publishers(chosen)(WriteStart("w", NOW))
        publisher.committed(record(chosen))
        asyncio.run(publisher.publish(WriteEnd("complete", NOW, None, {}, {})))
    times = [datetime.strptime(request.headers["x-amz-date"], "%Y%m%dT%H%M%S%z") for request in wire.requests]
    assert [round((time - datetime.now(UTC)) / timedelta(hours=1)) for time in times] == [0, 3]
