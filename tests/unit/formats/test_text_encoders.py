"""JSON lines and CSV as whole files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest

from cloudquery_s3.formats.csv import Csv
from cloudquery_s3.formats.encoder import Alterations
from cloudquery_s3.formats.json_lines import JsonLines
from cloudquery_s3.formats.text.batches import rebatched

if TYPE_CHECKING:
    from cloudquery_s3.formats.encoder import Format

JSON = {"ARROW:extension:name": "json"}


def written(fmt: Format, batch: pa.RecordBatch) -> bytes:
    """Write one object of one batch."""
    encoder = fmt.encoder(batch.schema, Alterations())
    return b"".join([*encoder.write([batch]), *encoder.finish().chunks])


def table(**columns: Any) -> pa.RecordBatch:
    """Make a batch of columns by name."""
    return pa.record_batch(
        {name: cells if isinstance(cells, pa.Array) else pa.array(cells) for name, cells in columns.items()}
    )


def json_column(*cells: bytes | None) -> pa.RecordBatch:
    """Make a batch of one JSON column `j`."""
    return pa.record_batch(
        [pa.array(cells, pa.binary())], schema=pa.schema([pa.field("j", pa.binary(), metadata=JSON)])
    )


def test_keys_are_sorted_with_their_closing_quote() -> None:
    """Keys stand in the order of their bytes as JSON strings, so a longer key may come before its beginning."""
    batch = pa.record_batch([pa.array([1])] * 5, names=["a", "B", "a!", "a b", "b"])
    assert written(JsonLines(), batch) == b'{"B":1,"a b":1,"a!":1,"a":1,"b":1}\n'


def test_columns_of_one_name_are_written_under_two() -> None:
    """Of two columns of one name, no value is lost: the later one has another name."""
    batch = pa.record_batch([pa.array([1]), pa.array([2])], names=["a", "a"])
    assert written(JsonLines(), batch) == b'{"a":1,"a_2":2}\n'
    assert written(Csv(), batch) == b"a,a_2\n1,2\n"


def test_html_is_escaped_in_lists_and_maps_only() -> None:
    """`<` is raw in a column and in a struct, escaped in a list, a map and whatever lies in them; always in CSV."""
    batch = table(
        c=["<"],
        s=pa.array([{"x": "<"}]),
        l=[["<"]],
        ls=[[{"x": "<"}]],
        m=pa.array([[("<", "<")]], pa.map_(pa.string(), pa.string())),
    )
    lines = written(JsonLines(), batch).decode()
    assert lines == (
        '{"c":"<","l":["\\u003c"],"ls":[{"x":"\\u003c"}],"m":[{"key":"\\u003c","value":"\\u003c"}],"s":{"x":"<"}}\n'
    )
    assert written(Csv(skip_header=True), table(s=pa.array([{"x": "<"}]), n=[1])) == b'"{""x"":""\\u003c""}",1\n'


def test_null_and_empty_differ_in_csv() -> None:
    """NULL is nothing, an empty text or binary value is two quotes."""
    batch = table(a=["", None], b=[b"", None], c=[1, 2])
    assert written(Csv(skip_header=True), batch) == b'"","",1\n,,2\n'


def test_a_table_of_one_column_has_no_blank_line() -> None:
    """NULL of a table's only column is two quotes, so that every row is a line that readers count."""
    assert written(Csv(), table(a=["", None, "x"])) == b'a\n""\n""\nx\n'
    assert written(Csv(), table(a=[None, 5])) == b'a\n""\n5\n'
    assert written(Csv(), pa.record_batch([pa.nulls(2)], names=["a"])) == b'a\n""\n""\n'


def test_a_column_of_nulls_is_empty_in_csv() -> None:
    """A column of type null is empty, where the reference has "(null)"."""
    assert written(Csv(), table(a=pa.nulls(1), b=[1])) == b"a,b\n,1\n"


