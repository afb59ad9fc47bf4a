"""The plugin process: gRPC server, the protocol's calls, log lines as the CloudQuery CLI reads them.

grpc is all that is imported at once: the CLI wants an answer within about a second of the start, and boto3 and pyarrow
take half of that.
"""

# ruff: noqa: N802, ARG002, PLC0415
# The protocol names the methods (N802) and hands each a context and a request (ARG002); heavy imports wait (PLC0415).

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, NoReturn

import grpc
from cloudquery.discovery_v1 import discovery_pb2, discovery_pb2_grpc
from cloudquery.plugin_v3 import plugin_pb2, plugin_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import FrameType

    from examples.aws_inventory.aws import Aws
    from examples.aws_inventory.options import Options
    from examples.aws_inventory.tables import Table

NAME: Final = "aws-inventory"
VERSION: Final = "v0.1.0"
MESSAGE_LIMIT: Final = 200 * 1024 * 1024
"""Bytes; the CLI's own limit. gRPC's default of 4 MiB is far below it."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until SIGINT or SIGTERM, or until the CLI that started this process is gone. Unknown flags are ignored."""
    parser = argparse.ArgumentParser(prog=NAME, allow_abbrev=False)
    parser.add_argument("command", choices=["serve"])
    parser.add_argument("--network", default="tcp", choices=["tcp", "unix"])
    parser.add_argument("--address", default="localhost:7777")
    flags, _ = parser.parse_known_args(arguments)
    logging.basicConfig(level=logging.ERROR)  # gRPC's server is silent about an error in a handler otherwise

    stop = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGINT, on_signal)
    signal.signal(signal.SIGTERM, on_signal)
    parent = os.getppid()
    server = new_server(f"unix:{flags.address}" if flags.network == "unix" else flags.address)
    server.start()
    while not stop.wait(1):
        if flags.network == "unix" and os.getppid() != parent:
            break  # a killed CLI stops nobody: without this the process would outlive it
    server.stop(grace=1).wait()
    sys.stdout.flush()
    os._exit(0)  # a listing under way would keep its thread, and so the process, for up to a minute


def new_server(address: str) -> grpc.Server:
    """Return a server that is bound to an address, `host:port` or `unix:path`, and not yet started."""
    limits = [("grpc.max_receive_message_length", MESSAGE_LIMIT), ("grpc.max_send_message_length", MESSAGE_LIMIT)]
    server = grpc.server(ThreadPoolExecutor(8), options=limits)
    plugin_pb2_grpc.add_PluginServicer_to_server(Plugin(), server)
    discovery_pb2_grpc.add_DiscoveryServicer_to_server(Discovery(), server)
    server.add_insecure_port(address)
    return server


def log(level: str, message: str, **fields: object) -> None:
    """Write one log line for the CLI, which adds the time. A line is one write, so that threads do not mix theirs."""
    sys.stdout.write(json.dumps({"level": level, "message": message, **fields}) + "\n")
    sys.stdout.flush()


class Discovery(discovery_pb2_grpc.DiscoveryServicer):
    """Which versions of the protocol this plugin speaks."""

    def GetVersions(self, request: Any, context: Any) -> Any:
        """Return that it is version 3."""
        return discovery_pb2.GetVersions.Response(versions=[3])


