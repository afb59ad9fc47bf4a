from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cloudquery_s3.formats.athena import Athena
from cloudquery_s3.formats.columns.json_keys import NotJsonError, rewritten
from cloudquery_s3.formats.columns.key_search import plain_key
from cloudquery_s3.formats.encoder import Alterations
from cloudquery_s3.formats.json_lines import JsonLines
from cloudquery_s3.formats.parquet import Parquet

JSON = pa.field("x", pa.binary(), metadata={"ARROW:extension:name": "json"})
RENAMED = "JSON keys are rewritten for Athena"
DROPPED = "values are dropped from JSON whose keys are the same for Athena: the last one stays"
INVALID = "JSON that does not parse keeps its keys"


def written(values: list[Any], field: pa.Field = JSON) -> tuple[list[Any], Alterations]:
    """Return a column as a reader of Parquet gets it, and what was altered."""
    schema = pa.schema([field])
    alterations = Alterations()
    encoder = Athena(Parquet()).encoder(schema, alterations)
    batch = pa.record_batch([pa.array(values, field.type)], schema=schema)
    chunks = encoder.write([batch]) + encoder.finish().chunks
    return pq.read_table(pa.BufferReader(b"".join(chunks)))["x"].to_pylist(), alterations


@pytest.mark.parametrize(
    ("key", "plain"),
    [("a-b", "a_b"), ("é-k", "__k"), ("\U0001f600", "_"), ("", ""), ("A_9", "A_9"), ("٣", "_"), ("a b:c", "a_b_c")],
)
def test_keys(key: str, plain: str) -> None:
    """Each character but ASCII letters, digits and `_` becomes one `_`."""
    assert plain_key(key) == plain


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ('{"b-1":{"c d":[{"e.f":1}]},"a":"v-w"}', '{"a":"v-w","b_1":{"c_d":[{"e_f":1}]}}'),
        ('{ "b" : 1 ,\n"a" : [ ] }', '{"a":[],"b":1}'),
        ('{"a":"\\u00e9\\/<>&"}', '{"a":"é/<>&"}'),
        ('{"a":"\u2028"}', '{"a":"\\u2028"}'),
        ('{"a\\"b":1}', '{"a_b":1}'),
        ('{"\\u0061-b":"\\""}', '{"a_b":"\\""}'),
        ('{"a":"\\ud83d\\ude00 \\ud800x"}', '{"a":"\U0001f600 \ufffdx"}'),
        ("[]", "[]"),
        ('"a-b"', '"a-b"'),
        ("null", "null"),
        (" true ", "true"),
    ],
)
def test_documents(document: str, text: str) -> None:
    """Keys are rewritten through arrays and sorted; values keep what they say; the text is compact."""
    assert rewritten(document.encode()).text.decode() == text
    assert written([document.encode()])[0] == [text]


NUMBERS = [
    "9007199254740993",
    "12345678901234567890",
    "123456789012345678901234567890",
    "2.50",
    "1e3",
    "1E+21",
    "1e400",
    "-0",
    "-0.0",
    "0.1000000000000000055511151231257827",
    "-9223372036854775809",
    "1E16",
]


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("around", ["{}", "[{}]", "[ {} ]", '{{"a-b":{}}}', '{{"a":[1,{}]}}', '{{"a" : {} }}'])
def test_numbers_keep_their_text(number: str, around: str) -> None:
    """No number loses a digit, whatever its size."""
    document = around.format(number)
    (text,), alterations = written([document.encode()])
    assert text == document.replace(" ", "").replace("a-b", "a_b")
    assert set(alterations.cells) <= {("x", RENAMED)}


@pytest.mark.parametrize(
    ("document", "text", "dropped"),
    [
        ('{"a-b":1,"a_b":2,"a.b":3}', '{"a_b":2}', 2),
        ('{"a-b":1,"a.b":2}', '{"a_b":2}', 1),
        ('{"a.b":2,"a-b":1}', '{"a_b":1}', 1),
        ('{"a":1,"a":2}', '{"a":2}', 1),
        ('{"Name":1,"name":2}', '{"name":2}', 1),
        ('{"name":1,"Name":2,"NAME":3}', '{"NAME":3}', 2),
        ('{"A-b":1,"a_b":2,"A.b":3}', '{"a_b":2}', 2),
        ('{"x":[{"Key":1.50,"key":2}],"X":"Key"}', '{"X":"Key"}', 2),
        ('{"Name":{"name":1},"value":"NAME"}', '{"Name":{"name":1},"value":"NAME"}', 0),
        ('{"x":{"é":1,"ü":2},"y":{"é":1}}', '{"x":{"_":2},"y":{"_":1}}', 1),
        ('{"a":1.5,"a":"\\u0061aaaaaaaaaaaaaa"}', '{"a":"aaaaaaaaaaaaaaa"}', 1),
    ],
)
def test_collisions(document: str, text: str, dropped: int) -> None:
    """The key that needed no rewriting wins, else the last, every time; dropped values are counted."""
    for _ in range(3):
        (got,), alterations = written([document.encode()])
        assert got == text
        assert alterations.cells["x", DROPPED] == dropped