@pytest.mark.parametrize("delimiter", ["1", "-", ":", "a", "="])
def test_a_delimiter_that_numbers_contain_quotes_them(delimiter: str) -> None:
    """A delimiter that occurs in numbers, dates or base64 forces quotes there."""
    batch = table(n=[-1], f=[0.5], b=[b"a"], t=pa.array([0], pa.timestamp("s")))
    cells = ["-1", "0.5", "YQ==", "1970-01-01T00:00:00Z"]
    expected = delimiter.join(f'"{cell}"' if delimiter in cell else cell for cell in cells) + "\n"
    assert written(Csv(delimiter=delimiter, skip_header=True), batch).decode() == expected


@pytest.mark.parametrize("delimiter", ["", ",,", '"', "\n", "\r", "é"])
def test_a_delimiter_that_no_reader_could_use_is_refused(delimiter: str) -> None:
    """Only a single byte that is neither quote nor line break can part cells."""
    with pytest.raises(ValueError, match="delimiter"):
        Csv(delimiter=delimiter)


def test_the_header_is_quoted_like_cells_and_written_once() -> None:
    """Column names follow the quoting rule; an object without rows has its header all the same."""
    schema = pa.schema([("a,b", pa.int64()), ("", pa.int64()), (" c", pa.int64())])
    encoder = Csv().encoder(schema, Alterations())
    assert b"".join(encoder.finish().chunks) == b'"a,b",""," c"\n'
    empty = pa.record_batch([pa.array([], pa.int64())] * 3, schema=schema)
    encoder = Csv().encoder(schema, Alterations())
    assert b"".join([*encoder.write([empty]), *encoder.write([]), *encoder.finish().chunks]) == b'"a,b",""," c"\n'


def test_rows_without_columns_are_counted() -> None:
    """A table without columns still has a line for each row."""
    batch = pa.record_batch([pa.array([{}, {}], pa.struct([]))], names=["x"])
    empty = pa.RecordBatch.from_struct_array(batch.column(0))
    assert written(JsonLines(), batch) == b'{"x":{}}\n{"x":{}}\n'
    assert written(JsonLines(), empty) == b"{}\n{}\n"


def test_json_lines_take_rows_of_another_schema() -> None:
    """Rows of two schemas in one object each have their own keys: no value lands under another name."""
    one, other = table(a=[1], b=[2]), table(b=["x"], a=["y"])
    encoder = JsonLines().encoder(one.schema, Alterations())
    lines = b"".join(encoder.write([one, other]) + encoder.write([one]))
    assert lines == b'{"a":1,"b":2}\n{"a":"y","b":"x"}\n{"a":1,"b":2}\n'


@pytest.mark.parametrize(
    "cells",
    [
        [b"[1", b"2]", b"3,4"],
        [b'{"a":[{"b":1}', b'{"c":1}]}', b"1,2"],
        [b'"a', b'b"', b"1,2"],
        [b"[[1", b"2]]", b"1],[2"],
        [b"1,2", b"", b"[3", b"4]"],
    ],
)
def test_broken_json_cells_do_not_mend_each_other(cells: list[bytes]) -> None:
    """Cells that only together would parse are each a JSON string, and counted."""
    alterations = Alterations()
    batch = json_column(*cells)
    lines = b"".join(JsonLines().encoder(batch.schema, alterations).write([batch]))
    escaped = [b'"' + cell.replace(b'"', b'\\"') + b'"' if cell else b"null" for cell in cells]
    assert lines == b"".join(b'{"j":' + cell + b"}\n" for cell in escaped)
    assert sum(alterations.cells.values()) == sum(map(bool, cells))


