"""Faults through the whole plugin process: what the client is told, what the log says, what the bucket holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import grpc
import pytest

import cloudquery_cli as cli
import plugin_client as client
from faults.delivery import SMALL, by_table, read, text_batch
from faults.plugin_log import PluginLog
from faults.proxy import Fault, Plan, fault_proxy
from lake import in_bucket
from s3_servers import real_server  # noqa: F401 -- a fixture

if TYPE_CHECKING:
    from collections.abc import Iterator

    from s3_servers import Bucket, S3Server

pytestmark = [pytest.mark.server]

MIB: Final = 1 << 20
LARGE: Final = [text_batch("one", start, 16, 64 << 10) for start in range(0, 320, 16)] + [SMALL[1]]
"""A table of 20 MiB in messages of 1 MiB, and a small one."""


@dataclass(frozen=True)
class Case:
    """A fault of an operation, once or always, and the status that the client gets."""

    operation: str
    fault: Fault
    always: bool
    status: str | None

    def __str__(self) -> str:
        return f"{self.operation}-{self.fault.name}-{'always' if self.always else 'once'}"


CASES: Final = [
    Case("PutObject", Fault.RESET_IN_BODY, False, None),
    Case("PutObject", Fault.DONE_AND_RESET, False, None),
    Case("PutObject", Fault.DONE_AND_RESET, True, None),
    Case("PutObject", Fault.ERROR_IN_200, False, None),
    Case("PutObject", Fault.SLOW_DOWN, True, "INTERNAL"),
    Case("PutObject", Fault.FORBIDDEN, True, "FAILED_PRECONDITION"),
    Case("PutObject", Fault.REFUSED, True, "FAILED_PRECONDITION"),
    Case("CreateMultipartUpload", Fault.DONE_AND_RESET, False, None),
    Case("CreateMultipartUpload", Fault.INTERNAL, True, "INTERNAL"),
    Case("UploadPart", Fault.TOO_MANY, False, None),
    Case("UploadPart", Fault.RESET_AFTER_BODY, True, "FAILED_PRECONDITION"),
    Case("CompleteMultipartUpload", Fault.DONE_AND_TRUNCATED, False, None),
    Case("CompleteMultipartUpload", Fault.DONE_AND_INTERNAL, True, None),
    Case("CompleteMultipartUpload", Fault.ERROR_IN_200, True, "INTERNAL"),
]


@dataclass
class Plugin:
    """The process of all cases."""

    client: client.Client
    log: PluginLog


@pytest.fixture(scope="module")
def plugin() -> Iterator[Plugin]:
    """A plugin that all cases share: none of them may harm it."""
    with cli.plugin_process() as (process, address):
        yield Plugin(client.Client(address), PluginLog(process))
        assert process.poll() is None, "a fault ended the plugin"


def spec(bucket: Bucket, endpoint: str, case: Case) -> dict[str, Any]:
    """Objects of 10 rows; or, for the operations of uploads, one object of fixed key that memory cannot hold.

    All have the same small budget, since a process has the largest of its living destinations.
    """
    options: dict[str, Any] = {"path": "{{TABLE}}/{{UUID}}.json", "batch_size": 10}
    if case.operation != "PutObject":
        options = {"path": "{{TABLE}}/all.json", "no_rotate": True}
    options["memory_budget"] = 12 * MIB
    return {
        **in_bucket(bucket, format="json", test_write=False, max_retries=3, max_backoff=0, **options),
        "endpoint": endpoint,
    }


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_is_said_is_true(real_server: S3Server, plugin: Plugin, case: Case) -> None:  # noqa: F811
    """The status, the log's report and its warnings all agree with the bucket, whatever fails on the way."""
    bucket, sent = real_server.new_bucket(), SMALL if case.operation == "PutObject" else LARGE
    plugin.log.forget()
    with fault_proxy(real_server.endpoint, Plan(case.operation, case.fault, 1, None if case.always else 1)) as proxy:
        plugin.client.init(spec(bucket, proxy.endpoint, case))
        status = None
        try:
            plugin.client.write([client.insert(batch) for batch in sent])
        except grpc.RpcError as error:
            status = error.code().name
        assert proxy.injected[case.operation] >= 1
    assert status == case.status
    found = {key: read(data, "json") for key, data in bucket.objects().items()}
    made: dict[str, dict[int, str]] = {}
    for key, table_rows in found.items():
        table = made.setdefault(key.split("/")[0], {})
        assert not table.keys() & table_rows.keys()
        table.update(table_rows)
    expected = by_table(sent)
    assert made == expected if status is None else all(made[name].items() <= expected[name].items() for name in made)
    assert bucket.open_uploads() == []
    (ended,) = plugin.log.await_lines("write ended", 1)
    unsure = {line["key"] for line in plugin.log.of("the answer was lost: the object may be there, whole")}
    assert ended["objects"] == len(found.keys() - unsure)
    assert ended["rows"] == sum(len(found[key]) for key in found.keys() - unsure)
    retries = plugin.log.of("sending again", level="warn")
    assert ended["retries"] <= len(retries)
    assert (retries == []) == (case.fault is Fault.FORBIDDEN)
    for line in retries:
        assert line["key"]
        assert line["attempt"] >= 1
        assert line["cause"]


def test_faults_in_turns(real_server: S3Server, plugin: Plugin) -> None:  # noqa: F811
    """A store that fails every third request still gets every row, once."""
    bucket = real_server.new_bucket()
    plans = [Plan("PutObject", fault, call) for call, fault in zip(range(1, 60, 3), _IN_TURNS, strict=True)]
    with fault_proxy(real_server.endpoint, *plans) as proxy:
        document = in_bucket(bucket, format="json", test_write=False, max_retries=9, max_backoff=0, batch_size=10)
        plugin.client.init({**document, "path": "{{TABLE}}/{{UUID}}", "endpoint": proxy.endpoint})
        batches = [text_batch("one", start, 10, 20) for start in range(0, 400, 10)]
        plugin.client.write([client.insert(batch) for batch in batches])
    rows_found = [row for data in bucket.objects().values() for row in read(data, "json").items()]
    assert sorted(rows_found) == sorted(by_table(batches)["one"].items())


_IN_TURNS: Final = [
    Fault.INTERNAL,
    Fault.RESET_IN_BODY,
    Fault.SLOW_DOWN,
    Fault.DONE_AND_RESET,
    Fault.TOO_MANY,
] * 4