class Plugin(plugin_pb2_grpc.PluginServicer):
    """The source's part of CloudQuery's plugin protocol, version 3."""

    def __init__(self) -> None:
        self._options: Options | None = None

    def GetName(self, request: Any, context: Any) -> Any:
        """Return the plugin's name."""
        return plugin_pb2.GetName.Response(name=NAME)

    def GetVersion(self, request: Any, context: Any) -> Any:
        """Return the plugin's version."""
        return plugin_pb2.GetVersion.Response(version=VERSION)

    def GetSpecSchema(self, request: Any, context: Any) -> Any:
        """Return the JSON schema of the options, which `cloudquery validate-config` checks."""
        from examples.aws_inventory.options import Options

        return plugin_pb2.GetSpecSchema.Response(json_schema=json.dumps(Options.model_json_schema()))

    def Init(self, request: Any, context: Any) -> Any:
        """Take the options; no call to AWS is made yet."""
        from examples.aws_inventory.options import Options, OptionsError

        try:
            self._options = Options.parse(request.spec)
        except OptionsError as error:
            _refuse(context, grpc.StatusCode.INVALID_ARGUMENT, str(error))
        return plugin_pb2.Init.Response()

    def TestConnection(self, request: Any, context: Any) -> Any:
        """Tell whether AWS lets us list the regions, and if not, why."""
        from examples.aws_inventory.aws import Aws, ListingError
        from examples.aws_inventory.options import Options, OptionsError

        response = plugin_pb2.TestConnection.Response
        try:
            aws = Aws(Options.parse(request.spec))
        except OptionsError as error:
            return response(success=False, failure_code="INVALID_SPEC", failure_description=str(error))
        try:
            _ = aws.regions
        except ListingError as error:
            return response(success=False, failure_code=error.failure_code, failure_description=str(error))
        finally:
            aws.close()
        return response(success=True)

    def GetTables(self, request: Any, context: Any) -> Any:
        """Return the schemas of the tables that the request selects; all where it names none."""
        tables = _selected(request, context)
        return plugin_pb2.GetTables.Response(tables=[_ipc(table.schema()) for table in tables])

    def Sync(self, request: Any, context: Any) -> Iterator[Any]:
        """Send every selected table's schema, then this shard's rows; a failed listing ends the sync and says why."""
        from examples.aws_inventory.aws import Aws, ListingError
        from examples.aws_inventory.shards import Shard, regions_by_table

        if self._options is None:
            _refuse(context, grpc.StatusCode.FAILED_PRECONDITION, "Sync before Init")
        shard = Shard(request.shard.num, request.shard.total) if request.HasField("shard") else Shard()
        if not 1 <= shard.number <= shard.total:
            _refuse(context, grpc.StatusCode.INVALID_ARGUMENT, f"there is no shard {shard.number} of {shard.total}")
        tables = _selected(request, context)
        aws = Aws(self._options)
        try:
            for table in tables:
                yield _migrate(table)
            regions = regions_by_table(aws, tables, shard)
            for table in tables:
                yield from _inserts(aws, table, regions[table.name])
        except ListingError as error:
            _refuse(context, grpc.StatusCode.UNAVAILABLE, str(error))
        finally:
            aws.close()

    def Close(self, request: Any, context: Any) -> Any:
        """Nothing is held between syncs."""
        return plugin_pb2.Close.Response()


def _selected(request: Any, context: Any) -> list[Table]:
    from examples.aws_inventory.tables import select

    try:
        wanted, skipped = list(request.tables) or ["*"], list(request.skip_tables)
        return select(wanted, skipped, skip_dependent=request.skip_dependent_tables)
    except ValueError as error:
        _refuse(context, grpc.StatusCode.INVALID_ARGUMENT, str(error))


def _refuse(context: Any, code: grpc.StatusCode, message: str) -> NoReturn:
    """End the call with an error; the CLI shows the message, and the log has it too, as the CLI may lose it."""
    log("error", message)
    context.abort(code, message)
    raise AssertionError  # abort raises, which its lack of types hides


def _migrate(table: Table) -> Any:
    message = plugin_pb2.Sync.MessageMigrateTable(table=_ipc(table.schema()))
    return plugin_pb2.Sync.Response(migrate_table=message)


def _inserts(aws: Aws, table: Table, regions: Sequence[str]) -> Iterator[Any]:
    """Yield the rows of a table in some regions, and log how many were sent: after each region, and at the end."""
    from examples.aws_inventory.resolvers import listing
    from examples.aws_inventory.rows import record_batches

    sent = 0
    log("info", "listing", table=table.name)
    for items in listing(aws, table, regions):
        for batch in record_batches(table, items):
            yield plugin_pb2.Sync.Response(insert=plugin_pb2.Sync.MessageInsert(record=_ipc(batch.schema, batch)))
            sent += batch.num_rows
        log("info", "rows sent", table=table.name, rows=sent)
    log("info", "table done", table=table.name, rows=sent)


def _ipc(schema: Any, *batches: Any) -> bytes:
    """Return an Arrow IPC stream."""
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return sink.getvalue().to_pybytes()  # type: ignore[no-any-return]  # pyarrow has no types
