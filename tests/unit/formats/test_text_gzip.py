"""gzip around a text format."""

from __future__ import annotations

import gzip

import pyarrow as pa
import pytest

from cloudquery_s3.formats.codecs.gzip import Gzip
from cloudquery_s3.formats.csv import Csv
from cloudquery_s3.formats.encoder import Alterations
from cloudquery_s3.formats.json_lines import JsonLines

ROWS = pa.record_batch({"n": pa.array(range(200_000)), "s": pa.array(["some text, twice"] * 200_000)})


@pytest.mark.parametrize("level", range(1, 10))
def test_every_level_holds_the_same_bytes(level: int) -> None:
    """Whatever the level, the object unpacks to what the inner format writes."""
    plain = JsonLines().encoder(ROWS.schema, Alterations())
    packed = Gzip(JsonLines(), level).encoder(ROWS.schema, Alterations())
    expected = b"".join([*plain.write([ROWS]), *plain.finish().chunks])
    chunks = [*packed.write([ROWS.slice(0, 3)]), *packed.write([ROWS.slice(3)]), *packed.finish().chunks]
    assert gzip.decompress(b"".join(chunks)) == expected


def test_the_header_is_the_references() -> None:
    """The member has no name, no time and an unknown operating system."""
    encoder = Gzip(Csv()).encoder(ROWS.schema, Alterations())
    data = b"".join([*encoder.write([ROWS.slice(0, 1)]), *encoder.finish().chunks])
    assert data[:10] == bytes.fromhex("1f8b08000000000000ff")
    assert gzip.decompress(data) == b'n,s\n0,"some text, twice"\n'


def test_an_object_without_bytes_is_a_valid_member() -> None:
    """Nothing at all, compressed, is still gzip."""
    encoder = Gzip(JsonLines()).encoder(ROWS.schema, Alterations())
    assert gzip.decompress(b"".join([*encoder.write([]), *encoder.finish().chunks])) == b""


@pytest.mark.parametrize("level", [0, 10, -1])
def test_a_level_that_is_none_is_refused(level: int) -> None:
    """A level that no library has is an error that says which there are."""
    with pytest.raises(ValueError, match="1 to 9"):
        Gzip(JsonLines(), level)


def test_it_takes_its_schema_rule_from_the_inner_format() -> None:
    """Compressing changes the content type, but not whether an object may hold rows of several schemas."""
    assert Gzip(JsonLines()).fixed_schema is False
    assert Gzip(Csv()).fixed_schema is True
    assert Gzip(Csv()).content_type == "application/gzip"
