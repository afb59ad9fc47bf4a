"""The Read RPC over real gRPC: rows come back as they were written, and what cannot be read is said."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
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
    from s3_servers import Bucket

ALL_TYPES = Path(__file__).resolve().parents[3] / "shared" / "golden" / "sdk-all-types--json" / "input.arrows"

FORMATS: list[dict[str, Any]] = [
    {"format": "csv"},
    {"format": "csv", "compression": "gzip", "format_spec": {"skip_header": True, "delimiter": ";"}},
    {"format": "json"},
    {"format": "json", "compression": "gzip"},
    {"format": "parquet"},
]
NAMES = ["csv", "csv-gzip", "json", "json-gzip", "parquet"]


def spec(bucket: Bucket, **options: Any) -> dict[str, Any]:
    """One object a table, at `{{TABLE}}`."""
    return in_bucket(bucket, **{"path": "{{TABLE}}", "no_rotate": True, "test_write": False, **options})


def read(plugin: client.Client, schema: pa.Schema | bytes) -> list[bytes]:
    """The payloads that a Read answers."""
    table = schema if isinstance(schema, bytes) else rows.ipc(schema)
    return [answer.record for answer in plugin.stub.Read(pb.Read.Request(table=table), timeout=60)]


def status(raised: pytest.ExceptionInfo[grpc.RpcError]) -> tuple[Any, str]:
    """The status that a call ended with."""
    return raised.value.code(), raised.value.details()


@pytest.mark.parametrize("options", FORMATS, ids=NAMES)
def test_a_table_comes_back(plugin: client.Client, bucket: Bucket, options: dict[str, Any]) -> None:
    """What Write wrote to a fixed key, in several messages, Read gives back: same rows, same order, same schema."""
    plugin.init(spec(bucket, **options))
    batches = [rows.batch("t", [1, 2], text=["a", None]), rows.batch("t", [3], text=['"", \n;'])]
    plugin.write([client.insert(one) for one in batches])
    back = [pa.ipc.open_stream(payload).read_all() for payload in read(plugin, batches[0].schema)]
    assert pa.concat_tables(back).to_pylist() == pa.Table.from_batches(batches).to_pylist()
    assert all(one.schema.equals(batches[0].schema, check_metadata=True) for one in back)


@pytest.mark.skipif(not ALL_TYPES.exists(), reason="the reference's test data is not at hand")
@pytest.mark.parametrize("options", FORMATS, ids=NAMES)
def test_every_type_comes_back(plugin: client.Client, bucket: Bucket, options: dict[str, Any]) -> None:
    """Every type of CloudQuery's SDK survives Write and Read, down to the schema message's bytes."""
    payload = ALL_TYPES.read_bytes()
    written = pa.Table.from_batches(decode(rows.read_batches(IpcReader(), payload)))
    plugin.init(spec(bucket, **options))
    plugin.write([client.insert(payload)])
    answers = read(plugin, payload)
    back = pa.Table.from_batches([one for answer in answers for one in decode(rows.read_batches(IpcReader(), answer))])
    assert back.schema.equals(written.schema, check_metadata=True)
    assert [name for name in written.schema.names if not back[name].equals(written[name])] == []
    schema_message = pa.ipc.read_message(payload)
    assert all(pa.ipc.read_message(answer).equals(schema_message) for answer in answers)


def test_no_object_is_no_rows(plugin: client.Client, bucket: Bucket) -> None:
    """A table that was never written has no rows, and that is no error."""
    plugin.init(spec(bucket))
    assert read(plugin, rows.schema("never")) == []


def test_a_bucket_that_is_gone(plugin: client.Client, bucket: Bucket) -> None:
    """A store that cannot be read is an error that names the bucket, not an empty table."""
    plugin.init({**spec(bucket), "bucket": "no-such-bucket"})
    with pytest.raises(grpc.RpcError) as raised:
        read(plugin, rows.schema("t"))
    assert status(raised)[0] is grpc.StatusCode.FAILED_PRECONDITION
    assert "no-such-bucket" in status(raised)[1]


def test_unique_keys_cannot_be_read(plugin: client.Client, bucket: Bucket) -> None:
    """A path with `{{UUID}}` refuses Read and says what to change."""
    plugin.init(spec(bucket, path="{{TABLE}}/{{UUID}}", no_rotate=False))
    with pytest.raises(grpc.RpcError) as raised:
        read(plugin, rows.schema("t"))
    assert status(raised)[0] is grpc.StatusCode.FAILED_PRECONDITION
    assert "no_rotate" in status(raised)[1]


def test_dates_in_the_path_are_today(plugin: client.Client, bucket: Bucket) -> None:
    """With a date in the path, Read finds what a Write of the same day wrote (the reference finds nothing: H41)."""
    plugin.init(spec(bucket, path="{{YEAR}}/{{TABLE}}"))
    plugin.write([client.insert(rows.batch("t", [1]))])
    assert len(read(plugin, rows.schema("t"))) == 1


@pytest.mark.parametrize("payload", [b"", b"nonsense", b"\xff\xff\xff\xff\x00\x01\x00\x00", rows.ipc(pa.schema([]))])
def test_a_bad_schema(plugin: client.Client, bucket: Bucket, payload: bytes) -> None:
    """A schema that is none, or that names no table, is an INVALID_ARGUMENT."""
    plugin.init(spec(bucket))
    with pytest.raises(grpc.RpcError) as raised:
        read(plugin, payload)
    assert status(raised)[0] is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("options", FORMATS, ids=NAMES)
@pytest.mark.parametrize("stored", [b"\x00secret\xff", b"secret\nsecret\n", b"", b"PAR1", b'{"n":"secret"}\n'])
def test_what_is_no_such_file(plugin: client.Client, bucket: Bucket, options: dict[str, Any], stored: bytes) -> None:
    """An object that is something else is an error that names its key, without a word of what it holds."""
    bucket.server.client().put_object(Bucket=bucket.name, Key="t", Body=stored)
    plugin.init(spec(bucket, **options))
    try:
        assert read(plugin, rows.schema("t")) == []  # an empty file is an empty CSV or JSON lines file
    except grpc.RpcError as error:
        assert error.code() is grpc.StatusCode.INTERNAL  # noqa: PT017 -- only some of them fail
        assert "table t: t cannot be read back as this table" in error.details()  # noqa: PT017 -- likewise
        assert "secret" not in error.details()  # noqa: PT017 -- likewise


@pytest.mark.parametrize("entry", [b"null", b'{"value":1}', b'{"key":null,"value":1}'])
def test_a_map_without_a_key(plugin: client.Client, bucket: Bucket, entry: bytes) -> None:
    """A map without a key, which Arrow ends the process over, is an error like any other, and the plugin lives on."""
    bucket.server.client().put_object(Bucket=bucket.name, Key="t", Body=b'{"m":[%b]}\n' % entry)
    plugin.init(spec(bucket, format="json"))
    with pytest.raises(grpc.RpcError) as raised:
        read(plugin, rows.schema("t", m=pa.map_(pa.string(), pa.int64())))
    code, words = status(raised)
    assert code is grpc.StatusCode.INTERNAL
    assert "column m does not hold" in words
    assert plugin.stub.GetName(pb.GetName.Request()).name == "s3"


@pytest.mark.parametrize("options", FORMATS[:1] + FORMATS[2:3] + FORMATS[4:], ids=["csv", "json", "parquet"])
def test_a_column_that_is_new(plugin: client.Client, bucket: Bucket, options: dict[str, Any]) -> None:
    """Columns are found by name: one that the object does not have is NULL, and an error where NULL is not allowed."""
    plugin.init(spec(bucket, **options))
    plugin.write([client.insert(rows.batch("t", [1], b=["x"], a=["y"]))])
    (answer,) = read(plugin, rows.schema("t", a=pa.string(), new=pa.float64(), n=pa.int64()))
    assert pa.ipc.open_stream(answer).read_all().to_pylist() == [{"a": "y", "new": None, "n": 1}]
    required = pa.schema([pa.field("must", pa.int64(), nullable=False)], metadata={"cq:table_name": "t"})
    with pytest.raises(grpc.RpcError, match="must"):
        read(plugin, required)


def test_a_line_of_30_mib(plugin: client.Client, bucket: Bucket) -> None:
    """A JSON line beyond the reference's limit of 20 MiB comes back."""
    plugin.init(spec(bucket, format="json"))
    plugin.write([client.insert(rows.batch("t", [1, 2], text=["x" * (30 << 20), "y"]))])
    answers = read(plugin, rows.schema("t", n=pa.int64(), text=pa.string()))
    back = pa.concat_tables([pa.ipc.open_stream(answer).read_all() for answer in answers])
    assert [len(text) for text in back["text"].to_pylist()] == [30 << 20, 1]