def test_what_lies_beneath_a_null_is_neither_checked_nor_written() -> None:
    """Broken JSON under a NULL, or under a NULL struct, is no cell and is not counted."""
    hidden = pa.Array.from_buffers(pa.binary(), 2, [pa.py_buffer(b"\x02"), *pa.array([b"{", b"1"]).buffers()[1:]])
    field = pa.field("j", pa.binary(), metadata=JSON)
    struct = pa.StructArray.from_buffers(
        pa.struct([field]), 2, [pa.py_buffer(b"\x02")], children=[pa.array([b"{", b"1"])]
    )
    alterations = Alterations()
    batch = pa.record_batch([hidden, struct], schema=pa.schema([field, ("s", struct.type)]))
    lines = b"".join(JsonLines().encoder(batch.schema, alterations).write([batch]))
    assert lines == b'{"j":null,"s":null}\n{"j":1,"s":{"j":1}}\n'
    assert not alterations.cells


def test_an_empty_json_cell_is_null_whatever_lies_beneath_others() -> None:
    """An empty cell is null also beside a NULL that hides as many bytes as it lacks."""
    parts = pa.array([b"{}", b"{}", b""]).buffers()[1:]
    cells = pa.Array.from_buffers(pa.binary(), 3, [pa.py_buffer(b"\x06"), *parts])
    batch = pa.record_batch([cells], schema=pa.schema([pa.field("j", pa.binary(), metadata=JSON)]))
    assert written(JsonLines(), batch) == b'{"j":null}\n{"j":{}}\n{"j":null}\n'
    assert written(JsonLines(), batch.slice(1)) == b'{"j":{}}\n{"j":null}\n'


def test_json_nested_beyond_what_a_parser_follows_is_a_string() -> None:
    """A value that no parser here can follow is kept as text and counted, instead of failing the table."""
    alterations = Alterations()
    levels = 10_000_000  # more than a thread's stack has bytes: Python 3.14 goes as deep as that lets it
    deep = b"[" * levels + b"]" * levels
    batch = json_column(deep)
    lines = b"".join(JsonLines().encoder(batch.schema, alterations).write([batch]))
    assert lines == b'{"j":"' + deep + b'"}\n'
    assert sum(alterations.cells.values()) == 1


def test_rebatching_keep_rows_order_and_columns() -> None:
    """Batches are merged and divided without losing a row, and never merged across different columns."""
    many = [table(a=[row]) for row in range(100)]
    assert [batch.num_rows for batch in rebatched(many)] == [100]
    other = table(b=[1])
    assert [batch.schema.names for batch in rebatched([many[0], other, many[1]])] == [["a"], ["b"], ["a"]]
    large = table(a=np.arange(100_000))
    parts = list(rebatched([large]))
    assert len(parts) > 1
    assert pa.Table.from_batches(parts).equals(pa.Table.from_batches([large]))
    assert list(rebatched([table(a=pa.array([], pa.int64()))])) == []
    wide = table(a=["x" * 10_000_000] * 3)
    assert [batch.num_rows for batch in rebatched([wide])] == [1, 1, 1]


def test_rebatching_copies_no_batch_that_is_large_enough() -> None:
    """Batches of a few thousand rows are handed on as they are."""
    batches = [table(a=np.arange(5_000)), table(a=np.arange(3_000))]
    assert [id(batch) for batch in rebatched(batches)] == [id(batch) for batch in batches]


def test_rebatching_ignore_metadata_that_makes_no_column() -> None:
    """Batches whose schemas differ in descriptions alone are merged."""
    one, other = table(a=[1]), table(a=[2]).replace_schema_metadata({"cq:table_title": "T"})
    merged = list(rebatched([one, other]))
    assert [batch.column("a").to_pylist() for batch in merged] == [[1, 2]]


def test_discard_is_harmless() -> None:
    """Discarding writes nothing and may be repeated, also after the end."""
    for fmt in (JsonLines(), Csv()):
        encoder = fmt.encoder(table(a=[1]).schema, Alterations())
        encoder.discard()
        encoder.discard()


def test_formats_name_their_content_type() -> None:
    """Objects are labelled as docs/formats.md says, and only CSV needs one schema for an object."""
    assert (JsonLines().content_type, JsonLines().fixed_schema) == ("application/json", False)
    assert (Csv().content_type, Csv().fixed_schema) == ("text/csv", True)