def test_rewriting_is_counted() -> None:
    """The cells whose keys changed are counted for their column; those with other changes are not."""
    cells = [b'{"a-b":1}', b'{"a-b":1.5}', b'{"b":1, "a":"x-y"}', b'{"a":"\\"b-c\\":"}', None, b'["a-b"]']
    assert dict(written(cells)[1].cells) == {("x", RENAMED): 2}


@pytest.mark.parametrize("cell", [b"", b"{", b"nul", b'{"a":1}}', b"NaN", b'{"a":Infinity}', b"[" * 5000, b"01"])
def test_invalid_json_does_not_fail(cell: bytes) -> None:
    """Text that is no JSON is kept as it is, and counted; the rows around it are rewritten."""
    got, alterations = written([b'{"a-b":1}', cell, None])
    assert got == ['{"a_b":1}', cell.decode(errors="replace"), None]
    assert alterations.cells["x", INVALID] == 1


def test_json_null_stays() -> None:
    """JSON `null` is no NULL."""
    assert written([b"null", None])[0] == ["null", None]


def test_nested_json_is_rewritten() -> None:
    """JSON inside lists, structs and maps is rewritten too, whatever slice the batch is."""
    deep = pa.field("x", pa.list_(pa.struct([("m", pa.map_(pa.string(), JSON.with_name("value")))])))
    rows = [[{"m": [("a-b", b'{"c-d":1}')]}, None], None, [{"m": [("k", None)]}]]
    got = [[{"m": [("a-b", '{"c_d":1}')]}, None], None, [{"m": [("k", None)]}]]
    assert written(rows, deep)[0] == got
    batch = pa.record_batch([pa.array(rows, deep.type)], schema=pa.schema([deep])).slice(1)
    encoder = Athena(Parquet()).encoder(batch.schema, Alterations())
    chunks = encoder.write([batch]) + encoder.finish().chunks
    assert pq.read_table(pa.BufferReader(b"".join(chunks)))["x"].to_pylist() == got[1:]


def test_other_columns_and_names_stay() -> None:
    """Only what is inside JSON changes: no column, no struct member, no plain text."""
    schema = pa.schema([pa.field("a-b", pa.string()), pa.field("s", pa.struct([("c-d", pa.int64())]))])
    batch = pa.record_batch([['{"a-b":1}'], [{"c-d": 1}]], schema=schema)
    encoder = Athena(Parquet()).encoder(schema, Alterations())
    table = pq.read_table(pa.BufferReader(b"".join(encoder.write([batch]) + encoder.finish().chunks)))
    assert table.to_pylist() == [{"a-b": '{"a-b":1}', "s": {"c-d": 1}}]


def test_rows_of_several_schemas() -> None:
    """An object of JSON lines may hold rows of several schemas; JSON is found in each."""
    encoder = Athena(JsonLines()).encoder(pa.schema([("y", pa.int64())]), Alterations())
    chunks = encoder.write(
        [
            pa.record_batch([[1]], schema=pa.schema([("y", pa.int64())])),
            pa.record_batch([pa.array([b'{"a-b":2}'], JSON.type)], schema=pa.schema([JSON])),
        ]
    )
    lines = b"".join(bytes(chunk) for chunk in [*chunks, *encoder.finish().chunks]).splitlines()
    assert [json.loads(line) for line in lines] == [{"y": 1}, {"x": {"a_b": 2}}]


def test_discard_reaches_the_inner_format() -> None:
    """A discarded object gives no bytes."""
    encoder = Athena(Parquet()).encoder(pa.schema([JSON]), Alterations())
    encoder.write([pa.record_batch([pa.array([b"1"])], schema=pa.schema([JSON]))])
    encoder.discard()


def test_not_json_is_told() -> None:
    """`rewritten` refuses what is no JSON."""
    with pytest.raises(NotJsonError):
        rewritten(b"{]")