@pytest.mark.parametrize("options", FORMATS[1:5:3], ids=["csv-gzip", "parquet"])
def test_many_rows_are_many_batches(plugin: client.Client, bucket: Bucket, options: dict[str, Any]) -> None:
    """A larger object comes in batches of bounded size, in order."""
    plugin.init(spec(bucket, **options))
    numbers = list(range(300_000))
    plugin.write([client.insert(rows.batch("t", numbers))])
    answers = read(plugin, rows.schema("t"))
    assert len(answers) > 1
    assert max(map(len, answers)) < 4 << 20
    assert [n for answer in answers for n in pa.ipc.open_stream(answer).read_all()["n"].to_pylist()] == numbers


def test_read_while_a_write_is_open(plugin: client.Client, bucket: Bucket) -> None:
    """A source's state backend reads and writes on the same socket while the CLI's Write is open."""
    plugin.init(spec(bucket, format="json"))
    sync = plugin.open_write()
    sync.send(client.insert(rows.batch("rows", [1])))
    assert read(plugin, rows.schema("state")) == []
    plugin.write([client.insert(rows.batch("state", [7]))])
    (answer,) = read(plugin, rows.schema("state"))
    assert pa.ipc.open_stream(answer).read_all().to_pylist() == [{"n": 7}]
    sync.end()
    assert sorted(bucket.objects()) == ["rows", "state"]


def test_close_in_mid_read(plugin: client.Client, bucket: Bucket) -> None:
    """Close and a new Init leave a Read that has begun to its end."""
    plugin.init(spec(bucket, format="csv"))
    plugin.write([client.insert(rows.batch("t", list(range(400_000))))])
    stream = plugin.stub.Read(pb.Read.Request(table=rows.ipc(rows.schema("t"))), timeout=60)
    first = next(stream)
    plugin.close()
    plugin.init(spec(bucket))
    found = [pa.ipc.open_stream(answer.record).read_all().num_rows for answer in (first, *stream)]
    assert sum(found) == 400_000


def test_read_without_init() -> None:
    """Before Init there is nothing to read from, and that is said."""
    with cli.plugin_process() as (_, address), pytest.raises(grpc.RpcError) as raised:
        read(client.Client(address), rows.schema("t"))
    assert status(raised)[0] is grpc.StatusCode.FAILED_PRECONDITION
