"""The moves of CloudQuery's own suite for destinations, with our own client: write, close, read back, compare.

The suite writes a table for each type of the SDK, with values and with NULL only, closes the plugin, and reads the
table back. It is written in Go; here are its types and its moves.
"""

from __future__ import annotations

import threading
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from cloudquery.plugin_v3 import plugin_pb2 as pb

import cloudquery_cli as cli
import plugin_client as client
import rows
from cloudquery_s3.ipc import IpcReader, decode
from lake import in_bucket
from s3_servers import moto  # noqa: F401 -- a fixture

if TYPE_CHECKING:
    from collections.abc import Iterator

    from s3_servers import S3Server

ALL_TYPES = Path(__file__).resolve().parents[3] / "shared" / "golden" / "sdk-all-types--json" / "input.arrows"

VARIANTS: dict[str, dict[str, Any]] = {
    "csv": {"format": "csv"},
    "csv-without-header": {"format": "csv", "format_spec": {"skip_header": True, "delimiter": ";"}},
    "csv-gzip": {"format": "csv", "compression": "gzip"},
    "json": {"format": "json"},
    "json-gzip": {"format": "json", "compression": "gzip"},
    "parquet": {"format": "parquet"},
}
TYPES = 230

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not ALL_TYPES.exists(), reason="the reference's test data is not at hand"),
]


def tables() -> Iterator[list[pa.RecordBatch]]:
    """A table for each type of the SDK: a batch of values, one of NULL only, and one of values again."""
    everything = pa.ipc.open_stream(ALL_TYPES.read_bytes()).read_all()
    for name in everything.schema.names:
        if name != "id":
            # only tables are touched: pyarrow has no arrays of some types of intervals
            table = everything.select(["id", name]).replace_schema_metadata({"cq:table_name": f"t_{name}"})
            nothing = table.take(pa.array([None, None], pa.int64()))
            yield [table.to_batches()[0], nothing.to_batches()[0], table.slice(1).to_batches()[0]]


def as_received(batches: list[pa.RecordBatch]) -> pa.Table:
    """What a destination makes of batches that are sent to it."""
    reader = IpcReader()
    return pa.Table.from_batches([one for batch in batches for one in decode(reader.read(rows.ipc(batch)))])


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_type(moto: S3Server, variant: str) -> None:  # noqa: F811 -- the fixture's name
    """Each type comes back as it was written: after Close, in every format, values and NULL."""
    bucket = moto.new_bucket()
    spec = in_bucket(bucket, path="{{TABLE}}", no_rotate=True, test_write=False, **VARIANTS[variant])
    written = list(tables())
    with cli.plugin_process() as (process, address):
        threading.Thread(target=deque, args=(process.stdout, 0)).start()  # a line an object: more than a pipe holds
        plugin = client.Client(address)
        plugin.init(spec)
        messages = [client.migrate(batches[0].schema) for batches in written]
        messages += [client.insert(batches[number]) for number in range(3) for batches in written]
        plugin.stub.Write(iter(messages), timeout=600)
        plugin.close()
        wrong = []
        for batches in written:
            request = pb.Read.Request(table=rows.ipc(batches[0].schema))
            reader = IpcReader()
            answers = [answer.record for answer in plugin.stub.Read(request, timeout=60)]
            back = pa.Table.from_batches([one for answer in answers for one in decode(reader.read(answer))])
            if not back.equals(as_received(batches), check_metadata=True):
                wrong.append(batches[0].schema.names[1])
    assert (len(written), wrong) == (TYPES, [])
